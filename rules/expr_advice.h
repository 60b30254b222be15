// What to write in place of an expression that does not parse.
#pragma once

#include <string>
#include <string_view>

namespace skald::rules {

// A guess at what was meant: from the text, the parser's error and its place in the text (1-based, col in
// bytes; 0 = not known). Never empty.
std::string ParseAdvice(std::string_view text, std::string_view error, int line, int col);

}  // namespace skald::rules
