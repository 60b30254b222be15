#include "text/go_float.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/labels.h"

namespace skald {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'f'); }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

// Every _ stands between two digits, a base prefix counting as one. text has no sign.
bool UnderscoresAreSound(std::string_view text) {
  char before = '^';  // '0' a digit, '_' an underscore, else neither
  bool hex = false;
  if (text.size() >= 2 && text[0] == '0' &&
      (Lower(text[1]) == 'x' || Lower(text[1]) == 'b' || Lower(text[1]) == 'o')) {
    hex = Lower(text[1]) == 'x';
    before = '0';
    text.remove_prefix(2);
  }
  for (const char c : text) {
    if (IsDigit(c) || (hex && IsHexDigit(c))) {
      before = '0';
    } else if (c == '_') {
      if (before != '0') return false;
      before = '_';
    } else {
      if (before == '_') return false;
      before = '!';
    }
  }
  return before != '_';
}

// mantissa [exponent], no sign, no underscores; of a hex number what follows the 0x.
bool IsSoundNumber(std::string_view text, bool hex) {
  size_t i = 0;
  bool digits = false;
  bool dot = false;
  for (; i < text.size(); ++i) {
    if (text[i] == '.' && !dot) {
      dot = true;
    } else if (hex ? IsHexDigit(text[i]) : IsDigit(text[i])) {
      digits = true;
    } else {
      break;
    }
  }
  if (!digits) return false;
  if (i == text.size()) return !hex;  // a hex mantissa needs its p exponent
  if (Lower(text[i]) != (hex ? 'p' : 'e')) return false;
  if (++i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  if (i == text.size()) return false;
  for (; i < text.size(); ++i) {
    if (!IsDigit(text[i])) return false;
  }
  return true;
}

enum class Outcome { kOk, kSyntax, kRange };

Outcome Parse(std::string_view text, double* out) {
  std::string_view body = text;
  bool negative = false;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    negative = body[0] == '-';
    body.remove_prefix(1);
  }
  if (body.empty()) return Outcome::kSyntax;
  if (!IsDigit(body[0]) && body[0] != '.') {
    if (EqualsIgnoringCase(body, "inf") || EqualsIgnoringCase(body, "infinity")) {
      *out = negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
      return Outcome::kOk;
    }
    if (EqualsIgnoringCase(text, "nan")) {  // takes no sign
      *out = std::numeric_limits<double>::quiet_NaN();
      return Outcome::kOk;
    }
    return Outcome::kSyntax;
  }
  // Short whole numbers, the most common by far.
  if (body.size() <= 15) {
    uint64_t whole = 0;
    size_t i = 0;
    for (; i < body.size() && IsDigit(body[i]); ++i)
      whole = whole * 10 + static_cast<uint64_t>(body[i] - '0');
    if (i == body.size()) {
      *out = negative ? -static_cast<double>(whole) : static_cast<double>(whole);
      return Outcome::kOk;
    }
    if (body[i] == '.' && body.size() > 1) {
      // Both numbers are exact, so that their quotient is rounded once.
      constexpr double kTens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
      const size_t dot = i;
      for (++i; i < body.size() && IsDigit(body[i]); ++i)
        whole = whole * 10 + static_cast<uint64_t>(body[i] - '0');
      if (i == body.size()) {
        const double value = static_cast<double>(whole) / kTens[body.size() - 1 - dot];
        *out = negative ? -value : value;
        return Outcome::kOk;
      }
    }
  }
  std::string without_underscores;
  if (body.find('_') != std::string_view::npos) {
    if (!UnderscoresAreSound(body)) return Outcome::kSyntax;
    without_underscores = body;
    std::erase(without_underscores, '_');
    body = without_underscores;
  }
  const bool hex = body.size() >= 2 && body[0] == '0' && Lower(body[1]) == 'x';
  if (hex) body.remove_prefix(2);
  if (!IsSoundNumber(body, hex)) return Outcome::kSyntax;
  double value = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value,
                                            hex ? std::chars_format::hex : std::chars_format::general);
  if (error == std::errc::result_out_of_range) {
    // Too large or too small? from_chars does not say; too small is 0 and no error in Go.
    const std::string copy = (hex ? "0x" : "") + std::string(body);
    value = std::strtod(copy.c_str(), nullptr);
    if (std::isinf(value)) return Outcome::kRange;
  } else if (error != std::errc() || end != body.data() + body.size()) {
    return Outcome::kSyntax;
  }
  *out = negative ? -value : value;
  return Outcome::kOk;
}

// The shortest decimal digits of a finite value and its exponent: d[0].d[1]... * 10^exponent.
struct Shortest {
  char digits[24];
  int count = 0;
  int exponent = 0;
};

Shortest ShortestDigits(double value) {
  char text[40];
  const char* end =
      std::to_chars(text, text + sizeof(text), std::abs(value), std::chars_format::scientific).ptr;
  Shortest out;
  const char* p = text;
  for (; p < end && *p != 'e'; ++p) {
    if (*p != '.') out.digits[out.count++] = *p;
  }
  out.exponent = std::atoi(std::string(p + 1, end).c_str());
  return out;
}

bool AppendSpecial(std::string* out, double value) {
  if (std::isnan(value)) {
    *out += "NaN";
  } else if (std::isinf(value)) {
    *out += value > 0 ? "+Inf" : "-Inf";
  } else {
    return false;
  }
  return true;
}

void AppendPlain(std::string* out, const Shortest& shortest) {
  if (shortest.exponent < 0) {
    *out += "0.";
    out->append(static_cast<size_t>(-shortest.exponent - 1), '0');
    out->append(shortest.digits, static_cast<size_t>(shortest.count));
    return;
  }
  const int whole = shortest.exponent + 1;
  for (int i = 0; i < whole; ++i) *out += i < shortest.count ? shortest.digits[i] : '0';
  if (shortest.count > whole) {
    *out += '.';
    out->append(shortest.digits + whole, static_cast<size_t>(shortest.count - whole));
  }
}

}  // namespace

bool TryParseGoFloat(std::string_view text, double* out) { return Parse(text, out) == Outcome::kOk; }

absl::StatusOr<double> ParseGoFloat(std::string_view text) {
  double value = 0;
  const Outcome outcome = Parse(text, &value);
  if (outcome == Outcome::kOk) return value;
  std::string message = "strconv.ParseFloat: parsing ";
  AppendGoQuoted(&message, text);
  message += outcome == Outcome::kRange ? ": value out of range" : ": invalid syntax";
  return absl::InvalidArgumentError(message);
}

std::string FormatGoFloatV(double value) {
  std::string out;
  if (AppendSpecial(&out, value)) return out;
  if (std::signbit(value)) out += '-';
  const Shortest shortest = ShortestDigits(value);
  if (shortest.exponent >= -4 && shortest.exponent < 6) {
    AppendPlain(&out, shortest);
    return out;
  }
  out += shortest.digits[0];
  if (shortest.count > 1) {
    out += '.';
    out.append(shortest.digits + 1, static_cast<size_t>(shortest.count - 1));
  }
  fmt::format_to(std::back_inserter(out), "e{}{:02}", shortest.exponent < 0 ? '-' : '+',
                 std::abs(shortest.exponent));
  return out;
}

void AppendSampleValue(std::string* out, double value) {
  if (AppendSpecial(out, value)) return;
  if (std::signbit(value)) *out += '-';
  AppendPlain(out, ShortestDigits(value));
}

std::string FormatSampleValue(double value) {
  std::string out;
  AppendSampleValue(&out, value);
  return out;
}

}  // namespace skald
