// What the readers of log lines have in common: sample_scan.h for metric queries, log_scan.h for log queries.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "query/exec/cancel_token.h"
#include "query/exec/query_stats.h"
#include "query/exec/query_trace.h"
#include "query/exec/result.h"
#include "storage/log_source.h"

namespace skald::exec {

struct ReadPlan;       // query/exec/plan/plan.h
class ResultCache;     // query/exec/metric/result_cache.h
class RollingWindows;  // query/exec/windows/rolling_windows.h

class QueryLimiter;  // query/exec/query_limiter.h

// One query's surroundings. All pointers outlive it.
struct QueryContext {
  const LogSource* source = nullptr;
  std::string tenant;
  ThreadPool* pool = nullptr;
  MemoryBudget* budget = nullptr;  // this query's
  const CancelToken* cancel = nullptr;
  QueryStats* stats = nullptr;
  QueryLimiter* limiter = nullptr;  // null: no limits but budget and token
  QueryTrace* trace = nullptr;      // null: nobody asks what single steps cost
  // What earlier evaluations of the same query have left, where it is asked for every so often; or null.
  RollingWindows* windows = nullptr;
  int64_t interval_ns = 0;
  ResultCache* results = nullptr;  // of range queries; null: nothing is kept
};

// Threads that work on one selection together, the caller's own among them.
uint32_t WorkerCount(const QueryContext& context, size_t tasks);

// The streams and blocks that a read looks at, counted in the query's figures and within its limit of bytes.
absl::StatusOr<Selection> SelectData(const QueryContext& context, const ReadPlan& read, TimeRange range,
                                     Direction direction);

// The numbers of a selection's blocks, those that come first in the direction first.
std::vector<uint32_t> BlocksByTime(const Selection& selection, Direction direction);

// Calls work(worker, task) for each task in [0, tasks), tasks starting in order, a worker in [0, workers) on
// one thread at a time. Looks at the cancel token before each task. Stops at the first error and returns it,
// or OK where the limiter lets the answer be partial. reads: the tasks read lines, and need not go on when
// the limiter says that there is no time for it.
absl::Status RunTasks(const QueryContext& context, uint32_t workers, size_t tasks,
                      const std::function<absl::Status(uint32_t worker, size_t task)>& work,
                      bool reads = true);

// Memory of one worker, drawn from the query's budget in steps, and never given back before the query ends
// (with its budget).
class MemoryAccount {
 public:
  explicit MemoryAccount(MemoryBudget* budget) : budget_(budget) {}

  // bytes: all that the worker holds now. ResourceExhausted when the budget has no more.
  absl::Status Hold(int64_t bytes) {
    if (bytes <= reserved_) return absl::OkStatus();
    const int64_t more = bytes - reserved_ + kStep;
    if (absl::Status status = budget_->Reserve(more); !status.ok()) return status;
    reserved_ += more;
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kStep = 256 << 10;
  MemoryBudget* budget_;
  int64_t reserved_ = 0;
};

// Rows [begin, end) of a slice whose times lie in range; rows needs times.
std::pair<uint32_t, uint32_t> RowsInRange(const Rows& rows, const Slice& slice, TimeRange range);

// Reads blocks, one at a time, in one step or in two: first what the leading line filters look at, then the
// rest if they leave a row. Not thread-safe; rows are valid until the next Read.
class BlockReader {
 public:
  absl::StatusOr<const Rows*> Read(const Block& block, ColumnSet want, ReadStats* stats);
  // The rows of the last Read, which was of this block and `had`, with the columns of `want` as well.
  absl::StatusOr<const Rows*> Complete(const Block& block, ColumnSet had, ColumnSet want, ReadStats* stats);

  // About what the decoded rows take.
  int64_t bytes() const { return bytes_; }

 private:
  Rows scratch_;
  Rows more_;
  const Rows* rows_ = nullptr;
  int64_t bytes_ = 0;
};

// Of the decoded columns: dictionaries and indexes.
uint64_t MetadataBytes(const Rows& rows);

}  // namespace skald::exec
