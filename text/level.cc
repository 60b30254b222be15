#include "text/level.h"

#include <algorithm>
#include <array>

#include "base/simd.h"
#include "text/byte_scan.h"
#include "text/go_float.h"
#include "text/json_scan.h"
#include "text/line_form.h"
#include "text/logfmt.h"

namespace skald {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool EqualsFolded(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

struct Word {
  std::string_view word;
  std::string_view level;
};

constexpr Word kMapping[] = {{"info", "info"},         {"error", "error"},     {"warn", "warn"},
                             {"debug", "debug"},       {"warning", "warn"},    {"err", "error"},
                             {"trace", "trace"},       {"trc", "trace"},       {"dbg", "debug"},
                             {"inf", "info"},          {"wrn", "warn"},        {"fatal", "fatal"},
                             {"critical", "critical"}, {"information", "info"}};

// By first letter; a longer word before its own beginning.
constexpr Word kScanned[] = {{"trace", "trace"},       {"debug", "debug"}, {"fatal", "fatal"},
                             {"critical", "critical"}, {"error", "error"}, {"err", "error"},
                             {"warning", "warn"},      {"warn", "warn"},   {"info", "info"}};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

bool IsLeftBoundary(char c) { return IsBlank(c) || c == '[' || c == '(' || c == '{' || c == '"' || c == '='; }

bool IsRightBoundary(char c) {
  return IsBlank(c) || std::string_view("[](){}:,!\"=").find(c) != std::string_view::npos;
}

// The level whose word stands at text[at], "" for none. The left boundary has been seen to.
std::string_view WordAt(std::string_view text, size_t at) {
  const char first = Lower(text[at]);
  for (const Word& candidate : kScanned) {
    if (candidate.word[0] != first) continue;
    const size_t end = at + candidate.word.size();
    if (end > text.size() || (end < text.size() && !IsRightBoundary(text[end]))) continue;
    if (EqualsFolded(text.substr(at, candidate.word.size()), candidate.word)) return candidate.level;
  }
  return {};
}

// Sixteen bytes: which of them are one of a set given by two nibble tables (a byte is in it where the tables
// share a bit).
struct NibbleSet {
  __m128i low;
  __m128i high;

  __m128i Match(__m128i bytes) const {
    const __m128i nibble = _mm_set1_epi8(0x0f);
    const __m128i by_low = _mm_shuffle_epi8(low, _mm_and_si128(bytes, nibble));
    const __m128i by_high = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    return _mm_cmpgt_epi8(_mm_and_si128(by_low, by_high), _mm_setzero_si128());
  }
};

// One bit a high nibble: exact for sets within ASCII, whose bytes have at most seven different high nibbles.
NibbleSet MakeSet(std::string_view members) {
  alignas(16) uint8_t low[16] = {};
  alignas(16) uint8_t high[16] = {};
  for (const char c : members) {
    const auto byte = static_cast<unsigned char>(c);
    const auto bit = static_cast<uint8_t>(1 << (byte >> 4));
    low[byte & 15] = static_cast<uint8_t>(low[byte & 15] | bit);
    high[byte >> 4] = bit;
  }
  // A high nibble of 7 uses bit 7, which a signed comparison would take for negative; nibble 1 holds no
  // member, so its bit is free.
  for (uint8_t& entry : low) {
    if ((entry & 0x80) != 0) entry = static_cast<uint8_t>((entry & 0x7f) | 0x02);
  }
  if (high[7] != 0) high[7] = 0x02;
  return {_mm_load_si128(reinterpret_cast<const __m128i*>(low)),
          _mm_load_si128(reinterpret_cast<const __m128i*>(high))};
}

}  // namespace

std::string_view KnownLevel(std::string_view text) {
  if (text.size() < 3 || text.size() > 11) return {};
  for (const Word& candidate : kMapping) {
    if (EqualsFolded(text, candidate.word)) return candidate.level;
  }
  return {};
}

std::string_view NormalizeLevel(std::string_view text) {
  const std::string_view known = KnownLevel(text);
  return known.empty() ? text : known;
}

std::string_view LevelOfSeverityNumber(std::string_view text) {
  bool negative = false;
  size_t i = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    i = 1;
  }
  if (i == text.size()) return "info";
  int64_t number = 0;
  for (; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return "info";
    number = std::min<int64_t>(number * 10 + (text[i] - '0'), 1'000'000);
  }
  if (negative) number = -number;
  if (number == 0) return "unknown";
  constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error", "fatal"};
  if (number < 0) return "trace";
  return number <= 24 ? kNames[static_cast<size_t>((number - 1) / 4)] : "unknown";
}

std::string_view ScanForLevel(std::string_view line) {
  static const NibbleSet boundaries = MakeSet(" \t\n[({\"=");
  static const NibbleSet firsts = MakeSet("tdfcewiTDFCEWI");
  if (line.empty()) return {};
  if (const std::string_view level = WordAt(line, 0); !level.empty()) return level;
  size_t i = 1;
  for (; i + 16 <= line.size(); i += 16) {
    const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.data() + i - 1));
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.data() + i));
    auto mask =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_and_si128(boundaries.Match(before), firsts.Match(here))));
    for (; mask != 0; mask &= mask - 1) {
      const size_t at = i + static_cast<size_t>(__builtin_ctz(mask));
      if (const std::string_view level = WordAt(line, at); !level.empty()) return level;
    }
  }
  for (; i < line.size(); ++i) {
    if (!IsLeftBoundary(line[i - 1])) continue;
    if (const std::string_view level = WordAt(line, i); !level.empty()) return level;
  }
  return {};
}

LevelDetector::LevelDetector(Options options) : options_(std::move(options)) {
  for (const std::string& field : options_.fields) {
    if (field.empty()) continue;
    const auto byte = static_cast<unsigned char>(field[0]);
    first_bytes_[byte / 32] |= 1u << (byte % 32);
    lengths_ |= uint64_t{1} << std::min<size_t>(field.size(), 63);
  }
}

bool LevelDetector::IsField(std::string_view key) const {
  if (key.empty()) return false;
  const auto byte = static_cast<unsigned char>(key[0]);
  if ((first_bytes_[byte / 32] >> (byte % 32) & 1) == 0) return false;
  if ((lengths_ >> std::min<size_t>(key.size(), 63) & 1) == 0) return false;
  return std::find(options_.fields.begin(), options_.fields.end(), key) != options_.fields.end();
}

std::string_view LevelDetector::FromJson(std::string_view line) const {
  std::string key_scratch;
  std::string_view level;
  bool found = false;
  // Depth first, in the order of the text.
  const auto search = [&](const auto& self, std::string_view text, int depth) -> void {
    ForEachJsonMember(text, &key_scratch, [&](std::string_view key, const JsonValue& value) {
      if (value.type == JsonType::kString) {
        if (!IsField(key)) return true;
        found = true;
        std::string scratch;
        level = KnownLevel(JsonLabelValue(value, &scratch));
        return false;
      }
      constexpr int kMaxDepth = 512;  // what "all" means: the stack is finite
      if (value.type == JsonType::kObject &&
          (options_.json_depth <= 0 ? depth < kMaxDepth : depth < options_.json_depth)) {
        self(self, value.text, depth + 1);
      }
      return !found;
    });
  };
  search(search, line, 1);
  return level;
}

std::string_view LevelDetector::FromLogfmt(std::string_view line) const {
  LogfmtScanner scanner(line);
  size_t best = options_.fields.size();
  std::string_view level;
  while (scanner.Next() == LogfmtScanner::kPair) {
    const std::string_view key = scanner.key();
    if ((lengths_ >> std::min<size_t>(key.size(), 63) & 1) == 0) continue;
    for (size_t i = 0; i < best; ++i) {
      if (!EqualFold(key, options_.fields[i])) continue;
      best = i;
      level = KnownLevel(scanner.value());
      break;
    }
    if (best == 0) break;
  }
  return level;
}

std::string_view LevelDetector::OfLine(std::string_view line) const {
  std::string_view level;
  if (!options_.fields.empty()) {
    if (const std::string_view object = ObjectOfLine(line); !object.empty()) {
      level = FromJson(object);
    } else if (line.find('=') != std::string_view::npos) {
      level = FromLogfmt(line);
    }
  }
  if (level.empty()) level = ScanForLevel(line);
  return level.empty() ? std::string_view("unknown") : level;
}

std::optional<std::string_view> LevelDetector::OfStream(const Lookup& stream_label) const {
  for (const std::string& field : options_.fields) {
    if (const auto value = stream_label(field)) return NormalizeLevel(*value);
  }
  return std::nullopt;
}

std::string_view LevelDetector::OfMetadataOrLine(const Lookup& metadata, std::string_view line) const {
  for (const std::string& field : options_.fields) {
    if (const auto value = metadata(field)) return NormalizeLevel(*value);
  }
  if (const auto value = metadata("severity_number")) return LevelOfSeverityNumber(*value);
  return OfLine(line);
}

std::string_view LevelDetector::Detect(const Lookup& stream_label, const Lookup& metadata,
                                       std::string_view line) const {
  if (const auto value = metadata("detected_level")) return NormalizeLevel(*value);
  if (const auto value = OfStream(stream_label)) return *value;
  return OfMetadataOrLine(metadata, line);
}

}  // namespace skald
