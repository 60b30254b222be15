// How much text streams hold: the sums behind index/stats, index/volume and index/volume_range. Block headers
// carry counts and bytes, so no line is read.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"
#include "query/exec/result.h"
#include "storage/log_source.h"

namespace skald::server {

struct IndexStats {
  uint64_t streams = 0;
  uint64_t chunks = 0;  // a stream's parts of blocks
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

// Of what lies in range. A block that reaches out of the range counts with the part of its time that is
// within.
IndexStats StatsOf(const Selection& selection, TimeRange range);

struct VolumeQuestion {
  std::vector<Matcher> matchers;
  bool all = false;                        // the literal {}: streams keep all their labels
  std::vector<std::string> target_labels;  // group by these in place of the matchers' names
  bool by_label_name = false;              // aggregateBy=labels
  TimeRange range;
  int64_t end_ms = 0;   // the time of the last sample
  int64_t step_ns = 0;  // 0 = one bucket, else buckets at multiples of it
  uint32_t limit = 100;
  uint64_t max_series = 0;  // 0 = any number
};

// The selector that has to be asked: target labels without a matcher must be there.
absl::StatusOr<std::vector<Matcher>> VolumeMatchers(const VolumeQuestion& question);

// The `limit` largest keys of each bucket: series by the first sample's value, the largest first, then by
// name. A sample stands at its bucket's last millisecond, the last one at end_ms. ResourceExhausted with
// Loki's text for too many keys.
absl::StatusOr<std::vector<Series>> VolumeOf(const Selection& selection, const VolumeQuestion& question);

}  // namespace skald::server
