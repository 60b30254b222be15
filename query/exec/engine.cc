#include "query/exec/engine.h"

#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/explain.h"
#include "query/exec/limit_checks.h"
#include "query/exec/log_query.h"
#include "query/exec/metric/metric_query.h"
#include "query/exec/plan/planner.h"
#include "query/exec/query_limiter.h"
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
  exec::QueryLimiter limiter(limits, begin_ns, cancel);
  QueryParams fitting = params;
  limiter.Fit(logql::IsLogQuery(*expr), &fitting);
  if (limits.timeout_ns > 0) cancel->SetDeadline(begin_ns + limits.timeout_ns);
  ASSIGN_OR_RETURN(const exec::Plan plan, PlanOf(expr, fitting, limits));
  const std::shared_ptr<MemoryBudget> budget = BudgetOf(limits);
  exec::QueryContext context = ContextOf(fitting, budget.get(), cancel);
  context.limiter = &limiter;
  ASSIGN_OR_RETURN(QueryResult result, Execute(plan, fitting, limits, context));
  result.memory = budget;
  limiter.Report(&result);
  result.stats.exec_ns = MonotonicNs() - begin_ns;
  return result;
}

absl::StatusOr<exec::Explanation> Engine::Explain(const logql::ExprPtr& expr, const QueryParams& params,
                                                  const QueryLimits& limits, bool analyze,
                                                  CancelToken* cancel) const {
  const int64_t begin_ns = MonotonicNs();
  CancelToken own_token;
  if (cancel == nullptr) cancel = &own_token;
  if (limits.timeout_ns > 0) cancel->SetDeadline(begin_ns + limits.timeout_ns);
  exec::Explanation out;
  ASSIGN_OR_RETURN(out.plan, PlanOf(expr, params, limits));
  for (const exec::ReadPlan& read : out.plan.reads) {
    TimeRange range{params.start_ns, params.end_ns};
    std::optional<exec::WindowGrid> grid;
    if (read.range != nullptr) {
      ASSIGN_OR_RETURN(const exec::EvaluationTimes times, exec::TimesOf(params, limits));
      grid.emplace(times.start_ns, times.step_ns, times.count, read.range->log_range.range_ns,
                   read.range->log_range.offset_ns);
      range = grid->data_range();
    }
    ASSIGN_OR_RETURN(exec::ReadEstimate estimate,
                     exec::EstimateRead(*source_, params.tenant, read, range, grid ? &*grid : nullptr));
    out.estimates.push_back(estimate);
  }
  if (!analyze) return out;
  const std::shared_ptr<MemoryBudget> budget = BudgetOf(limits);
  exec::QueryContext context = ContextOf(params, budget.get(), cancel);
  out.trace.reads.resize(out.plan.reads.size());
  context.trace = &out.trace;
  const int64_t run_ns = MonotonicNs();
  ASSIGN_OR_RETURN(const QueryResult result, Execute(out.plan, params, limits, context));
  out.analyzed = true;
  out.total = result.stats;
  out.total.exec_ns = MonotonicNs() - run_ns;
  out.memory_bytes = budget->used();
  return out;
}

absl::StatusOr<exec::Plan> Engine::PlanOf(const logql::ExprPtr& expr, const QueryParams& params,
                                          const QueryLimits& limits) {
  const bool is_log_query = logql::IsLogQuery(*expr);
  if (params.instant && is_log_query) {
    return InvalidArgument(
        "log queries are not supported as an instant query type, please change your query to a range query "
        "type");
  }
  RETURN_IF_ERROR(exec::CheckLimits(*expr, params, limits));
  if (!is_log_query) RETURN_IF_ERROR(exec::TimesOf(params, limits).status());
  return exec::MakePlan(expr, limits);
}

std::shared_ptr<MemoryBudget> Engine::BudgetOf(const QueryLimits& limits) const {
  MemoryBudget* const all = limits.memory != nullptr ? limits.memory.get() : budget_;
  return {new MemoryBudget("query", limits.memory_bytes > 0 ? limits.memory_bytes : all->limit(), all),
          [all = limits.memory](MemoryBudget* budget) { delete budget; }};
}

exec::QueryContext Engine::ContextOf(const QueryParams& params, MemoryBudget* budget,
                                     const CancelToken* cancel) const {
  exec::QueryContext context;
  context.source = source_;
  context.tenant = params.tenant;
  context.pool = pool_;
  context.budget = budget;
  context.cancel = cancel;
  context.windows = params.windows;
  context.interval_ns = params.interval_ns_of_windows;
  context.results = params.results;
  return context;
}

absl::StatusOr<QueryResult> Engine::Execute(const exec::Plan& plan, const QueryParams& params,
                                            const QueryLimits& limits, exec::QueryContext context) const {
  QueryResult result;
  context.stats = &result.stats;
  if (plan.is_log_query) {
    exec::LogScanOptions options;
    options.range = TimeRange{params.start_ns, params.end_ns};
    options.direction = params.direction;
    options.limit = params.limit;
    options.interval_ns = params.interval_ns - params.interval_ns % kNsPerMs;
    options.split_interval_ns = limits.split_interval_ns;
    const int64_t begin_ns = MonotonicNs();
    ASSIGN_OR_RETURN(Streams streams, exec::RunLogQuery(context, plan, options));
    result.stats.entries_returned = streams.entries().size();
    if (context.trace != nullptr) {
      context.trace->reads[0] = result.stats;
      context.trace->steps[plan.root.get()] =
          exec::StepCost{MonotonicNs() - begin_ns, context.budget->used(), result.stats.entries_returned};
    }
    result.data = std::move(streams);
  } else {
    ASSIGN_OR_RETURN(const exec::EvaluationTimes times, exec::TimesOf(params, limits));
    RETURN_IF_ERROR(exec::RunMetricQuery(context, plan, times, limits, &result));
  }
  if (result.stats.damaged_blocks > 0) {
    result.warnings.push_back(fmt::format("{} blocks are damaged on disk and missing from this answer",
                                          result.stats.damaged_blocks));
  }
  return result;
}

}  // namespace skald
