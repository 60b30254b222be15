// Text as a part of a URL.
#pragma once

#include <string>
#include <string_view>

namespace skald {

// All but letters, digits and - _ . ~ as %XX.
std::string UrlEncode(std::string_view text);

}  // namespace skald
