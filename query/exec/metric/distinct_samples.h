// The samples of count_distinct_over_time of one series: a sketch of the values of each bucket of the window
// grid.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hyper_log_log.h"
#include "query/exec/cancel_token.h"
#include "query/exec/metric/step_vector.h"
#include "query/exec/metric/window_grid.h"

namespace skald::exec {

// Not thread-safe; one per thread, merged at the end.
class DistinctSamples {
 public:
  // Returns by how many bytes it has grown.
  int64_t Add(uint32_t bucket, uint64_t hash);
  void Merge(DistinctSamples&& other);
  bool empty() const { return buckets_.empty(); }

  // How many distinct hashes stand in each window that holds any. May stop half-way once cancel (if any) says
  // so.
  std::vector<StepValue> Evaluate(const WindowGrid& grid, const CancelToken* cancel) const;

 private:
  struct Bucket {
    uint32_t id = 0;
    HyperLogLog values;
  };
  HyperLogLog& FindOrAdd(uint32_t bucket, int64_t* grown);

  std::vector<Bucket> buckets_;  // sorted by id
  size_t last_ = 0;              // where the last hash went
};

}  // namespace skald::exec
