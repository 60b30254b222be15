#include "text/line_shape.h"

#include <algorithm>
#include <cstring>

#include "base/simd.h"
#include "text/json_scan.h"
#include "text/logfmt.h"
#include "text/sanitize.h"

namespace skald {
namespace {

// The widest vector of the two that are used.
constexpr size_t kVector = 32;
static_assert(LineShape::kPadding >= 2 * kVector);

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Sixteen bytes at a time, as every processor can.
struct Sse {
  using Vector = __m128i;
  static constexpr size_t kSize = 16;

  static Vector Load(const char* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static uint32_t Equal(Vector a, Vector b) {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)));
  }
  static bool AllEqual(const char* a, const char* b) { return Equal(Load(a), Load(b)) == 0xffff; }
  // The first n bytes, at most kSize.
  static bool BeginsEqual(const char* a, const char* b, size_t n) {
    return (~uint64_t{Equal(Load(a), Load(b))} & ((uint64_t{1} << n) - 1)) == 0;
  }
  // A quote or a backslash.
  static uint32_t StringEnds(const char* p) {
    const Vector v = Load(p);
    return static_cast<uint32_t>(_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))));
  }
  // What is none of - . / 0-9 + e E.
  static uint32_t NumberEnds(const char* p) {
    const Vector v = Load(p);
    const __m128i from_minus = _mm_sub_epi8(v, _mm_set1_epi8('-'));
    const __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(from_minus, _mm_set1_epi8('9' - '-')), from_minus);
    const __m128i exponent = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('e'));
    const __m128i in = _mm_or_si128(_mm_or_si128(digit, exponent), _mm_cmpeq_epi8(v, _mm_set1_epi8('+')));
    return ~static_cast<uint32_t>(_mm_movemask_epi8(in)) & 0xffff;
  }
  // Blank, = or a quote.
  static uint32_t BareEnds(const char* p) {
    const Vector v = Load(p);
    const __m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x20)), v);
    const __m128i other =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('=')), _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(blank, other)));
  }
};

// Thirty-two: most values and literals are looked at in one step.
struct Avx2 {
  using Vector = __m256i;
  static constexpr size_t kSize = 32;

  SKALD_AVX2 static Vector Load(const char* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  SKALD_AVX2 static uint32_t Equal(Vector a, Vector b) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)));
  }
  SKALD_AVX2 static bool AllEqual(const char* a, const char* b) {
    return Equal(Load(a), Load(b)) == 0xffffffff;
  }
  SKALD_AVX2 static bool BeginsEqual(const char* a, const char* b, size_t n) {
    return (~uint64_t{Equal(Load(a), Load(b))} & ((uint64_t{1} << n) - 1)) == 0;
  }
  SKALD_AVX2 static uint32_t StringEnds(const char* p) {
    const Vector v = Load(p);
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(
        _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')))));
  }
  SKALD_AVX2 static uint32_t NumberEnds(const char* p) {
    const Vector v = Load(p);
    const __m256i from_minus = _mm256_sub_epi8(v, _mm256_set1_epi8('-'));
    const __m256i digit =
        _mm256_cmpeq_epi8(_mm256_min_epu8(from_minus, _mm256_set1_epi8('9' - '-')), from_minus);
    const __m256i exponent =
        _mm256_cmpeq_epi8(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('e'));
    const __m256i in =
        _mm256_or_si256(_mm256_or_si256(digit, exponent), _mm256_cmpeq_epi8(v, _mm256_set1_epi8('+')));
    return ~static_cast<uint32_t>(_mm256_movemask_epi8(in));
  }
  SKALD_AVX2 static uint32_t BareEnds(const char* p) {
    const Vector v = Load(p);
    const __m256i blank = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x20)), v);
    const __m256i other = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('=')),
                                          _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')));
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(blank, other)));
  }
};

}  // namespace

void LineShape::AddPiece(const char* literal, const char* value, Kind kind, std::string name) {
  Piece piece;
  piece.begin = static_cast<uint32_t>(text_.size());
  piece.size = static_cast<uint32_t>(value - literal);
  piece.kind = kind;
  text_.append(literal, piece.size);
  pieces_.push_back(piece);
  names_.push_back(std::move(name));
}

bool LineShape::AddJsonObject(const char** at, const char* end, const std::string& path, int depth,
                              const char** literal) {
  constexpr int kMaxDepth = 8;
  const char* p = SkipJsonSpace(*at + 1, end);
  if (p == end || depth > kMaxDepth) return false;
  while (*p != '}') {
    if (*p != '"' || pieces_.size() == kMaxPieces) return false;
    bool escaped = false;
    const char* const key_begin = p + 1;
    const char* const key_end = FindStringEnd(key_begin, end, &escaped);
    if (key_end == nullptr || escaped) return false;
    std::string name = path;
    if (!name.empty()) name += '_';
    const size_t part = name.size();
    AppendSanitizedKey(&name, {key_begin, static_cast<size_t>(key_end - key_begin)}, part == 0);
    if (name.size() == part) return false;  // a blank key has rules of its own
    p = SkipJsonSpace(key_end + 1, end);
    if (p == end || *p != ':') return false;
    p = SkipJsonSpace(p + 1, end);
    if (p == end) return false;
    if (*p == '{') {
      if (!AddJsonObject(&p, end, name, depth + 1, literal)) return false;
    } else {
      JsonValue value;
      const char* const begin = p;
      if (ReadJsonValue(&p, end, &value) != JsonError::kNone) return false;
      switch (value.type) {
        case JsonType::kString:
          if (value.escaped) return false;
          AddPiece(*literal, begin + 1, Kind::kString, std::move(name));
          *literal = p - 1;
          break;
        case JsonType::kNumber:
          AddPiece(*literal, begin, Kind::kNumber, std::move(name));
          *literal = p;
          break;
        case JsonType::kBool:
          AddPiece(*literal, begin, Kind::kBool, std::move(name));
          *literal = p;
          break;
        case JsonType::kNull:  // part of the literal
          break;
        default:
          return false;
      }
    }
    p = SkipJsonSpace(p, end);
    if (p == end) return false;
    if (*p == '}') break;
    if (*p != ',') return false;
    p = SkipJsonSpace(p + 1, end);
    if (p == end || *p == '}') return false;
  }
  *at = p + 1;
  return true;
}

bool LineShape::LearnJson(std::string_view line) {
  pieces_.clear();
  names_.clear();
  text_.clear();
  const char* const end = line.data() + line.size();
  const char* literal = line.data();
  const char* p = SkipJsonSpace(literal, end);
  if (p == end || *p != '{' || !AddJsonObject(&p, end, "", 0, &literal) || pieces_.empty()) {
    pieces_.clear();
    return false;
  }
  last_.begin = static_cast<uint32_t>(text_.size());
  last_.size = static_cast<uint32_t>(p - literal);
  text_.append(literal, last_.size);
  text_.append(kVector, '\0');
  return true;
}

bool LineShape::LearnLogfmt(std::string_view line) {
  pieces_.clear();
  names_.clear();
  text_.clear();
  LogfmtScanner scanner(line);
  const char* literal = line.data();
  bool quoted = false;
  while (pieces_.size() < kMaxPieces && scanner.Next() == LogfmtScanner::kPair) {
    const std::string_view value = scanner.value();
    const bool in_line =
        value.data() >= line.data() && value.data() + value.size() <= line.data() + line.size();
    if (value.empty() || !in_line) break;  // a bare key, or a value with escapes
    quoted = value.data()[-1] == '"';
    AddPiece(literal, value.data(), quoted ? Kind::kString : Kind::kBare,
             std::string(SanitizedKey(scanner.key(), &scratch_)));
    literal = value.data() + value.size();
  }
  last_ = Piece();
  last_.begin = static_cast<uint32_t>(text_.size());
  if (quoted && !pieces_.empty()) {
    last_.size = 1;
    text_ += '"';
  }
  text_.append(kVector, '\0');
  return !pieces_.empty();
}

void LineShape::CutAfter(size_t i) {
  if (i + 1 >= pieces_.size()) return;
  last_ = pieces_[i + 1];
  // The byte that ended it. A value without quotes may end the line as well.
  last_.size = pieces_[i].kind == Kind::kBare ? 0 : 1;
  pieces_.resize(i + 1);
  names_.resize(i + 1);
}

// Values [from, to) of each line, from at[line] on, which is moved behind the last. The lines go in step:
// where one waits for the end of a value to be known the others use the time. The vectors' functions are for
// processors that have them, so this is always part of a function for those.
template <class V, size_t kLines>
[[gnu::always_inline]] inline bool LineShape::MatchLines(const std::string_view* lines, const char** at,
                                                         size_t from, size_t to,
                                                         std::string_view* const* values) const {
  for (size_t i = from; i < to; ++i) {
    const Piece& piece = pieces_[i];
    for (size_t k = 0; k < kLines; ++k) {
      const char* p = at[k];
      const char* const end = lines[k].data() + lines[k].size();
      if (static_cast<size_t>(end - p) < piece.size) return false;
      const char* want = text_.data() + piece.begin;
      size_t left = piece.size;
      for (; left > V::kSize; left -= V::kSize, p += V::kSize, want += V::kSize) {
        if (!V::AllEqual(p, want)) return false;
      }
      if (!V::BeginsEqual(p, want, left)) return false;
      p += left;
      if (p >= end) return false;
      const char* close = p;
      uint32_t ends = 0;
      switch (piece.kind) {
        case Kind::kString:
          while ((ends = V::StringEnds(close)) == 0) {
            close += V::kSize;
            if (close >= end) return false;
          }
          close += __builtin_ctz(ends);
          if (close >= end || *close != '"') return false;
          break;
        case Kind::kNumber:
          if (!IsDigit(*p) && *p != '-') return false;
          while ((ends = V::NumberEnds(close)) == 0) {
            close += V::kSize;
            if (close >= end) return false;
          }
          close += __builtin_ctz(ends);
          break;
        case Kind::kBool:
          if (std::memcmp(p, "true", 4) == 0) {
            close = p + 4;
          } else if (std::memcmp(p, "false", 5) == 0) {
            close = p + 5;
          } else {
            return false;
          }
          break;
        case Kind::kBare:
          while ((ends = V::BareEnds(close)) == 0) {
            close += V::kSize;
            if (close >= end) break;
          }
          close = ends == 0 ? end : std::min(close + __builtin_ctz(ends), end);
          if (close == p || (close < end && (*close == '=' || *close == '"'))) return false;
          break;
      }
      if (close > end) return false;
      values[k][i] = {p, static_cast<size_t>(close - p)};
      at[k] = close;
    }
  }
  return true;
}

template <size_t kLines>
SKALD_AVX2 bool LineShape::MatchLinesAvx2(const std::string_view* lines, const char** at, size_t from,
                                          size_t to, std::string_view* const* values) const {
  return MatchLines<Avx2, kLines>(lines, at, from, to, values);
}

const char* LineShape::MatchValues(std::string_view line, const char* at, size_t from, size_t to,
                                   std::string_view* values) const {
  const bool match = has_avx2_ ? MatchLinesAvx2<1>(&line, &at, from, to, &values)
                               : MatchLines<Sse, 1>(&line, &at, from, to, &values);
  return match ? at : nullptr;
}

bool LineShape::MatchBoth(const std::string_view lines[2], std::string_view* const values[2]) const {
  const char* at[2] = {lines[0].data(), lines[1].data()};
  const bool match = has_avx2_ ? MatchLinesAvx2<2>(lines, at, 0, size(), values)
                               : MatchLines<Sse, 2>(lines, at, 0, size(), values);
  return match && MatchEnd(lines[0], at[0]) && MatchEnd(lines[1], at[1]);
}

bool LineShape::MatchEnd(std::string_view line, const char* at) const {
  return static_cast<size_t>(line.data() + line.size() - at) >= last_.size &&
         std::memcmp(at, text_.data() + last_.begin, last_.size) == 0;
}

}  // namespace skald
