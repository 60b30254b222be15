// UTF-8 as Go reads it: each byte that starts no valid sequence is one invalid rune of size 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace skald {

inline constexpr char32_t kReplacementRune = 0xFFFD;

struct DecodedRune {
  char32_t rune = kReplacementRune;
  uint8_t size = 1;    // bytes taken, 1 where invalid
  bool valid = false;  // a U+FFFD that stands in the text as such is valid
};

// The first rune of text, which must not be empty.
DecodedRune DecodeRune(std::string_view text);
void AppendRune(std::string* out, char32_t rune);
bool IsValidUtf8(std::string_view text);
// Runes, an invalid byte counting as one (Go's utf8.RuneCountInString).
size_t CountRunes(std::string_view text);
// Appends text with each invalid byte, one by one, replaced by `replacement`.
void AppendValidUtf8(std::string* out, std::string_view text, std::string_view replacement);

// Go's unicode.IsPrint, close enough: false for control, surrogate, unassigned-plane and separator runes but
// ' '.
bool IsPrintRune(char32_t rune);

// Go's strconv.Unquote of the part between the quotes: \a \b \f \n \r \t \v \\ \' or \" (the quote in use
// only), \ooo, \xHH, \uXXXX, \UXXXXXXXX. False on any other escape.
bool UnquoteGo(std::string_view raw, char quote, std::string* out);

}  // namespace skald
