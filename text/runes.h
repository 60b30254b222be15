// Unicode on the level of single runes: space, letters, digits, case. As Go's unicode package sees them, by
// the C library's tables. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// Unicode White_Space.
bool IsSpaceRune(char32_t rune);
bool IsLetterRune(char32_t rune);
bool IsDigitRune(char32_t rune);  // category Nd
char32_t ToLowerRune(char32_t rune);
char32_t ToUpperRune(char32_t rune);

// Rune by rune; an invalid byte becomes U+FFFD, as with Go's strings.ToLower and ToUpper.
std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);

// Without the Unicode space at both ends.
std::string_view TrimSpace(std::string_view text);

}  // namespace skald
