// A state directory for people and scripts: `skald-agent state`.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "base/json_writer.h"

namespace skald::agent {

// What the directory has by now, read only: an agent may be using it. Each file with its position and how
// far it is behind, unfinished messages, cursors, and the batches that are under way. NotFound if there is no
// state.
absl::StatusOr<std::string> StateText(const std::string& directory);
// The same as one JSON object, with all that is known.
absl::Status WriteState(const std::string& directory, JsonWriter* json);

}  // namespace skald::agent
