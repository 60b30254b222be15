#include "text/pattern_miner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/simd.h"

namespace skald {
namespace {

// A token is a run of bytes that are none of these: blanks, control characters, and the punctuation that
// stands between words in all kinds of lines. What stands within words (paths, times, addresses, dotted
// names) is not among them.
constexpr std::string_view kSeparators = " \"'(),;<=>?![]{}|&`";
constexpr uint8_t kSeparator = 1;
constexpr uint8_t kDigit = 2;

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 0x20; ++c) classes[static_cast<size_t>(c)] = kSeparator;
  for (const char c : kSeparators) classes[static_cast<unsigned char>(c)] = kSeparator;
  for (char c = '0'; c <= '9'; ++c) classes[static_cast<unsigned char>(c)] = kDigit;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

// One bit a byte of 64.
struct Masks {
  uint64_t separators = 0;
  uint64_t digits = 0;
  uint64_t colons = 0;
};

Masks MasksOf(const char* p) {
  Masks out;
  for (int i = 0; i < 64; ++i) {
    const uint64_t kind = kClasses[static_cast<unsigned char>(p[i])];
    out.separators |= (kind & kSeparator) << i;
    out.digits |= (kind >> 1) << i;
    out.colons |= static_cast<uint64_t>(p[i] == ':') << i;
  }
  return out;
}

// The class of a byte from its two halves: a bit that both tables have says that it is of a set. 0x80 and
// beyond give 0 in the upper table.
constexpr uint8_t kControl = 1, kRow2 = 2, kRow3 = 4, kRow5 = 8, kRow6 = 16, kRow7 = 32, kDigits = 64,
                  kColon = 128;
constexpr uint8_t RowBit(int row) {
  switch (row) {
    case 0:
    case 1:
      return kControl;
    case 2:
      return kRow2;
    case 3:
      return kRow3;
    case 5:
      return kRow5;
    case 6:
      return kRow6;
    case 7:
      return kRow7;
    default:
      return 0;
  }
}
struct NibbleTables {
  alignas(16) std::array<uint8_t, 16> low{};
  alignas(16) std::array<uint8_t, 16> high{};
};
constexpr NibbleTables MakeNibbles() {
  NibbleTables t;
  for (int row = 0; row < 8; ++row) {
    t.high[static_cast<size_t>(row)] = static_cast<uint8_t>(RowBit(row) | (row == 3 ? kDigits | kColon : 0));
    for (int column = 0; column < 16; ++column) {
      const uint8_t kind = kClasses[static_cast<size_t>(16 * row + column)];
      if (kind == kSeparator) t.low[static_cast<size_t>(column)] |= RowBit(row);
      if (kind == kDigit) t.low[static_cast<size_t>(column)] |= kDigits;
      if (16 * row + column == ':') t.low[static_cast<size_t>(column)] |= kColon;
    }
  }
  return t;
}
constexpr NibbleTables kNibbles = MakeNibbles();

SKALD_AVX2 Masks MasksOfAvx2(const char* p) {
  const __m256i low =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kNibbles.low.data())));
  const __m256i high =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kNibbles.high.data())));
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i separator = _mm256_set1_epi8(kControl | kRow2 | kRow3 | kRow5 | kRow6 | kRow7);
  Masks out;
  for (int half = 0; half < 2; ++half) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * half));
    const __m256i sets =
        _mm256_and_si256(_mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble)),
                         _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble)));
    // Bytes from 0x80 on have an upper half of 8 or more, for which the table has nothing.
    const __m256i in = _mm256_cmpeq_epi8(_mm256_and_si256(sets, separator), _mm256_setzero_si256());
    out.separators |= static_cast<uint64_t>(~static_cast<uint32_t>(_mm256_movemask_epi8(in))) << (32 * half);
    // The top bit is that of colons, the next that of digits.
    out.colons |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(sets))) << (32 * half);
    const auto digits = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(sets, 1)));
    out.digits |= static_cast<uint64_t>(digits) << (32 * half);
  }
  return out;
}

uint64_t Load(const char* p) {
  uint64_t out;
  std::memcpy(&out, p, sizeof(out));
  return out;
}

// Patterns with one number of tokens from which on two words in a row may differ: texts in which they do
// would each be a pattern of its own.
constexpr size_t kManyOfOneLength = 16;

constexpr uint64_t kMul1 = 0x9E3779B97F4A7C15;
constexpr uint64_t kMul2 = 0xD6E8FEB86659FD93;

// Of a token's bytes; reads up to 16 bytes behind its end. Never 0.
uint32_t HashToken(const char* p, size_t n) {
  // For each size the bytes of the first and the second word that belong to the token.
  static constexpr std::array<std::array<uint64_t, 2>, 17> kKeep = [] {
    std::array<std::array<uint64_t, 2>, 17> keep{};
    for (size_t size = 0; size <= 16; ++size) {
      keep[size][0] = size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1;
      keep[size][1] = size <= 8 ? 0 : size == 16 ? ~uint64_t{0} : (uint64_t{1} << (8 * (size - 8))) - 1;
    }
    return keep;
  }();
  uint64_t h = n;
  while (n > 16) {
    h = ((h ^ Load(p)) * kMul1) ^ (Load(p + 8) * kMul2);
    h ^= h >> 29;
    p += 16;
    n -= 16;
  }
  const auto& keep = kKeep[n];
  h = ((h ^ (Load(p) & keep[0])) * kMul1) ^ ((Load(p + 8) & keep[1]) * kMul2);
  return static_cast<uint32_t>(h >> 32) | 1;
}

}  // namespace

PatternMiner::PatternMiner(size_t max_patterns)
    : max_patterns_(std::max<size_t>(max_patterns, 1)), by_tokens_(kMaxTokens + 1) {}

void PatternMiner::Clear() {
  patterns_.clear();
  hashes_.clear();
  masks_.clear();
  variable_.clear();
  for (std::vector<uint32_t>& list : by_tokens_) list.clear();
  rest_ = -1;
}

// Fills the line's tokens; true if the line goes on behind them.
bool PatternMiner::Tokenize(std::string_view line) {
  const bool cut = line.size() > kMaxBytes;
  const auto size = static_cast<uint32_t>(cut ? kMaxBytes : line.size());
  const char* const p = line.data();
  uint32_t tokens = 0;
  uint32_t begin = 0;
  bool inside = false;
  bool digits = false;
  const auto add = [&](uint32_t end) {
    // `<_>` is a placeholder of a pattern's text.
    const bool any = end - begin == 1 && p[begin] == '_' && begin > 0 && p[begin - 1] == '<' &&
                     end < line.size() && p[end] == '>';
    line_hashes_[tokens] = any ? kAny : HashToken(p + begin, end - begin);
    line_variable_[tokens] = digits || any ? 1 : 0;
    line_bounds_[2 * tokens] = static_cast<uint16_t>(begin);
    line_bounds_[2 * tokens + 1] = static_cast<uint16_t>(end);
    ++tokens;
  };
  for (uint32_t base = 0; base < size; base += 64) {
    Masks masks = has_avx2_ ? MasksOfAvx2(p + base) : MasksOf(p + base);
    if (size - base < 64) masks.separators |= ~uint64_t{0} << (size - base);
    // A colon is part of a word, but not where it stands behind what is none: `"key":17`.
    masks.separators |= masks.colons & ((masks.separators << 1) | (inside ? 0 : 1));
    // A bit wherever a token begins or ends.
    const uint64_t word = ~masks.separators;
    uint64_t edges = word ^ ((word << 1) | (inside ? 1 : 0));
    if (inside && edges != 0) {
      const auto at = static_cast<uint32_t>(__builtin_ctzll(edges));
      edges &= edges - 1;
      digits |= (masks.digits & ((uint64_t{1} << at) - 1)) != 0;
      add(base + at);
      inside = false;
    } else if (inside) {
      digits |= masks.digits != 0;
    }
    while (edges != 0) {
      if (tokens == kMaxTokens) {
        line_tokens_ = tokens;
        return true;
      }
      const auto from = static_cast<uint32_t>(__builtin_ctzll(edges));
      edges &= edges - 1;
      begin = base + from;
      const uint64_t rest = masks.digits & (~uint64_t{0} << from);
      if (edges == 0) {  // it goes on behind these bytes
        digits = rest != 0;
        inside = true;
        break;
      }
      const auto to = static_cast<uint32_t>(__builtin_ctzll(edges));
      edges &= edges - 1;
      digits = (rest & ((uint64_t{1} << to) - 1)) != 0;
      add(base + to);
    }
  }
  if (inside) add(size);
  line_tokens_ = tokens;
  return cut;
}

bool PatternMiner::Matches(const Pattern& pattern) const {
  const uint32_t* hashes = hashes_.data() + pattern.first;
  const uint32_t* masks = masks_.data() + pattern.first;
  for (uint32_t i = 0; i < pattern.tokens; i += kLanes) {
    uint32_t differs = 0;
    for (uint32_t k = 0; k < kLanes; ++k) differs |= (line_hashes_[i + k] ^ hashes[i + k]) & masks[i + k];
    if (differs != 0) return false;
  }
  return true;
}

int PatternMiner::Similarity(const Pattern& pattern, bool strict) const {
  int same = 0;
  int words = 0;
  bool differed = false;  // the word before
  for (uint32_t i = 0; i < pattern.tokens; ++i) {
    const size_t at = pattern.first + i;
    if (line_variable_[i] != 0 && variable_[at] != 0) {
      differed = false;
      continue;
    }
    ++words;
    const bool is_same = masks_[at] != 0 && hashes_[at] == line_hashes_[i];
    same += is_same ? 1 : 0;
    // Two words that differ with nothing but a blank between them are another message.
    if (strict && !is_same && differed && pattern.bounds[2 * i] == pattern.bounds[2 * i - 1] + 1 &&
        pattern.text[pattern.bounds[2 * i] - 1] == ' ') {
      return -1;
    }
    differed = !is_same;
  }
  // Half of the words at least, and where there is but one, that one.
  return 2 * same >= words && (same > 0 || words == 0) ? same : -1;
}

void PatternMiner::Generalise(const Pattern& pattern) {
  for (uint32_t i = 0; i < pattern.tokens; ++i) {
    const size_t at = pattern.first + i;
    if (hashes_[at] == line_hashes_[i]) continue;
    masks_[at] = 0;
    hashes_[at] = kAny;
    variable_[at] |= line_variable_[i];
  }
}

uint32_t PatternMiner::Create(std::string_view line, bool open_end) {
  const auto number = static_cast<uint32_t>(patterns_.size());
  Pattern& pattern = patterns_.emplace_back();
  pattern.tokens = line_tokens_;
  pattern.first = static_cast<uint32_t>(hashes_.size());
  pattern.open_end = open_end;
  const size_t end = !open_end ? line.size() : line_tokens_ == 0 ? 0 : line_bounds_[2 * line_tokens_ - 1];
  pattern.text.assign(line.substr(0, end));
  pattern.bounds.assign(line_bounds_, line_bounds_ + 2 * line_tokens_);
  const size_t padded = (line_tokens_ + kLanes - 1) / kLanes * kLanes;
  hashes_.insert(hashes_.end(), line_hashes_, line_hashes_ + padded);
  masks_.resize(hashes_.size());
  variable_.insert(variable_.end(), line_variable_, line_variable_ + padded);
  for (uint32_t i = 0; i < line_tokens_; ++i)
    masks_[pattern.first + i] = line_hashes_[i] == kAny ? 0 : ~uint32_t{0};
  return number;
}

uint32_t PatternMiner::Add(std::string_view line) {
  const bool open_end = Tokenize(line);
  for (uint32_t i = line_tokens_; i % kLanes != 0; ++i) {
    line_hashes_[i] = kAny;
    line_variable_[i] = 0;
  }
  std::vector<uint32_t>& candidates = by_tokens_[line_tokens_];
  const auto use = [&candidates](size_t i) {
    const uint32_t number = candidates[i];
    // One place forward, so that those in steady use come to stand in front.
    if (i > 0) std::swap(candidates[i], candidates[i - 1]);
    return number;
  };
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (Matches(patterns_[candidates[i]])) return use(i);
  }
  int best = -1;
  size_t best_at = 0;
  const bool strict = candidates.size() < kManyOfOneLength && patterns_.size() + 1 < max_patterns_;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const int similarity = Similarity(patterns_[candidates[i]], strict);
    if (similarity > best) {
      best = similarity;
      best_at = i;
    }
  }
  if (best >= 0) {
    Generalise(patterns_[candidates[best_at]]);
    return use(best_at);
  }
  if (rest_ < 0 && patterns_.size() + 1 >= max_patterns_) {
    rest_ = static_cast<int64_t>(patterns_.size());
    Pattern& rest = patterns_.emplace_back();
    rest.open_end = true;
  }
  if (rest_ >= 0) return static_cast<uint32_t>(rest_);
  candidates.push_back(Create(line, open_end));
  return candidates.back();
}

std::string PatternMiner::Text(uint32_t number) const {
  const Pattern& pattern = patterns_[number];
  std::string out;
  size_t from = 0;
  for (uint32_t i = 0; i < pattern.tokens; ++i) {
    if (masks_[pattern.first + i] != 0) continue;
    const size_t begin = pattern.bounds[2 * i];
    const size_t end = pattern.bounds[2 * i + 1];
    const std::string_view text = pattern.text;
    // A placeholder of a pattern's text stands as it is.
    const bool as_it_is = text.substr(begin, end - begin) == "_" && begin > 0 && text[begin - 1] == '<' &&
                          end < text.size() && text[end] == '>';
    out.append(text.substr(from, begin - from));
    out.append(as_it_is ? std::string_view("_") : kPatternPlaceholder);
    from = end;
  }
  out.append(pattern.text, from);
  if (pattern.open_end && !out.ends_with(kPatternPlaceholder)) out.append(kPatternPlaceholder);
  return out;
}

}  // namespace skald
