// Indented JSON for people.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace skald::cli {

// Two blanks a level, keys in their order, numbers as they were written up to their value. InvalidArgument if
// the text is no JSON.
absl::StatusOr<std::string> PrettyJson(std::string_view json);

// The elements of a JSON array, each on a line of its own, without blanks. Another value is one line.
absl::StatusOr<std::string> JsonLines(std::string_view json);

}  // namespace skald::cli
