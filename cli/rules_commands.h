// The verbs `rules check` and `rules test`; they need no server.
#pragma once

#include <absl/status/status.h>

#include "cli/commands.h"

namespace skald::cli {

// Prints the problems of each of options.files; an error when one of them has any but warnings.
absl::Status RunRulesCheck(const Options& options, Streams streams);
// Runs each of options.files as a test of rules; an error when one fails.
absl::Status RunRulesTest(const Options& options, Streams streams);

}  // namespace skald::cli
