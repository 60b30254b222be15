// Which of the known words was meant by one that is not known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skald {

// The one that the fewest letters tell apart, at most three and less than about half of them; "" = none is
// near.
std::string NearestWord(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace skald
