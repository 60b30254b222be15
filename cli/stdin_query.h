// skaldctl query --stdin: a log query over lines that are read, in place of a server's.
#pragma once

#include <absl/status/status.h>

#include <istream>

#include "cli/commands.h"

namespace skald::cli {

// Prints what comes of each line, in their order, while they come; each has the time at which it was read.
// The query may begin with its first stage, as in `|= "text"`; a selector takes all lines. limit 0 = all.
// InvalidArgument for metric queries and what does not parse.
absl::Status RunStdinQuery(const Options& options, std::istream& in, Streams streams);

}  // namespace skald::cli
