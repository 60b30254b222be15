#include "query/exec/engine.h"

#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/limit_checks.h"
#include "query/exec/log_scan.h"
#include "query/exec/metric_query.h"
#include "query/exec/plan/planner.h"
#include "query/exec/scan.h"
#include "query/logql/parser.h"

namespace skald {

absl::StatusOr<QueryResult> Engine::Run(const QueryParams& params, const QueryLimits& limits,
                                        CancelToken* cancel) const {
  ASSIGN_OR_RETURN(const logql::ExprPtr expr, logql::ParseExpr(params.query));
  return RunExpr(expr, params, limits, cancel);
}

absl::StatusOr<QueryResult> Engine::RunExpr(const logql::ExprPtr& expr, const QueryParams& params,
                                            const QueryLimits& limits, CancelToken* cancel) const {
  const int64_t begin_ns = MonotonicNs();
  CancelToken own_token;
  if (cancel == nullptr) cancel = &own_token;
  if (limits.timeout_ns > 0) cancel->SetDeadline(begin_ns + limits.timeout_ns);

  const bool is_log_query = logql::IsLogQuery(*expr);
  if (params.instant && is_log_query) {
    return InvalidArgument(
        "log queries are not supported as an instant query type, please change your query to a range query "
        "type");
  }
  RETURN_IF_ERROR(exec::CheckLimits(*expr, params, limits));

  exec::EvaluationTimes times;
  if (!is_log_query) {
    ASSIGN_OR_RETURN(times, exec::TimesOf(params, limits));
  }
  ASSIGN_OR_RETURN(const exec::Plan plan, exec::MakePlan(expr, limits));

  QueryResult result;
  MemoryBudget budget("query", limits.memory_bytes > 0 ? limits.memory_bytes : budget_->limit(), budget_);
  exec::QueryContext context;
  context.source = source_;
  context.tenant = params.tenant;
  context.pool = pool_;
  context.budget = &budget;
  context.cancel = cancel;
  context.stats = &result.stats;

  if (is_log_query) {
    exec::LogScanOptions options;
    options.range = TimeRange{params.start_ns, params.end_ns};
    options.direction = params.direction;
    options.limit = params.limit;
    options.interval_ns = params.interval_ns - params.interval_ns % kNsPerMs;
    options.split_interval_ns = limits.split_interval_ns;
    ASSIGN_OR_RETURN(Streams streams, exec::ScanLog(context, plan.reads[0], options));
    result.stats.entries_returned = streams.entries().size();
    result.data = std::move(streams);
  } else {
    RETURN_IF_ERROR(exec::RunMetricQuery(context, plan, times, limits, &result));
  }
  if (result.stats.damaged_blocks > 0) {
    result.warnings.push_back(fmt::format("{} blocks are damaged on disk and missing from this answer",
                                          result.stats.damaged_blocks));
  }
  result.stats.exec_ns = MonotonicNs() - begin_ns;
  return result;
}

}  // namespace skald
