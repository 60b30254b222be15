// Block summaries that were read and checked lately, so that a query over many blocks looks at memory instead
// of thousands of small pieces of files. Thread-safe.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "storage/log_source.h"

namespace skald {

class BlockSummaryCache {
 public:
  // A segment as it is open, and a block's offset in it: a file of the same name later is another reader.
  using Key = std::pair<uint64_t, uint64_t>;

  explicit BlockSummaryCache(size_t max_bytes) : max_bytes_of_part_(max_bytes / kParts) {}

  // A number no reader has yet.
  uint64_t NewReader() { return next_reader_.fetch_add(1, std::memory_order_relaxed); }

  // Null where it is not held.
  std::shared_ptr<const BlockSummary> Find(const Key& key);
  // Others give way, any of them: a scan over more than fits would push out all if it were the oldest.
  void Insert(const Key& key, std::shared_ptr<const BlockSummary> summary);

  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kParts = 16;

  struct Entry {
    Key key;
    std::shared_ptr<const BlockSummary> summary;
  };
  struct Part {
    std::mutex mu;
    std::vector<Entry> entries;              // guarded by mu
    absl::flat_hash_map<Key, size_t> place;  // guarded by mu; in entries
    size_t bytes = 0;                        // guarded by mu
    uint64_t random = 1;                     // guarded by mu
  };

  Part& PartOf(const Key& key) { return parts_[(key.first * 31 + key.second / 4096) % kParts]; }

  const size_t max_bytes_of_part_;
  std::atomic<uint64_t> next_reader_{1};
  std::atomic<size_t> bytes_{0};
  std::array<Part, kParts> parts_;
};

}  // namespace skald
