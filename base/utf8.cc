#include "base/utf8.h"

#include "base/hex.h"

namespace skald {

DecodedRune DecodeRune(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  if (first < 0xC2 || first > 0xF4) return {};
  const size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < size) return {};
  char32_t rune = first & (0x7F >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    rune = rune << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (rune < kSmallest[size] || rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) return {};
  return {rune, static_cast<uint8_t>(size), true};
}

void AppendRune(std::string* out, char32_t rune) {
  if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) rune = kReplacementRune;
  if (rune < 0x80) {
    *out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    *out += static_cast<char>(0xC0 | rune >> 6);
    *out += static_cast<char>(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    *out += static_cast<char>(0xE0 | rune >> 12);
    *out += static_cast<char>(0x80 | (rune >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (rune & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | rune >> 18);
    *out += static_cast<char>(0x80 | (rune >> 12 & 0x3F));
    *out += static_cast<char>(0x80 | (rune >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (rune & 0x3F));
  }
}

bool IsValidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const DecodedRune rune = DecodeRune(text.substr(i));
    if (!rune.valid) return false;
    i += rune.size;
  }
  return true;
}

size_t CountRunes(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); i += DecodeRune(text.substr(i)).size) ++n;
  return n;
}

void AppendValidUtf8(std::string* out, std::string_view text, std::string_view replacement) {
  size_t i = 0;
  while (i < text.size()) {
    size_t plain = i;
    while (plain < text.size() && static_cast<unsigned char>(text[plain]) < 0x80) ++plain;
    out->append(text.substr(i, plain - i));
    i = plain;
    if (i == text.size()) break;
    const DecodedRune rune = DecodeRune(text.substr(i));
    out->append(rune.valid ? text.substr(i, rune.size) : replacement);
    i += rune.size;
  }
}

bool IsPrintRune(char32_t rune) {
  if (rune < 0x20 || (rune >= 0x7F && rune <= 0xA0) || rune == 0xAD) return false;
  if (rune >= 0x2000 && rune <= 0x200F) return false;
  if (rune >= 0x2028 && rune <= 0x202F) return false;
  if (rune >= 0x205F && rune <= 0x206F) return false;
  if (rune == 0x1680 || rune == 0x3000 || rune == 0xFEFF) return false;
  if (rune >= 0xD800 && rune <= 0xF8FF) return false;
  if ((rune & 0xFFFE) == 0xFFFE || rune >= 0xE0000) return false;
  return true;
}

bool UnquoteGo(std::string_view raw, char quote, std::string* out) {
  for (size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      *out += raw[i++];
      continue;
    }
    if (++i == raw.size()) return false;
    const char c = raw[i++];
    constexpr std::string_view kNames = "abfnrtv\\";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
    if (const size_t at = kNames.find(c); at != std::string_view::npos) {
      *out += kValues[at];
    } else if (c == quote) {
      *out += c;
    } else if (c >= '0' && c <= '7') {
      if (i + 2 > raw.size()) return false;
      int value = c - '0';
      for (int k = 0; k < 2; ++k, ++i) {
        if (raw[i] < '0' || raw[i] > '7') return false;
        value = value * 8 + (raw[i] - '0');
      }
      if (value > 255) return false;
      *out += static_cast<char>(value);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      if (i + digits > raw.size()) return false;
      uint32_t value = 0;
      for (size_t k = 0; k < digits; ++k, ++i) {
        const int digit = HexDigit(raw[i]);
        if (digit < 0) return false;
        value = value << 4 | static_cast<uint32_t>(digit);
      }
      if (c == 'x') {
        *out += static_cast<char>(value);
      } else if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return false;
      } else {
        AppendRune(out, value);
      }
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace skald
