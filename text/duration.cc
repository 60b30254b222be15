#include "text/duration.h"

#include <array>

#include "base/error.h"
#include "base/labels.h"
#include "base/types.h"

namespace skald {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;
constexpr int64_t kMinute = 60 * kNsPerSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;

struct Unit {
  std::string_view name;
  int64_t ns;
};

constexpr std::array<Unit, 8> kGoUnits = {{{"ns", 1},
                                           {"us", 1'000},
                                           {"\xc2\xb5s", 1'000},  // U+00B5 micro sign
                                           {"\xce\xbcs", 1'000},  // U+03BC Greek mu
                                           {"ms", kNsPerMs},
                                           {"s", kNsPerSecond},
                                           {"m", kMinute},
                                           {"h", kHour}}};

// From the largest to the smallest: the order in which they must stand.
constexpr std::array<Unit, 7> kPrometheusUnits = {{{"y", 365 * kDay},
                                                   {"w", 7 * kDay},
                                                   {"d", kDay},
                                                   {"h", kHour},
                                                   {"m", kMinute},
                                                   {"s", kNsPerSecond},
                                                   {"ms", kNsPerMs}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Go's time package has a quoting of its own: every byte that is not printable ASCII becomes \xNN.
std::string TimeQuoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x80) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendGoQuoted(&out, text);
  return out;
}

absl::Status InvalidDuration(std::string_view text) {
  return InvalidArgument("time: invalid duration {}", TimeQuoted(text));
}

}  // namespace

absl::StatusOr<int64_t> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return 0;
  if (rest.empty()) return InvalidDuration(text);
  uint64_t total = 0;
  while (!rest.empty()) {
    if (rest[0] != '.' && !IsDigit(rest[0])) return InvalidDuration(text);
    uint64_t whole = 0;
    size_t i = 0;
    for (; i < rest.size() && IsDigit(rest[i]); ++i) {
      if (whole > kSignBit / 10) return InvalidDuration(text);
      whole = whole * 10 + static_cast<uint64_t>(rest[i] - '0');
      if (whole > kSignBit) return InvalidDuration(text);
    }
    bool has_digits = i > 0;
    uint64_t fraction = 0;
    double scale = 1;
    if (i < rest.size() && rest[i] == '.') {
      bool full = false;  // further digits would not fit and are below any unit's resolution
      for (++i; i < rest.size() && IsDigit(rest[i]); ++i) {
        has_digits = true;
        if (full) continue;
        const auto digit = static_cast<uint64_t>(rest[i] - '0');
        if (fraction > (kSignBit - 1) / 10 || fraction * 10 + digit > kSignBit) {
          full = true;
          continue;
        }
        fraction = fraction * 10 + digit;
        scale *= 10;
      }
    }
    if (!has_digits) return InvalidDuration(text);
    rest.remove_prefix(i);
    size_t unit_end = 0;
    while (unit_end < rest.size() && rest[unit_end] != '.' && !IsDigit(rest[unit_end])) ++unit_end;
    if (unit_end == 0) return InvalidArgument("time: missing unit in duration {}", TimeQuoted(text));
    const std::string_view name = rest.substr(0, unit_end);
    rest.remove_prefix(unit_end);
    uint64_t unit = 0;
    for (const Unit& candidate : kGoUnits) {
      if (candidate.name == name) unit = static_cast<uint64_t>(candidate.ns);
    }
    if (unit == 0) {
      return InvalidArgument("time: unknown unit {} in duration {}", TimeQuoted(name), TimeQuoted(text));
    }
    if (whole > kSignBit / unit) return InvalidDuration(text);
    whole *= unit;
    if (fraction > 0) {
      whole += static_cast<uint64_t>(static_cast<double>(fraction) * (static_cast<double>(unit) / scale));
      if (whole > kSignBit) return InvalidDuration(text);
    }
    total += whole;
    if (total > kSignBit) return InvalidDuration(text);
  }
  if (negative) return static_cast<int64_t>(0 - total);
  if (total >= kSignBit) return InvalidDuration(text);
  return static_cast<int64_t>(total);
}

absl::StatusOr<int64_t> ParsePrometheusDuration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return InvalidArgument("empty duration string");
  const auto invalid = [&] { return InvalidArgument("not a valid duration string: {}", Quoted(text)); };
  const auto out_of_range = [] { return InvalidArgument("duration out of range"); };
  uint64_t total = 0;
  size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t i = 0;
    uint64_t value = 0;
    for (; i < rest.size() && IsDigit(rest[i]); ++i) {
      if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
          __builtin_add_overflow(value, static_cast<uint64_t>(rest[i] - '0'), &value)) {
        return invalid();
      }
    }
    if (i == 0) return invalid();
    rest.remove_prefix(i);
    for (i = 0; i < rest.size() && !IsDigit(rest[i]);) ++i;
    if (i == 0) return invalid();
    const std::string_view name = rest.substr(0, i);
    rest.remove_prefix(i);
    size_t unit = 0;
    while (unit < kPrometheusUnits.size() && kPrometheusUnits[unit].name != name) ++unit;
    if (unit == kPrometheusUnits.size()) {
      return InvalidArgument("unknown unit {} in duration {}", Quoted(name), Quoted(text));
    }
    if (unit < next_unit) return invalid();
    next_unit = unit + 1;
    const auto ns = static_cast<uint64_t>(kPrometheusUnits[unit].ns);
    if (value > kSignBit / ns) return out_of_range();
    total += value * ns;
    if (total >= kSignBit) return out_of_range();
  }
  return static_cast<int64_t>(total);
}

absl::StatusOr<int64_t> ParseQueryDuration(std::string_view text) {
  if (absl::StatusOr<int64_t> ns = ParsePrometheusDuration(text); ns.ok()) return ns;
  return ParseGoDuration(text);
}

std::string FormatGoDuration(int64_t ns) {
  if (ns == 0) return "0s";
  const bool negative = ns < 0;
  uint64_t value = negative ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  // value / unit as a decimal without trailing zeros; digits = log10(unit).
  const auto decimal = [](uint64_t number, uint64_t unit, int digits) {
    std::string out = fmt::format("{}", number / unit);
    if (const uint64_t fraction = number % unit; fraction != 0) {
      fmt::format_to(std::back_inserter(out), ".{:0{}}", fraction, digits);
      while (out.back() == '0') out.pop_back();
    }
    return out;
  };
  std::string out = negative ? "-" : "";
  if (value < 1'000) {
    out += fmt::format("{}ns", value);
  } else if (value < 1'000'000) {
    out += decimal(value, 1'000, 3) + "\xc2\xb5s";
  } else if (value < 1'000'000'000) {
    out += decimal(value, 1'000'000, 6) + "ms";
  } else {
    const uint64_t minutes = value / static_cast<uint64_t>(kMinute);
    value %= static_cast<uint64_t>(kMinute);
    if (minutes >= 60) out += fmt::format("{}h", minutes / 60);
    if (minutes > 0) out += fmt::format("{}m", minutes % 60);
    out += decimal(value, 1'000'000'000, 9) + "s";
  }
  return out;
}

std::string FormatPrometheusDuration(int64_t ns) {
  int64_t left = ns / kNsPerMs * kNsPerMs;
  if (left == 0) return "0s";
  std::string out;
  if (left < 0) {
    out = "-";
    left = -left;
  }
  for (const Unit& unit : kPrometheusUnits) {
    const bool only_if_exact = unit.ns >= 7 * kDay;
    if (only_if_exact && left % unit.ns != 0) continue;
    if (const int64_t count = left / unit.ns; count > 0) {
      fmt::format_to(std::back_inserter(out), "{}{}", count, unit.name);
      left -= count * unit.ns;
    }
  }
  return out;
}

}  // namespace skald
