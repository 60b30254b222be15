#include "text/runes.h"

#include <locale.h>

#include <cwctype>

#include "base/utf8.h"

namespace skald {
namespace {

// glibc carries C.UTF-8 in itself, so no locale package is needed; should it fail, ASCII is what remains.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", static_cast<locale_t>(nullptr));
  return locale;
}

template <typename Map>
std::string MapRunes(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const DecodedRune rune = DecodeRune(text.substr(i));
    AppendRune(&out, rune.valid ? map(rune.rune) : kReplacementRune);
    i += rune.size;
  }
  return out;
}

}  // namespace

bool IsSpaceRune(char32_t rune) {
  if (rune < 0x80) return rune == ' ' || (rune >= '\t' && rune <= '\r');
  return rune == 0x85 || rune == 0xA0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) ||
         rune == 0x2028 || rune == 0x2029 || rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

bool IsLetterRune(char32_t rune) {
  if (rune < 0x80) return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
  // glibc counts the digits of other scripts as letters.
  return Utf8Locale() != nullptr && iswalpha_l(static_cast<wint_t>(rune), Utf8Locale()) != 0 &&
         !IsDigitRune(rune);
}

bool IsDigitRune(char32_t rune) {
  if (rune >= '0' && rune <= '9') return true;
  // First runes of the decimal digit rows (category Nd) of the other scripts.
  constexpr char32_t kZeros[] = {
      0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,   0xC66,
      0xCE6,   0xD66,   0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,  0x1810,
      0x1946,  0x19D0,  0x1A80,  0x1A90,  0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,
      0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x11066, 0x110F0,
      0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
      0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0};
  if (rune < 0x660) return false;
  for (const char32_t zero : kZeros) {
    if (rune >= zero && rune < zero + 10) return true;
  }
  return rune >= 0x1D7CE && rune <= 0x1D7FF;
}

char32_t ToLowerRune(char32_t rune) {
  if (rune < 0x80) return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
  if (Utf8Locale() == nullptr) return rune;
  return static_cast<char32_t>(towlower_l(static_cast<wint_t>(rune), Utf8Locale()));
}

char32_t ToUpperRune(char32_t rune) {
  if (rune < 0x80) return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
  if (Utf8Locale() == nullptr) return rune;
  return static_cast<char32_t>(towupper_l(static_cast<wint_t>(rune), Utf8Locale()));
}

std::string ToLower(std::string_view text) { return MapRunes(text, ToLowerRune); }
std::string ToUpper(std::string_view text) { return MapRunes(text, ToUpperRune); }

std::string_view TrimSpace(std::string_view text) {
  while (!text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    if (!rune.valid || !IsSpaceRune(rune.rune)) break;
    text.remove_prefix(rune.size);
  }
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
      --begin;
    const DecodedRune rune = DecodeRune(text.substr(begin));
    if (!rune.valid || begin + rune.size != text.size() || !IsSpaceRune(rune.rune)) break;
    text.remove_suffix(rune.size);
  }
  return text;
}

}  // namespace skald
