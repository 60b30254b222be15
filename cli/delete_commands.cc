// skaldctl delete: requests to delete lines.
#include <simdjson.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/local_time.h"
#include "cli/pretty_json.h"
#include "cli/table.h"
#include "cli/time_flags.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

constexpr char kPath[] = "/loki/api/v1/delete";

// 404 of a server that knows the path not at all, and what to do about it.
absl::Status Explained(const absl::Status& status) {
  if (absl::IsNotFound(status) && MessageOf(status).find("404 page not found") != std::string_view::npos)
    return absl::Status(
        status.code(),
        fmt::format("{}\n  Loki has deletes only with compactor.retention_enabled: true", MessageOf(status)));
  if (absl::IsPermissionDenied(status))
    return absl::Status(
        status.code(),
        fmt::format("{}\n  limits_config.deletion_mode: filter-and-delete allows it to a tenant",
                    MessageOf(status)));
  return status;
}

std::string Seconds(int64_t time_ns) { return std::to_string(time_ns / kNsPerSecond); }

}  // namespace

absl::Status RunDeleteCreate(const Options& options, Streams streams) {
  if (options.from.empty())
    return InvalidArgument(
        "--from is needed: a delete without a beginning would take all that ever was; "
        "--from 1970-01-02 means that");
  ASSIGN_OR_RETURN(const TimeRange range,
                   ResolveRange(options.from, options.to, options.since, Clock::System().NowNs()));
  Parameters parameters = {
      {"query", options.query}, {"start", Seconds(range.begin_ns)}, {"end", Seconds(range.end_ns)}};
  if (!options.max_interval.empty()) parameters.emplace_back("max_interval", options.max_interval);
  Api api(options.connection);
  const auto answer = api.http().Request("POST", kPath, parameters);
  if (!answer.ok()) return Explained(answer.status());
  // The number alone, for scripts; what it is, for people.
  if (!answer->delete_request_id.empty()) streams.out << answer->delete_request_id << '\n';
  if (!options.quiet)
    streams.notes
        << "lines from " << FormatTime(range.begin_ns, options.printer.local_time, TimeFormat::kRfc3339)
        << " to " << FormatTime(range.end_ns, options.printer.local_time, TimeFormat::kRfc3339)
        << ", both inclusive, are hidden at once and purged later; skaldctl delete list shows how far "
           "it is\n";
  return absl::OkStatus();
}

absl::Status RunDeleteList(const Options& options, Streams streams) {
  Api api(options.connection);
  const auto body = api.Raw(kPath, {});
  if (!body.ok()) return Explained(body.status());
  if (options.printer.mode == OutputMode::kJsonl || options.printer.mode == OutputMode::kRaw) {
    ASSIGN_OR_RETURN(const std::string lines, JsonLines(*body));
    streams.out << lines;
    return absl::OkStatus();
  }
  dom::parser parser;
  dom::element document;
  dom::array requests;
  if (parser.parse(*body).get(document)) return InvalidArgument("not a list of delete requests: {}", *body);
  if (document.get(requests) || requests.size() == 0) {
    if (!options.quiet) streams.notes << "no delete requests\n";
    return absl::OkStatus();
  }
  const auto time_of = [&](dom::element request, const char* key) -> std::string {
    double seconds = 0;
    if (request[key].get(seconds)) return "";
    return FormatTime(static_cast<int64_t>(seconds) * kNsPerSecond, options.printer.local_time,
                      options.printer.time_format);
  };
  const auto text_of = [](dom::element request, const char* key) -> std::string {
    std::string_view text;
    return request[key].get(text) ? "" : std::string(text);
  };
  Table table({"REQUEST", "STATUS", "CREATED", "FROM", "TO", "QUERY"});
  for (const dom::element request : requests) {
    table.Add({text_of(request, "request_id"), text_of(request, "status"), time_of(request, "created_at"),
               time_of(request, "start_time"), time_of(request, "end_time"), text_of(request, "query")});
  }
  table.Print(streams.out);
  return absl::OkStatus();
}

absl::Status RunDeleteCancel(const Options& options, Streams streams) {
  Parameters parameters = {{"request_id", options.request_id}};
  if (options.force) parameters.emplace_back("force", "true");
  Api api(options.connection);
  const auto answer = api.http().Request("DELETE", kPath, parameters);
  if (!answer.ok()) return Explained(answer.status());
  if (!options.quiet) streams.notes << "request " << options.request_id << " is cancelled\n";
  return absl::OkStatus();
}

}  // namespace skald::cli
