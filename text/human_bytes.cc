#include "text/human_bytes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "text/go_float.h"
#include "text/runes.h"

namespace skald {
namespace {

// The factor of a lower-cased suffix, 0 where it is not one.
double Factor(std::string_view suffix) {
  if (suffix.empty() || suffix == "b") return 1;
  constexpr std::string_view kPrefixes = "kmgtpe";
  const size_t power = kPrefixes.find(suffix[0]);
  if (power == std::string_view::npos) return 0;
  const std::string_view tail = suffix.substr(1);
  double base = 0;
  if (tail.empty() || tail == "b") base = 1000;
  if (tail == "i" || tail == "ib") base = 1024;
  double factor = base;
  for (size_t i = 0; i < power; ++i) factor *= base;
  return factor;
}

}  // namespace

absl::StatusOr<uint64_t> ParseHumanBytes(std::string_view text) {
  size_t end = 0;
  bool has_comma = false;
  // Digits of any script count, and each as one byte, as in the library that Loki reads sizes with.
  for (size_t at = 0; at < text.size(); ++end) {
    const DecodedRune rune = DecodeRune(text.substr(at));
    if (rune.rune != '.' && rune.rune != ',' && !IsDigitRune(rune.rune)) break;
    has_comma |= rune.rune == ',';
    at += rune.size;
  }
  double value = 0;
  if (has_comma) {
    std::string number(text.substr(0, end));
    std::erase(number, ',');
    ASSIGN_OR_RETURN(value, ParseGoFloat(number));
  } else {
    ASSIGN_OR_RETURN(value, ParseGoFloat(text.substr(0, end)));
  }
  const std::string_view suffix = TrimSpace(text.substr(end));
  char lower[3];
  double factor = 0;
  if (suffix.size() <= sizeof(lower)) {
    std::transform(suffix.begin(), suffix.end(), lower,
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    factor = Factor({lower, suffix.size()});
  }
  if (factor == 0) return InvalidArgument("unhandled size name: {}", ToLower(suffix));
  value *= factor;
  if (value >= 18446744073709551615.0) return InvalidArgument("too large: {}", text);
  return static_cast<uint64_t>(value);
}

std::string FormatIecBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10) return fmt::format("{} B", bytes);
  size_t power = 0;
  while (power < 6 && bytes >> (10 * (power + 1)) != 0) ++power;
  const double value =
      std::floor(static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << (10 * power)) * 10 + 0.5) /
      10;
  return value < 10 ? fmt::format("{:.1f} {}", value, kUnits[power])
                    : fmt::format("{:.0f} {}", value, kUnits[power]);
}

std::string FormatHumanBytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 10) return fmt::format("{}B", bytes);
  const double power = std::floor(std::log(static_cast<double>(bytes)) / std::log(1000.0));
  const double value = std::floor(static_cast<double>(bytes) / std::pow(1000.0, power) * 10 + 0.5) / 10;
  const char* unit = kUnits[static_cast<size_t>(power)];
  return value < 10 ? fmt::format("{:.1f}{}", value, unit) : fmt::format("{:.0f}{}", value, unit);
}

}  // namespace skald
