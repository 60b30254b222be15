// Runs LogQL over a LogSource. The answer is Loki's: see result.h for its forms and query_error.h for its
// errors.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "query/exec/cancel_token.h"
#include "query/exec/result.h"
#include "query/logql/ast.h"
#include "storage/log_source.h"

namespace skald::exec {
struct Explanation;  // query/exec/explain.h
struct Plan;         // query/exec/plan/plan.h
struct QueryContext;
class ResultCache;     // query/exec/metric/result_cache.h
class RollingWindows;  // query/exec/windows/rolling_windows.h
}  // namespace skald::exec

namespace skald {

struct QueryParams {
  std::string tenant;
  std::string query;
  // Log query: lines with start_ns <= t < end_ns. Metric range query: evaluated from start_ns to end_ns, both
  // inclusive. Instant query: evaluated at end_ns; start_ns is not looked at.
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  int64_t step_ns = 0;      // > 0 for a metric range query
  int64_t interval_ns = 0;  // log queries: least distance between two entries, 0 = none
  uint32_t limit = 100;     // log queries
  Direction direction = Direction::kBackward;
  bool instant = false;
  // Of an instant query that is asked for at each multiple of the interval, plus a constant: what is kept
  // between two evaluations, so that only new lines are read. It outlives the run; null: nothing is kept.
  exec::RollingWindows* windows = nullptr;
  int64_t interval_ns_of_windows = 0;
  // Of a metric range query: what is kept of earlier ones, and where what is read now is kept. It outlives
  // the run; null: everything is read, and nothing kept.
  exec::ResultCache* results = nullptr;
};

// Zero means no limit unless said otherwise.
struct QueryLimits {
  uint32_t max_query_series = 500;
  // When the series limit is passed: answer with what fits and a warning, in place of an error.
  bool truncate_series = false;
  // The same for the limits on entries, length, bytes read, time and memory.
  bool partial = false;
  uint32_t max_entries_limit = 5000;
  int64_t max_query_length_ns = 0;
  int64_t max_query_range_ns = 0;  // of [..] in a range query
  uint32_t max_streams_matchers = 1000;
  std::vector<std::string> required_labels;
  uint32_t minimum_labels_number = 0;
  uint64_t max_bytes_read = 0;  // line bytes that the selectors' blocks have in the range
  int64_t timeout_ns = int64_t{60} * 1'000'000'000;
  int64_t memory_bytes = int64_t{1} << 30;  // of this query
  std::shared_ptr<MemoryBudget> memory;     // what it is taken from; null: the engine's
  // Range queries are cut at multiples of this span: metric ones are then evaluated at multiples of step
  // (start rounded down, end up), and `interval` starts anew with each span. 0 = no cutting, no rounding.
  int64_t split_interval_ns = int64_t{3600} * 1'000'000'000;
  bool approx_topk = false;  // refused unless set
};

// Thread-safe; keeps no state between runs. source, pool and budget must outlive it; budget is the process's,
// a query's own is a child of it.
class Engine {
 public:
  Engine(const LogSource* source, ThreadPool* pool, MemoryBudget* budget)
      : source_(source), pool_(pool), budget_(budget) {}

  // Errors: InvalidArgument for the query (parse, stage and pipeline errors), ResourceExhausted for its
  // limits and memory, DeadlineExceeded, Cancelled, Internal for vectors that do not match; HttpStatusOf maps
  // them. cancel may be null.
  absl::StatusOr<QueryResult> Run(const QueryParams& params, const QueryLimits& limits,
                                  CancelToken* cancel) const;

  // The same for a tree that is parsed already; params.query is not looked at.
  absl::StatusOr<QueryResult> RunExpr(const logql::ExprPtr& expr, const QueryParams& params,
                                      const QueryLimits& limits, CancelToken* cancel) const;

  // How that would be run and about what it would cost; with analyze it is run too, its answer thrown away,
  // and what it did cost is told. Errors as Run.
  absl::StatusOr<exec::Explanation> Explain(const logql::ExprPtr& expr, const QueryParams& params,
                                            const QueryLimits& limits, bool analyze,
                                            CancelToken* cancel) const;

  // The same over another source.
  Engine Over(const LogSource* source) const { return Engine(source, pool_, budget_); }

 private:
  // Checks the query against the limits and plans it.
  static absl::StatusOr<exec::Plan> PlanOf(const logql::ExprPtr& expr, const QueryParams& params,
                                           const QueryLimits& limits);
  // Runs the plan within the context's budget, and with its trace.
  absl::StatusOr<QueryResult> Execute(const exec::Plan& plan, const QueryParams& params,
                                      const QueryLimits& limits, exec::QueryContext context) const;
  // One query's own, which draws from its tenant's or the process's and keeps the former alive.
  std::shared_ptr<MemoryBudget> BudgetOf(const QueryLimits& limits) const;
  exec::QueryContext ContextOf(const QueryParams& params, MemoryBudget* budget,
                               const CancelToken* cancel) const;

  const LogSource* source_;
  ThreadPool* pool_;
  MemoryBudget* budget_;
};

}  // namespace skald
