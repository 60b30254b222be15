#include "cli/api.h"

#include "base/status_macros.h"

namespace skald::cli {
namespace {

std::string Direction(bool forward) { return forward ? "FORWARD" : "BACKWARD"; }

Parameters RangeParameters(TimeRange range) {
  return {{"start", std::to_string(range.begin_ns)}, {"end", std::to_string(range.end_ns)}};
}

}  // namespace

absl::StatusOr<QueryAnswer> Api::QueryRange(const RangeQuery& query) {
  Parameters parameters = RangeParameters(query.range);
  parameters.emplace_back("query", query.query);
  parameters.emplace_back("limit", std::to_string(query.limit));
  parameters.emplace_back("direction", Direction(query.forward));
  if (!query.step.empty()) parameters.emplace_back("step", query.step);
  if (!query.interval.empty()) parameters.emplace_back("interval", query.interval);
  ASSIGN_OR_RETURN(const std::string body, http_.Get("/loki/api/v1/query_range", parameters));
  return ParseQueryAnswer(body);
}

absl::StatusOr<QueryAnswer> Api::QueryInstant(const std::string& query, int64_t time_ns, uint64_t limit,
                                              bool forward) {
  ASSIGN_OR_RETURN(const std::string body,
                   http_.Get("/loki/api/v1/query", {{"query", query},
                                                    {"time", std::to_string(time_ns)},
                                                    {"limit", std::to_string(limit)},
                                                    {"direction", Direction(forward)}}));
  return ParseQueryAnswer(body);
}

absl::StatusOr<std::vector<std::string>> Api::LabelNames(TimeRange range) {
  ASSIGN_OR_RETURN(const std::string body, http_.Get("/loki/api/v1/labels", RangeParameters(range)));
  return ParseStringList(body);
}

absl::StatusOr<std::vector<std::string>> Api::LabelValues(const std::string& name, TimeRange range) {
  ASSIGN_OR_RETURN(const std::string body, http_.Get("/loki/api/v1/label/" + EncodeSegment(name) + "/values",
                                                     RangeParameters(range)));
  return ParseStringList(body);
}

absl::StatusOr<std::vector<Labels>> Api::Series(const std::vector<std::string>& selectors, TimeRange range) {
  Parameters parameters = RangeParameters(range);
  for (const std::string& selector : selectors) parameters.emplace_back("match", selector);
  ASSIGN_OR_RETURN(const std::string body, http_.Get("/loki/api/v1/series", parameters));
  return ParseSeries(body);
}

}  // namespace skald::cli
