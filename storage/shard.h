// One writer thread with the heads of its streams, and the thread that flushes them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <roaring/roaring.hh>

#include "storage/head.h"
#include "storage/index/label_index.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_footer.h"
#include "storage/store_observer.h"

namespace skald {

// A batch on its way from the log to the heads of the shards it concerns.
struct PendingBatch {
  struct Part {
    std::string key;  // StreamKey
    uint32_t shard = 0;
    std::shared_ptr<const Labels> labels;  // may be null: then they are parsed from the key
    std::shared_ptr<const Rows> rows;
  };
  std::string tenant;
  std::vector<Part> parts;
  Lsn lsn{0};
  uint64_t bytes = 0;  // as counted while it is on the way
  std::atomic<int> shards_left{0};
  std::function<void()> applied;  // called by the last shard that is done with it
};

// Rows of one stream that readers can see from now on.
struct FreshRows {
  std::string_view tenant;
  StreamId stream{0};
  std::shared_ptr<const Labels> labels;
  std::shared_ptr<const Rows> rows;
  uint32_t shard = 0;
  uint64_t version = 0;  // of the shard: a Selection whose shard_versions[shard] is not below it has the rows
  Lsn lsn{0};            // of the batch that brought them
};

struct ShardOptions {
  uint32_t number = 0;
  uint32_t count = 1;
  uint64_t block_text_bytes = 256 << 10;
  uint64_t flush_bytes = 0;  // memory of the heads beyond which they are flushed
  int64_t max_age_ms = 0;
};

// What the shards share with the store. All of it thread-safe, and outlives them.
struct ShardEnvironment {
  LabelIndex* index = nullptr;
  BlobStore* blobs = nullptr;
  std::function<uint64_t()> new_segment_group;
  std::function<absl::Status()> flushing;  // before a segment is written; may be null
  // After the index knows, and the heads are dropped.
  std::function<void(const SegmentCommit&, FlushReason)> flushed;
  std::function<void(const FreshRows&)> fresh_rows;  // on the shard's thread, in order; may be null
  std::function<void()> progress;                    // heads became smaller or a flush failed
  StoreObserver* observer = nullptr;
};

struct ShardStats {
  uint64_t streams = 0;
  uint64_t rows = 0;
  uint64_t memory_bytes = 0;
  uint64_t appended_rows = 0;
  uint64_t duplicate_rows = 0;
  uint64_t flush_failures = 0;
  uint64_t flushing = 0;  // 1 while heads are written to segments
};

// What a reader sees of a shard at one moment.
struct HeadView {
  struct Stream {
    StreamId id{0};
    std::vector<std::shared_ptr<const HeadChunk>> chunks;
    std::vector<std::shared_ptr<const SealedBlock>> sealed;
  };
  std::vector<Stream>
      streams;  // a stream may stand in it twice: with what is being flushed, and with what came since
  std::vector<uint64_t> versions;  // of the shards, in their order
  std::vector<uint64_t>
      in_memory;  // segment groups that the heads seen here turn into: not to be read from the index
};

// Thread-safe.
class Shard {
 public:
  // Starts the threads. flushed: LSN up to which records are in segments.
  Shard(ShardOptions options, ShardEnvironment environment);
  ~Shard() { Stop(); }
  // Applies what is queued, finishes a flush that runs, ends the threads. Heads are not flushed, the log has
  // them.
  void Stop();

  // In order of LSNs.
  void Enqueue(std::shared_ptr<PendingBatch> batch);

  // Adds what it has of the streams in ids that reaches into range.
  void View(const Roaring& ids, TimeRange range, HeadView* view) const;

  bool HasActiveStream(std::string_view key) const;
  uint64_t ActiveStreams(std::string_view tenant) const;
  ShardStats Stats() const;
  uint64_t MemoryBytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

  // All records up to and including it are, as far as they concern this shard, in segments.
  Lsn Covered() const;

  // All batches up to and including it that were enqueued are visible, and told to fresh_rows.
  Lsn Applied() const;

  // Flushes all that is applied so far. RequestFlush gives a ticket to wait with; the wait answers the error
  // of a flush that failed meanwhile (it goes on trying), Cancelled when the shard is being destroyed.
  uint64_t RequestFlush();
  absl::Status WaitForFlush(uint64_t ticket);
  // The last error of a flush, OK once one succeeded.
  absl::Status FlushStatus() const;
  void WaitUntilIdle() const;  // nothing queued

 private:
  // A stream this shard has met; the days are the shard thread's own.
  struct KnownStream {
    std::shared_ptr<const StreamInfo> info;
    std::vector<Day> days;  // registered in the index
  };

  void Run();
  void Apply(const PendingBatch& batch);
  absl::Status ResolveStreams(const PendingBatch& batch, std::vector<KnownStream*>* streams);
  std::optional<FlushReason> FreezeIsDue(int64_t now_ns) const;
  void Freeze(FlushReason reason);
  void ForgetIdleStreams();

  void RunFlushes();
  absl::Status FlushFrozen(const HeadSet& heads, SegmentCommit* commit);

  // Constant after construction.
  const ShardOptions options_;
  const ShardEnvironment environment_;

  // Of the shard's thread alone.
  absl::flat_hash_map<std::string_view, std::unique_ptr<KnownStream>> known_;  // keys live in info

  std::atomic<uint64_t> memory_bytes_{0};  // of active_ and frozen_

  mutable std::mutex mu_;
  std::condition_variable wake_;  // of the shard's thread
  std::condition_variable wake_flusher_;
  mutable std::condition_variable changed_;          // for WaitForFlush, WaitUntilIdle
  std::deque<std::shared_ptr<PendingBatch>> queue_;  // guarded by mu_; the front is being applied
  std::shared_ptr<HeadSet>
      active_;  // the pointer is guarded by mu_; so is the set, which only the shard's thread writes
  std::shared_ptr<const HeadSet> frozen_;  // guarded by mu_; being flushed
  absl::flat_hash_map<std::string, uint64_t>
      tenant_streams_;                            // guarded by mu_; distinct in active_ and frozen_
  FlushReason frozen_for_ = FlushReason::kAsked;  // guarded by mu_; why frozen_ is being flushed
  uint64_t flush_wanted_ = 0;                     // guarded by mu_; serial up to which sets are to be flushed
  uint64_t flushed_serial_ = 0;                   // guarded by mu_
  uint64_t failed_flushes_ = 0;                   // guarded by mu_
  absl::Status flush_status_;                     // guarded by mu_
  uint64_t appended_rows_ = 0;                    // guarded by mu_
  uint64_t version_ = 0;                          // guarded by mu_; counts what was added to heads
  uint64_t duplicate_rows_ = 0;                   // guarded by mu_
  bool stopping_ = false;                         // guarded by mu_
  bool stop_flusher_ = false;                     // guarded by mu_

  std::thread thread_;
  std::thread flusher_;
};

}  // namespace skald
