// Reads the lines of a log query: the first `limit` of them in the query's direction.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/types.h"
#include "query/exec/pipeline/label_set.h"
#include "query/exec/pipeline/pipeline.h"
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

// A line that came through a log query's pipeline.
struct ScannedLine {
  int64_t time_ns = 0;
  uint32_t stream = 0;  // of the selection
  uint32_t block = 0;   // of the selection
  uint32_t row = 0;
  const LabelSet* labels = nullptr;  // the reader's
  std::string line;
};
// Whether x comes before y in forward order, in which lines of one time stand as they were stored.
bool InForwardOrder(const ScannedLine& x, const ScannedLine& y);

// Reads the lines of one selection in the order of an answer, a piece at a time. Not thread-safe; uses the
// context's threads. The arguments outlive it.
class LogReader {
 public:
  LogReader(const QueryContext& context, const Selection& selection, std::shared_ptr<const Pipeline> pipeline,
            Direction direction);
  ~LogReader();
  // The first `limit` lines in range, in the direction. Errors as ScanLog.
  absl::StatusOr<std::vector<ScannedLine>> Read(TimeRange range, uint32_t limit);
  // What all reads so far have cost.
  QueryStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Blocks are read in the query's direction, and no further than entries can still come from. Adds to
// context.stats. Errors as ScanSamples, but for pipeline errors: a log query shows those as labels.
absl::StatusOr<Streams> ScanLog(const QueryContext& context, const ReadPlan& read,
                                const LogScanOptions& options);

}  // namespace skald::exec
