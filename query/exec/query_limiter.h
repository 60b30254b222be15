// The limits of one run that are met while it goes on: time, memory, bytes read. Where a partial answer is
// allowed they end the reading instead of the query, and what was found by then is the answer, with a
// warning.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "query/exec/engine.h"
#include "query/exec/result.h"
#include "storage/log_source.h"

namespace skald::exec {

// Thread-safe.
class QueryLimiter {
 public:
  // limits and cancel outlive it. begin_ns: MonotonicNs of the query's beginning.
  QueryLimiter(const QueryLimits& limits, int64_t begin_ns, CancelToken* cancel)
      : limits_(limits), begin_ns_(begin_ns), cancel_(cancel) {}

  bool partial() const { return limits_.partial; }
  bool limits_bytes() const { return limits_.max_bytes_read > 0; }
  // Whether something was left out of the answer so far.
  bool has_reached() const {
    const std::lock_guard lock(mu_);
    return !reached_.empty();
  }

  // Where a partial answer is allowed: takes what is too much out of the parameters.
  void Fit(bool is_log_query, QueryParams* params);

  // Whether reading must end, for the time is up and the answer may be partial. What is left to do then has
  // as much time again.
  bool TimeIsUp();
  // Whether an error of the reading only ends it.
  bool Forgives(const absl::Status& error);

  // max_query_bytes_read over all selections of the query. InvalidArgument with Loki's text when they are too
  // large; or, where a partial answer is allowed, the last blocks in the direction of reading are dropped.
  absl::Status LimitBytes(TimeRange range, Direction direction, Selection* selection);

  // `name` is that of the limit, `value` what it is set to. Each name counts once.
  void Reached(std::string_view name, std::string value, std::string warning);
  // Puts warnings and limits into the result.
  void Report(QueryResult* result) const;

 private:
  const QueryLimits& limits_;
  const int64_t begin_ns_;
  CancelToken* const cancel_;
  mutable std::mutex mu_;
  uint64_t bytes_ = 0;                 // guarded by mu_; of selections so far
  std::vector<ReachedLimit> reached_;  // guarded by mu_
  std::vector<std::string> warnings_;  // guarded by mu_
};

}  // namespace skald::exec
