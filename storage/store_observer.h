// Told of what a store does, for those who count and measure: flushes, questions to the label index, rounds
// of maintenance.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace skald {

// A block that a flush wrote.
struct FlushedBlock {
  uint32_t rows = 0;
  uint32_t streams = 0;  // that have rows in it
  uint64_t bytes = 0;    // stored
  uint64_t text_bytes = 0;
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
};

enum class FlushReason { kMemory, kAge, kAsked };

enum class IndexQuestion { kBlocks, kStreams, kLabelNames, kLabelValues, kCommit };

enum class Maintenance { kCompaction, kRetention };

// Called on the store's threads and on those of readers, several at once; must not block.
class StoreObserver {
 public:
  virtual ~StoreObserver() = default;
  // So many streams, at least one, have lines in memory that had none.
  virtual void OnNewStreams(std::string_view tenant, uint64_t count) = 0;
  // The blocks are in segments that the index knows.
  virtual void OnFlush(FlushReason reason, const std::vector<FlushedBlock>& blocks) = 0;
  virtual void OnIndex(IndexQuestion question, bool ok, int64_t took_ns) = 0;
  // A round that was not broken off by the store's end.
  virtual void OnMaintenance(Maintenance what, bool ok, int64_t took_ns) = 0;
};

// Answers ask(), an absl::Status or StatusOr. observer may be null.
template <typename Ask>
auto ObserveIndex(StoreObserver* observer, IndexQuestion question, Ask ask) {
  const int64_t began_ns = MonotonicNs();
  auto answer = ask();
  if (observer != nullptr) observer->OnIndex(question, answer.ok(), MonotonicNs() - began_ns);
  return answer;
}

}  // namespace skald
