// skaldctl query --stdin: a query over lines that are read, in place of a server's.
#pragma once

#include <absl/status/statusor.h>

#include <istream>
#include <optional>

#include "cli/answer.h"
#include "cli/commands.h"

namespace skald::cli {

// A log query prints what comes of each line, in their order, while they come; each has the time at which it
// was read. The query may begin with its first stage, as in `|= "text"`; a selector takes all lines. limit 0
// = all. A metric query reads to the end and is evaluated there once: its answer is returned, to be printed.
// InvalidArgument for what does not parse, ResourceExhausted when a metric would hold more than 1 GiB of
// lines.
absl::StatusOr<std::optional<QueryAnswer>> RunStdinQuery(const Options& options, std::istream& in,
                                                         Streams streams);

}  // namespace skald::cli
