// Open segment files, the least recently used closed first. Readers that are handed out stay open for who
// holds them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "base/types.h"
#include "storage/limits.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_reader.h"

namespace skald {

// Thread-safe. blobs outlives it.
class SegmentCache {
 public:
  SegmentCache(const BlobStore* blobs, size_t max_open)
      : blobs_(blobs),
        max_open_(max_open),
        summaries_(std::make_shared<BlockSummaryCache>(kMaxSummaryBytes)) {}

  // NotFound when there is no such segment (any more).
  absl::StatusOr<std::shared_ptr<const SegmentReader>> Get(SegmentId id);
  // Before its file is deleted.
  void Drop(SegmentId id);

 private:
  using Order = std::list<std::pair<uint64_t, std::shared_ptr<const SegmentReader>>>;

  const BlobStore* const blobs_;
  const size_t max_open_;
  const std::shared_ptr<BlockSummaryCache> summaries_;  // readers outlive their place here
  std::mutex mu_;
  Order order_;                                          // guarded by mu_; the last used first
  absl::flat_hash_map<uint64_t, Order::iterator> open_;  // guarded by mu_
};

}  // namespace skald
