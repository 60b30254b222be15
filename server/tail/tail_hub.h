// Hands rows to live tails as they become visible in the store.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "storage/shard.h"

namespace skald::server {

struct DroppedEntry {
  int64_t time_ns = 0;
  std::shared_ptr<const Labels> labels;
};

// What a tail may report as dropped in one frame.
inline constexpr size_t kMaxDroppedEntries = 1000;

// Rows of a tail's streams that it has not looked at yet. Thread-safe.
class TailFeed {
 public:
  struct Part {
    StreamId stream{0};
    std::shared_ptr<const Labels> labels;
    std::shared_ptr<const Rows> rows;
    uint32_t shard = 0;
    uint64_t version = 0;
  };
  struct Batch {
    std::vector<Part> parts;
    std::vector<DroppedEntry> dropped;
  };

  // on_rows is called when rows come after a Take that left nothing.
  TailFeed(std::vector<Matcher> matchers, std::function<void()> on_rows)
      : matchers_(std::move(matchers)), on_rows_(std::move(on_rows)) {}

  // Drops the rows (and remembers that) when too much waits already.
  void Push(const FreshRows& rows);
  Batch Take();

 private:
  static constexpr uint64_t kMaxWaitingBytes = uint64_t{8} << 20;
  static constexpr size_t kMaxKnownStreams = 100'000;

  const std::vector<Matcher> matchers_;
  const std::function<void()> on_rows_;
  std::mutex mu_;
  absl::flat_hash_map<uint32_t, bool> wanted_;  // guarded by mu_; by stream
  Batch waiting_;                               // guarded by mu_
  uint64_t waiting_bytes_ = 0;                  // guarded by mu_
};

// Thread-safe.
class TailHub {
 public:
  // Called by the store's writer threads.
  void Publish(const FreshRows& rows);

  // A place among the tenant's tails: false when `max` (0 = any number) have one; *count is how many there
  // would be. Leave gives it back.
  bool Enter(const std::string& tenant, int64_t max, int64_t* count);
  void Leave(const std::string& tenant);

  // From now on the feed gets rows, until it is destroyed.
  void Subscribe(const std::string& tenant, const std::shared_ptr<TailFeed>& feed);

 private:
  std::atomic<int64_t> feeds_{0};  // at least as many as there are
  std::mutex mu_;
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<TailFeed>>> by_tenant_;  // guarded by mu_
  absl::flat_hash_map<std::string, int64_t> tails_;                                   // guarded by mu_
};

}  // namespace skald::server
