// Text as text of an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// As Go's html/template has it: < > & and both quotes as entities, NUL as U+FFFD.
std::string HtmlEscape(std::string_view text);

}  // namespace skald
