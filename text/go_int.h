// Whole numbers as Go reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace skald {

// Go's strconv.ParseInt(text, 0, 64): a sign, 0x, 0b, 0o or a leading 0 for the base, _ between digits.
// nullopt where it is none or does not fit.
std::optional<int64_t> ParseGoInt(std::string_view text);

}  // namespace skald
