#include "text/ip_filter.h"

#include <string>

#include "base/error.h"
#include "base/hex.h"
#include "base/labels.h"

namespace skald {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return HexDigit(c) >= 0; }

bool ParseV4(std::string_view text, uint8_t* out) {
  size_t i = 0;
  for (int field = 0; field < 4; ++field) {
    if (field > 0 && (i == text.size() || text[i++] != '.')) return false;
    const size_t begin = i;
    unsigned value = 0;
    while (i < text.size() && IsDigit(text[i]) && i - begin < 4)
      value = value * 10 + static_cast<unsigned>(text[i++] - '0');
    if (i == begin || value > 255 || (text[begin] == '0' && i - begin > 1)) return false;
    out[field] = static_cast<uint8_t>(value);
  }
  return i == text.size();
}

bool ParseV6(std::string_view text, std::array<uint8_t, 16>* out) {
  int ellipsis = -1;  // where :: stands, in bytes
  int filled = 0;
  size_t i = 0;
  if (text.starts_with("::")) {
    ellipsis = 0;
    i = 2;
    if (i == text.size()) return true;
  }
  while (filled < 16) {
    size_t digits = 0;
    unsigned value = 0;
    while (i + digits < text.size() && IsHex(text[i + digits])) {
      value = value << 4 | static_cast<unsigned>(HexDigit(text[i + digits]));
      if (++digits > 4) return false;
    }
    if (digits == 0) return false;
    if (i + digits < text.size() && text[i + digits] == '.') {
      if ((ellipsis < 0 && filled != 12) || filled + 4 > 16) return false;
      if (!ParseV4(text.substr(i), out->data() + filled)) return false;
      filled += 4;
      i = text.size();
      break;
    }
    (*out)[static_cast<size_t>(filled++)] = static_cast<uint8_t>(value >> 8);
    (*out)[static_cast<size_t>(filled++)] = static_cast<uint8_t>(value);
    i += digits;
    if (i == text.size()) break;
    if (text[i] != ':' || ++i == text.size()) return false;
    if (text[i] == ':') {
      if (ellipsis >= 0) return false;
      ellipsis = filled;
      if (++i == text.size()) break;
    }
  }
  if (i != text.size()) return false;
  if (filled < 16) {
    if (ellipsis < 0) return false;
    const int gap = 16 - filled;
    for (int k = filled - 1; k >= ellipsis; --k)
      (*out)[static_cast<size_t>(k + gap)] = (*out)[static_cast<size_t>(k)];
    for (int k = ellipsis; k < ellipsis + gap; ++k) (*out)[static_cast<size_t>(k)] = 0;
  } else if (ellipsis >= 0) {
    return false;
  }
  return true;
}

std::optional<int> ParseBits(std::string_view text, int most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value > most) return std::nullopt;
  return value;
}

// Whether at text[i], with at least four bytes left, something like an IPv4 address begins.
bool HintsV4(std::string_view text, size_t i) {
  return IsDigit(text[i]) && (text[i + 1] == '.' || text[i + 2] == '.' || text[i + 3] == '.');
}

// The same for IPv6 with at least five bytes left: one to four hex digits and a colon, or :: and a hex digit.
bool HintsV6(std::string_view text, size_t i) {
  if (text[i] == ':') return text[i + 1] == ':' && IsHex(text[i + 2]);
  for (size_t k = 0; k < 5; ++k) {
    if (text[i + k] == ':') return k > 0;
    if (!IsHex(text[i + k])) return false;
  }
  return false;
}

}  // namespace

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  IpAddress out;
  const size_t mark = text.find_first_of(".:");
  if (mark == std::string_view::npos) return std::nullopt;
  out.v6 = text[mark] == ':';
  if (out.v6 ? !ParseV6(text, &out.bytes) : !ParseV4(text, out.bytes.data())) return std::nullopt;
  return out;
}

absl::StatusOr<IpMatcher> IpMatcher::Make(std::string_view pattern) {
  IpMatcher out;
  const auto invalid = [&] {
    std::string quoted;
    AppendGoQuoted(&quoted, pattern);
    return InvalidArgument("ip: invalid pattern: {}", quoted);
  };
  if (const size_t dash = pattern.find('-'); dash != std::string_view::npos) {
    const auto low = ParseIpAddress(pattern.substr(0, dash));
    const auto high = ParseIpAddress(pattern.substr(dash + 1));
    if (!low || !high || low->v6 != high->v6 || *high < *low) return invalid();
    out.low_ = *low;
    out.high_ = *high;
  } else if (const size_t slash = pattern.find('/'); slash != std::string_view::npos) {
    const auto address = ParseIpAddress(pattern.substr(0, slash));
    if (!address) return invalid();
    const int width = address->v6 ? 128 : 32;
    const auto bits = ParseBits(pattern.substr(slash + 1), width);
    if (!bits) return invalid();
    out.low_ = out.high_ = *address;
    for (int bit = *bits; bit < width; ++bit) {
      const auto byte = static_cast<size_t>(bit / 8);
      const auto mask = static_cast<uint8_t>(0x80 >> (bit % 8));
      out.low_.bytes[byte] = static_cast<uint8_t>(out.low_.bytes[byte] & ~mask);
      out.high_.bytes[byte] = static_cast<uint8_t>(out.high_.bytes[byte] | mask);
    }
  } else {
    const auto address = ParseIpAddress(pattern);
    if (!address) return invalid();
    out.low_ = out.high_ = *address;
  }
  return out;
}

bool IpMatcher::FoundIn(std::string_view text) const {
  for (size_t i = 0; i < text.size();) {
    const size_t left = text.size() - i;
    const bool v4 = left >= 4 && HintsV4(text, i);
    if (!v4 && !(left >= 5 && HintsV6(text, i))) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() &&
           (IsDigit(text[end]) || text[end] == '.' || (!v4 && (IsHex(text[end]) || text[end] == ':')))) {
      ++end;
    }
    if (const auto address = ParseIpAddress(text.substr(i, end - i)); address && Contains(*address))
      return true;
    i = end + 1;
  }
  return false;
}

}  // namespace skald
