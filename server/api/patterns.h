// The patterns of a selection's lines with their counts over time: what blocks tell of themselves, and the
// lines of those that do not, put together.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/memory_budget.h"
#include "query/exec/cancel_token.h"
#include "storage/log_source.h"

namespace skald::server {

struct PatternQuestion {
  // Lines count in steps of 10 s (storage/block/block_patterns.h); those of steps that begin in [start, end)
  // are meant.
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  int64_t step_ns = 0;      // samples stand at multiples of it
  size_t max_series = 300;  // the rest are of one pattern `<_>` for each level
};

// The times that lines of the question can have.
TimeRange RangeOf(const PatternQuestion& question);

struct PatternSeries {
  std::string pattern;
  std::string level;                                  // "unknown" for lines without one
  std::vector<std::pair<int64_t, uint64_t>> samples;  // time in ns, lines; in order of time
  uint64_t total = 0;
};

struct PatternCost {
  uint64_t blocks_told = 0;  // answered by their own counts
  uint64_t blocks_read = 0;
};

// By total, the largest first. Each line of the question counts once, in one series. selection: of RangeOf.
// Errors: the token's, ResourceExhausted for memory; damaged blocks are left out.
absl::StatusOr<std::vector<PatternSeries>> PatternsOf(const Selection& selection,
                                                      const PatternQuestion& question,
                                                      const CancelToken& cancel, MemoryBudget* budget,
                                                      PatternCost* cost);

// {"status":"success","data":[...]}\n
std::string PatternsJson(const std::vector<PatternSeries>& series);

}  // namespace skald::server
