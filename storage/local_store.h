// Store over local files: ties log, shards, index and segments together.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "storage/compaction/compactor.h"
#include "storage/index/label_index.h"
#include "storage/log/wal.h"
#include "storage/read_gate.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_cache.h"
#include "storage/shard.h"
#include "storage/store.h"

namespace skald {

// Thread-safe.
class LocalStore final : public Store {
 public:
  static absl::StatusOr<std::unique_ptr<LocalStore>> Open(StoreOptions options);
  ~LocalStore() override;

  void Append(AppendBatch batch, Done done) override;
  BatchSeq LastSequence(std::string_view tenant, std::string_view agent_id) const override;
  absl::Status Flush() override;
  uint64_t ActiveStreams(std::string_view tenant) const override;
  bool HasActiveStream(std::string_view tenant, const Labels& labels) const override;
  Lsn AppliedLsn() const override;
  Lsn LastLsn() const override { return Lsn{last_lsn_.load()}; }
  absl::StatusOr<std::vector<StoredTimes>> SegmentTimes() const override;
  StoreStats Stats() const override;
  absl::Status Compact() override;
  void SetRetention(std::shared_ptr<const RetentionRules> rules) override;
  void StopMaintenance() override { compactor_->Stop(); }
  absl::StatusOr<uint64_t> Purge(const std::string& tenant, const std::string& name,
                                 const ActiveDelete& what) override;

  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant, const std::vector<Matcher>& matchers,
                                                TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers, TimeRange range,
                                                      int64_t idle_ns) const override;
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const override;
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       const std::vector<Matcher>& matchers,
                                                       TimeRange range) const override;

 private:
  explicit LocalStore(StoreOptions options) : options_(std::move(options)) {}

  absl::Status Start();
  absl::Status Replay();
  absl::Status ReplayEntry(Lsn lsn, const LogEntry& entry, const std::vector<Lsn>& flushed);
  void StartShards();
  void StartCompactor();
  uint64_t NewSegmentGroup() { return next_group_.fetch_add(1); }

  uint32_t ShardOf(std::string_view key) const;
  // Waits until there is room for so many bytes and takes it; an error after a while, or when heads cannot be
  // flushed.
  absl::Status TakeRoom(uint64_t bytes);
  void GiveRoom(uint64_t bytes);
  // ResourceExhausted while the disk has no more room than is reserved.
  absl::Status CheckDisk();
  absl::Status FlushHeads();
  // Under room_mu_: takes from the memory budget, or gives back, what lines in memory and `bytes` more need.
  bool ChargeMemory(uint64_t bytes);
  uint64_t HeadBytes() const;
  // Hands a batch that is in the log to its shards. applied is called after the last of them.
  void Dispatch(std::shared_ptr<PendingBatch> batch, Lsn lsn, std::function<void()> applied);
  void OnFlushed(const SegmentCommit& commit, FlushReason reason);
  void ReleaseLog();

  absl::StatusOr<std::vector<StreamRef>> Streams(const Roaring& ids) const;
  absl::StatusOr<std::vector<StreamRef>> Streams(const std::vector<StreamId>& ids) const;
  absl::StatusOr<Selection> SelectFromIndex(std::string_view tenant, const std::vector<Matcher>& matchers,
                                            TimeRange range) const;

  // Constant after Open.
  const StoreOptions options_;
  FileDescriptor lock_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<LabelIndex> index_;
  std::unique_ptr<SegmentCache> segments_;
  std::unique_ptr<Wal> wal_;
  uint32_t shard_count_ = 1;

  // Own synchronisation.
  std::atomic<uint64_t> next_group_{1};
  uint64_t lost_segment_bytes_ = 0;  // constant after Open
  std::atomic<uint64_t> segment_count_{0};
  std::atomic<uint64_t> segment_bytes_{0};
  std::atomic<uint64_t> replayed_rows_{0};
  // Of batches with rows: the last that is being handed to its shards, the last that was.
  std::atomic<uint64_t> last_lsn_{0};
  std::atomic<uint64_t> dispatched_lsn_{0};
  mutable std::atomic<bool> index_damaged_{false};  // and said so
  std::atomic<bool> log_ready_{false};              // replay is done: covered files may be deleted
  const std::shared_ptr<std::atomic<uint64_t>> damaged_blocks_ = std::make_shared<std::atomic<uint64_t>>(0);

  mutable std::mutex room_mu_;
  std::condition_variable room_changed_;
  uint64_t on_the_way_ = 0;     // guarded by room_mu_
  int64_t charged_ = 0;         // guarded by room_mu_; taken from options_.memory
  int64_t disk_looked_ns_ = 0;  // guarded by room_mu_
  absl::Status disk_;           // guarded by room_mu_; what the last look said

  // Of Replay alone.
  absl::flat_hash_map<std::string, std::shared_ptr<const Labels>> replay_labels_;

  std::vector<std::unique_ptr<Shard>> shards_;  // constant after Open
  mutable ReadGate gate_;                       // of those who look for segments
  std::unique_ptr<Compactor> compactor_;        // constant after Open
};

}  // namespace skald
