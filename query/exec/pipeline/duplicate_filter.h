// Drops entries that a sender repeated: equal time, line and metadata in two slices of one stream count once.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "base/memory_budget.h"
#include "storage/log_source.h"

namespace skald::exec {

// For one selection. Thread-safe: slices may be worked on in any order and at the same time; whichever row
// comes first stands.
class DuplicateFilter {
 public:
  // The selection must stay as it is while the filter lives.
  explicit DuplicateFilter(const Selection& selection);

  // Whether a slice of the selection can hold repetitions at all; rows of others need not be asked about.
  static bool Affects(const Slice& slice) { return slice.overlaps; }

  // The times of a slice that another slice reaches: rows outside of them are not repeated. False: no such
  // times.
  struct Region {
    int64_t until_ns = kMinTimeNs;  // t <= until_ns: an earlier slice reaches so far
    int64_t from_ns = kMaxTimeNs;   // t >= from_ns: a later slice begins here

    bool Contains(int64_t t_ns) const { return t_ns <= until_ns || t_ns >= from_ns; }
  };
  Region RegionOf(uint32_t block, uint32_t slice) const;

  // True for the first row of its kind. rows needs times, lines and metadata.
  bool IsFirst(uint32_t stream, const Rows& rows, uint32_t row);

  int64_t bytes() const { return entries_.load(std::memory_order_relaxed) * kBytesPerEntry; }

 private:
  static constexpr int64_t kBytesPerEntry = 32;
  struct Shard {
    std::mutex mu;
    absl::flat_hash_set<std::pair<uint64_t, uint64_t>> seen;  // guarded by mu
  };

  std::vector<std::vector<Region>>
      regions_;  // [block][slice]; no element for blocks without overlapping slices
  std::array<Shard, 16> shards_;
  std::atomic<int64_t> entries_{0};
};

}  // namespace skald::exec
