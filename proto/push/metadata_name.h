// Structured metadata names as they are stored.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace skald {

// Each run of characters outside of [a-zA-Z0-9] becomes one `_`; a leading digit gets `key_` in front; a name
// that begins and ends with `__` keeps those and only its inside is rewritten. Internal (Loki answers 500)
// for an empty name and one that is all underscores then.
absl::StatusOr<std::string> NormalizeMetadataName(std::string_view name);
// True where the above gives the name itself, without building it.
bool IsNormalMetadataName(std::string_view name);

}  // namespace skald
