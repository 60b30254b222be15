// What each step of one query has cost, for explain.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <vector>

#include "query/exec/query_stats.h"
#include "query/logql/ast.h"

namespace skald::exec {

struct StepCost {
  int64_t wall_ns = 0;       // with the steps below it
  int64_t memory_bytes = 0;  // drawn from the query's budget, with the steps below it
  uint64_t results = 0;      // lines or series it gives
};

// Filled in by the query's own thread.
struct QueryTrace {
  std::vector<QueryStats> reads;  // by Plan::reads
  absl::flat_hash_map<const logql::Expr*, StepCost>
      steps;  // by node of Plan::root; the first time it is computed
};

}  // namespace skald::exec
