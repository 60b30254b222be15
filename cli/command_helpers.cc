#include "cli/command_helpers.h"

#include "base/clock.h"
#include "base/status_macros.h"
#include "cli/pretty_json.h"
#include "cli/time_flags.h"

namespace skald::cli {

absl::StatusOr<TimeRange> RangeOf(const Options& options) {
  return ResolveRange(options.from, options.to, options.since, Clock::System().NowNs());
}

Parameters SelectorParameters(const Options& options, TimeRange range) {
  return {{"query", options.query},
          {"start", std::to_string(range.begin_ns)},
          {"end", std::to_string(range.end_ns)}};
}

absl::Status PrintPretty(const absl::StatusOr<std::string>& body, std::ostream& out) {
  RETURN_IF_ERROR(body.status());
  ASSIGN_OR_RETURN(const std::string text, PrettyJson(*body));
  out << text;
  return absl::OkStatus();
}

}  // namespace skald::cli
