// What several verbs do alike.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "base/types.h"
#include "cli/commands.h"

namespace skald::cli {

// --from, --to and --since, now.
absl::StatusOr<TimeRange> RangeOf(const Options& options);
// query, start and end.
Parameters SelectorParameters(const Options& options, TimeRange range);
// An answer's JSON, indented, or its error.
absl::Status PrintPretty(const absl::StatusOr<std::string>& body, std::ostream& out);

}  // namespace skald::cli
