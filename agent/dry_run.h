// Shows what would be sent.
#pragma once

#include <absl/status/status.h>

#include "agent/agent.h"

namespace skald::agent {

// Reads all files that are there now to their end and prints each line as time TAB labels TAB line to stdout,
// in order of reading. Sends and saves nothing.
absl::Status DryRun(const AgentConfig& config);

}  // namespace skald::agent
