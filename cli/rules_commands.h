// The verbs of rules: check and test, which need no server, list and show, which ask one.
#pragma once

#include <absl/status/status.h>

#include "cli/commands.h"

namespace skald::cli {

// Prints the problems of each of options.files; an error when one of them has any but warnings.
absl::Status RunRulesCheck(const Options& options, Streams streams);
// Runs each of options.files as a test of rules; an error when one fails.
absl::Status RunRulesTest(const Options& options, Streams streams);
// What runs on the server, with its state; and its definitions as YAML.
absl::Status RunRulesList(const Options& options, Streams streams);
absl::Status RunRulesShow(const Options& options, Streams streams);

}  // namespace skald::cli
