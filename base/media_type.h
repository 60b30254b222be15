// The header Content-Type.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace skald {

// The media type without its parameters, in lower case, by the rules of MIME. InvalidArgument with Go's text.
absl::StatusOr<std::string> MediaType(std::string_view header);

}  // namespace skald
