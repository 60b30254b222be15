// The windows of a range aggregation, and the time between their edges as buckets: each line falls into one
// bucket, each window is a run of buckets. So a line is read once however many windows hold it.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace skald::exec {

// Evaluation times t(i) = start + i * step for i in [0, steps). Window i is (t(i) - offset - range, t(i) -
// offset]: left edge excluded, right edge included, exact to the nanosecond. All edges of all windows,
// sorted, cut time into buckets that likewise include their right edge. Ids ascend with time; some ids may
// belong to no time at all (coinciding edges).
class WindowGrid {
 public:
  // steps >= 1; step_ns > 0 unless steps is 1; range_ns >= 0.
  WindowGrid(int64_t start_ns, int64_t step_ns, uint32_t steps, int64_t range_ns, int64_t offset_ns);

  struct Bucket {
    uint32_t id = 0;
    bool in_window = false;  // some window holds it
    int64_t first_ns = 0;    // the times in it, both inclusive
    int64_t last_ns = -1;

    bool Contains(int64_t t_ns) const { return t_ns >= first_ns && t_ns <= last_ns; }
  };
  Bucket Find(int64_t t_ns) const;

  // The same windows for steps [first, first + steps) of this one, numbered from 0.
  WindowGrid Part(uint32_t first, uint32_t steps) const {
    return WindowGrid(time_ns(first), step_ns_, steps, range_ns_, offset_ns_);
  }

  uint32_t steps() const { return steps_; }
  int64_t step_ns() const { return step_ns_; }
  int64_t offset_ns() const { return offset_ns_; }
  int64_t range_ns() const { return range_ns_; }
  int64_t time_ns(uint32_t step) const { return start_ns_ + static_cast<int64_t>(step) * step_ns_; }
  // All times in any window lie in here (with gaps where range < step).
  TimeRange data_range() const;

  // Window `step` is the buckets [first_bucket, last_bucket]; empty where last < first. Both ascend with
  // step.
  uint32_t first_bucket(uint32_t step) const;
  uint32_t last_bucket(uint32_t step) const;

  // The first window whose buckets reach `bucket`, whose right edge is not before t; steps() if there is
  // none.
  uint32_t FirstStepReaching(uint32_t bucket) const;
  uint32_t FirstStepEndingAt(int64_t t_ns) const;

  // Window edges, left excluded, right included.
  int64_t window_begin_ns(uint32_t step) const;
  int64_t window_end_ns(uint32_t step) const;

 private:
  bool FindNear(int64_t t_ns, Bucket* bucket) const;

  int64_t start_ns_;
  int64_t step_ns_;
  uint32_t steps_;
  int64_t range_ns_;
  int64_t offset_ns_;
  int64_t range_steps_;  // range / step, rounded up
};

}  // namespace skald::exec
