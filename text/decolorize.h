// Takes ANSI escape sequences (colours, cursor moves, titles) out of a line.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// The line itself where it holds none, else what is left, in *scratch. A sequence is ESC or U+009B, any of
// `[]()#;?`, then either letters, digits and `;` up to BEL, or up to four digits a parameter, parameters
// joined by `;`, and one final byte.
std::string_view Decolorize(std::string_view line, std::string* scratch);

}  // namespace skald
