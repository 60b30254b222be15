// patterns: what kinds of lines there are, and how many of each over time.
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "server/api/patterns.h"
#include "server/api/query_handlers.h"

namespace skald::server {
namespace {

absl::StatusOr<std::string> Patterns(const QueryService& service, const HttpRequest& request,
                                     const std::string& tenant, const Params& params) {
  const int64_t now_ns = service.clock->NowNs();
  const std::shared_ptr<const Limits> limits = service.limits->Of(tenant);
  ASSIGN_OR_RETURN(Bounds bounds, ParseBounds(params, now_ns));
  PatternQuestion question;
  ASSIGN_OR_RETURN(question.step_ns, ParseStep(params, bounds));
  ASSIGN_OR_RETURN(const std::vector<Matcher> matchers, logql::ParseMatchers(params.Get("query")));
  if (!ClampToLookback(*limits, now_ns, &bounds) || bounds.end_ns <= bounds.start_ns) return PatternsJson({});
  question.start_ns = bounds.start_ns;
  question.end_ns = bounds.end_ns;
  if (limits->query_timeout_ns > 0) request.cancel->SetDeadline(MonotonicNs() + limits->query_timeout_ns);
  ASSIGN_OR_RETURN(const Selection selection, service.source->Select(tenant, matchers, RangeOf(question)));
  const std::shared_ptr<MemoryBudget> all = service.budgets->Of(tenant);
  MemoryBudget budget("query", static_cast<int64_t>(service.config->query_memory_per_query), all.get());
  PatternCost cost;
  ASSIGN_OR_RETURN(const std::vector<PatternSeries> series,
                   PatternsOf(selection, question, *request.cancel, &budget, &cost));
  const auto count = [&](const char* from, uint64_t blocks) {
    service.metrics
        ->Counter("skald_pattern_blocks_total",
                  "Blocks of questions for patterns, by where the counts came from.", {{"from", from}})
        .Add(static_cast<double>(blocks));
  };
  count("counts", cost.blocks_told);
  count("lines", cost.blocks_read);
  return PatternsJson(series);
}

}  // namespace

void AddPatternsRoute(const QueryService* service, Router* router) {
  router->Add(
      {"GET", "POST"}, "/loki/api/v1/patterns",
      QueryRoute(service, service->queries,
                 [service](const HttpRequest& request, const std::string& tenant, const Params& params,
                           int64_t) { return JsonAnswer(Patterns(*service, request, tenant, params)); }));
}

}  // namespace skald::server
