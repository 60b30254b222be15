// Reads the lines of a log query: the first `limit` of them in the query's direction.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "base/types.h"
#include "query/exec/plan/plan.h"
#include "query/exec/result.h"
#include "query/exec/scan.h"

namespace skald::exec {

struct LogScanOptions {
  TimeRange range;
  Direction direction = Direction::kBackward;
  uint32_t limit = 100;
  int64_t interval_ns = 0;        // least distance between two entries
  int64_t split_interval_ns = 0;  // `interval` starts anew at multiples of this, 0 = never
};

// Blocks are read in the query's direction, and no further than entries can still come from. Adds to
// context.stats. Errors as ScanSamples, but for pipeline errors: a log query shows those as labels.
absl::StatusOr<Streams> ScanLog(const QueryContext& context, const ReadPlan& read,
                                const LogScanOptions& options);

}  // namespace skald::exec
