// labels, label values and series: questions that the label index answers alone.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "server/api/query_handlers.h"
#include "server/api/query_json.h"
#include "text/duration.h"

namespace skald::server {
namespace {

// The range asked for, end included. Nothing to look at: an error, as Loki has it.
absl::StatusOr<TimeRange> RangeOf(const QueryService& service, const std::string& tenant,
                                  const Params& params) {
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  const int64_t now_ns = service.clock->NowNs();
  ASSIGN_OR_RETURN(Bounds bounds, ParseBounds(params, now_ns));
  RETURN_IF_ERROR(CheckQueryLength(*limits, bounds));
  const bool visible = ClampToLookback(*limits, now_ns, &bounds);
  if (!visible || bounds.end_ns < bounds.start_ns) {
    return InvalidArgument("this data is no longer available, it is past now - max_query_lookback ({})",
                           FormatPrometheusDuration(limits->max_query_lookback_ns));
  }
  return InclusiveRange(bounds);
}

absl::StatusOr<std::vector<Matcher>> OptionalSelector(const Params& params) {
  const std::string_view query = params.Get("query");
  if (query.empty()) return std::vector<Matcher>();
  return logql::ParseMatchers(query);
}

// Old ranges are answered from segments, see ServerConfig; and from streams in memory that had been silent
// for this long at the range's end. That is Loki's default chunk_idle_period: it would have stored such a
// stream by then.
constexpr int64_t kIdleNs = int64_t{30 * 60} * 1'000'000'000;

bool StoredOnly(const QueryService& service, TimeRange range) {
  const int64_t within_ns = service.config->query_ingesters_within_ns;
  return within_ns > 0 && range.end_ns < service.clock->NowNs() - within_ns;
}

absl::StatusOr<std::vector<std::string>> LabelNames(const QueryService& service, const std::string& tenant,
                                                    const Params& params) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(service, tenant, params));
  ASSIGN_OR_RETURN(const std::vector<Matcher> matchers, OptionalSelector(params));
  if (StoredOnly(service, range)) {
    ASSIGN_OR_RETURN(const std::vector<StreamRef> streams,
                     service.source->StoredSeries(tenant, matchers, range, kIdleNs));
    std::set<std::string> names;
    for (const StreamRef& stream : streams) {
      for (const auto& [name, value] : *stream.labels) names.insert(name);
    }
    return std::vector<std::string>(names.begin(), names.end());
  }
  return service.source->LabelNames(tenant, matchers, range);
}

absl::StatusOr<std::vector<std::string>> LabelValues(const QueryService& service, const std::string& tenant,
                                                     std::string_view name, const Params& params) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(service, tenant, params));
  ASSIGN_OR_RETURN(const std::vector<Matcher> matchers, OptionalSelector(params));
  if (StoredOnly(service, range)) {
    ASSIGN_OR_RETURN(const std::vector<StreamRef> streams,
                     service.source->StoredSeries(tenant, matchers, range, kIdleNs));
    std::set<std::string> values;
    for (const StreamRef& stream : streams) {
      if (stream.labels->Has(name)) values.emplace(stream.labels->Get(name));
    }
    return std::vector<std::string>(values.begin(), values.end());
  }
  return service.source->LabelValues(tenant, name, matchers, range);
}

// Streams with lines about range: a slice of theirs reaches into it.
absl::StatusOr<std::vector<StreamRef>> SeriesIn(const QueryService& service, const std::string& tenant,
                                                const std::vector<Matcher>& matchers, TimeRange range) {
  if (StoredOnly(service, range)) return service.source->StoredSeries(tenant, matchers, range, kIdleNs);
  ASSIGN_OR_RETURN(const Selection selection, service.source->Select(tenant, matchers, range));
  std::vector<bool> present(selection.streams.size());
  for (const std::shared_ptr<const Block>& block : selection.blocks) {
    for (const Slice& slice : block->slices()) {
      if (slice.min_ns < range.end_ns && slice.max_ns >= range.begin_ns) present[slice.stream] = true;
    }
  }
  std::vector<StreamRef> out;
  for (size_t i = 0; i < present.size(); ++i) {
    if (present[i]) out.push_back(selection.streams[i]);
  }
  return out;
}

// "{}", blanks ignored.
bool IsAll(std::string_view selector) {
  std::string bare;
  for (const char c : selector) {
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') bare += c;
  }
  return bare == "{}";
}

absl::StatusOr<std::string> Series(const QueryService& service, const std::string& tenant,
                                   const Params& params) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(service, tenant, params));
  std::vector<std::string> selectors = params.All("match");
  for (std::string& more : params.All("match[]")) selectors.push_back(std::move(more));
  std::sort(selectors.begin(), selectors.end());
  selectors.erase(std::unique(selectors.begin(), selectors.end()), selectors.end());
  std::vector<std::vector<Matcher>> groups;
  if (selectors.empty() || (selectors.size() == 1 && IsAll(selectors[0]))) {
    groups.emplace_back();
  } else {
    for (const std::string& selector : selectors) {
      if (IsAll(selector)) return InvalidArgument("0 matchers in group: {}", selector);
      ASSIGN_OR_RETURN(std::vector<Matcher> matchers, logql::ParseMatchers(selector));
      groups.push_back(std::move(matchers));
    }
  }
  std::set<StreamId> seen;
  std::vector<Labels> out;
  for (const std::vector<Matcher>& matchers : groups) {
    ASSIGN_OR_RETURN(const std::vector<StreamRef> streams, SeriesIn(service, tenant, matchers, range));
    for (const StreamRef& stream : streams) {
      if (seen.insert(stream.id).second) out.push_back(*stream.labels);
    }
  }
  return SeriesJson(out);
}

HttpResponse ListAnswer(const absl::StatusOr<std::vector<std::string>>& list) {
  return list.ok() ? JsonResponse(StringListJson(*list)) : QueryError(list.status());
}

HttpResponse LegacyListAnswer(const absl::StatusOr<std::vector<std::string>>& list) {
  return list.ok() ? JsonResponse(LegacyListJson(*list)) : QueryError(list.status());
}

}  // namespace

void AddLabelRoutes(const QueryService* service, Router* router) {
  const auto add = [&](const std::string& path, QueryWork work) {
    router->Add({"GET", "POST"}, path, QueryRoute(service, service->lookups, std::move(work)));
  };
  const QueryWork names = [service](const HttpRequest&, const std::string& tenant, const Params& params,
                                    int64_t) { return ListAnswer(LabelNames(*service, tenant, params)); };
  add("/loki/api/v1/labels", names);
  add("/loki/api/v1/label", names);
  add("/loki/api/v1/label/{name}/values",
      [service](const HttpRequest& request, const std::string& tenant, const Params& params, int64_t) {
        return ListAnswer(LabelValues(*service, tenant, request.PathParam("name"), params));
      });
  add("/api/prom/label",
      [service](const HttpRequest&, const std::string& tenant, const Params& params, int64_t) {
        return LegacyListAnswer(LabelNames(*service, tenant, params));
      });
  add("/api/prom/label/{name}/values",
      [service](const HttpRequest& request, const std::string& tenant, const Params& params, int64_t) {
        return LegacyListAnswer(LabelValues(*service, tenant, request.PathParam("name"), params));
      });
  const QueryWork series = [service](const HttpRequest&, const std::string& tenant, const Params& params,
                                     int64_t) { return JsonAnswer(Series(*service, tenant, params)); };
  add("/loki/api/v1/series", series);
  add("/api/prom/series", series);
}

}  // namespace skald::server
