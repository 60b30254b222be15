// Works on stored segments beside the store: merges them and encodes them smaller, takes away what retention
// ends, and what deletes name. One thread of low priority; a step is committed to the index at once, after
// its new segment is durable and before the old ones are deleted, so that a crash leaves the one or the
// other.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "storage/compaction/compaction_plan.h"
#include "storage/compaction/segment_merge.h"
#include "storage/deletes/delete_view.h"
#include "storage/deletes/retention.h"
#include "storage/index/label_index.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_cache.h"
#include "storage/store_observer.h"

namespace skald {

struct CompactorOptions {
  int64_t interval_ms = 60'000;  // between rounds; 0 = only when it is asked to
  // A day is closed when it has ended and no segment of it came for so long.
  int64_t quiet_ms = 10 * 60'000;
  PlanOptions plan;
  uint64_t block_text_bytes = 512 << 10;
  // The oldest segments go when less than this part of the disk is free, or when they have more bytes than
  // max_bytes (0 = any number).
  double min_free = 0.1;
  uint64_t max_bytes = 0;
  const Clock* clock = &Clock::System();
};

// What it shares with the store. All of it thread-safe, and outlives it.
struct CompactorEnvironment {
  LabelIndex* index = nullptr;
  BlobStore* blobs = nullptr;
  SegmentCache* segments = nullptr;
  std::function<uint64_t()> new_segment_group;
  std::function<absl::StatusOr<DiskSpace>()> disk_space;
  // After the index knows: what the store counts.
  std::function<void(const std::vector<SegmentInfo>& added, const std::vector<SegmentInfo>& removed)>
      replaced;
  // Before the index knows that lines in this time, both inclusive, are gone: where it fails, they stay.
  std::function<absl::Status(int64_t min_ns, int64_t max_ns)> lines_going;
  // After it knows, or may know.
  std::function<void(int64_t min_ns, int64_t max_ns)> lines_removed;
  // Returns when nobody looks for segments any more who read the index before the call.
  std::function<void()> wait_for_readers;
  StoreObserver* observer = nullptr;  // may be null
};

struct CompactionStats {
  uint64_t merges = 0;
  uint64_t merged_bytes = 0;   // of the segments that were replaced ...
  uint64_t written_bytes = 0;  // ... and of those in their place
  uint64_t repeated_rows = 0;  // left out as repetitions
  uint64_t retired_rows = 0;   // ended by retention
  uint64_t retired_segments = 0;
  uint64_t purged_rows = 0;  // removed for deletes
  uint64_t failures = 0;
};

// Thread-safe.
class Compactor {
 public:
  Compactor(CompactorOptions options, CompactorEnvironment environment)
      : options_(options), environment_(std::move(environment)) {}
  ~Compactor() { Stop(); }

  void Start();
  // A step under way is given up. Idempotent.
  void Stop();

  // From the next round on. May be null: nothing ends by age.
  void SetRetention(std::shared_ptr<const RetentionRules> rules);

  // A round in the background, soon.
  void Wake();

  // One round, and what becomes due by it. everything: as if all days were closed. Waits for a round that
  // runs.
  absl::Status Run(bool everything);

  // Removes the rows that a delete names from all segments, and answers how many went, over all tries since
  // the name was first used. The caller has seen to it that they are in segments. Fails when a segment cannot
  // be read: then some of the rows may still be there.
  absl::StatusOr<uint64_t> Purge(const std::string& tenant, const std::string& name,
                                 const ActiveDelete& what);

  CompactionStats Stats() const;

 private:
  class RetentionSieve;
  class PurgeSieve;

  void RunInBackground();
  absl::StatusOr<std::vector<MergeInput>> Load(const std::vector<SegmentInfo>& infos);
  // Merges, commits, deletes the inputs.
  absl::StatusOr<MergeResult> Rewrite(const std::vector<SegmentInfo>& infos, MergeOptions options,
                                      bool keep_empty, const std::string& purge);
  // loses_lines: not all of the removed segments' lines are in what the commit adds.
  absl::Status Commit(const SegmentCommit& commit, const std::vector<SegmentInfo>& removed, bool loses_lines);
  absl::Status Drop(const SegmentInfo& info, const SegmentFooter& footer);
  absl::Status DeleteOrphans();
  absl::Status RetireByAge();
  absl::Status RetireBySize();
  absl::Status MergeDue(bool everything);
  bool IsClosed(const SegmentClass& which, int64_t now_ns) const;
  void WatchClasses(const std::vector<SegmentInfo>& segments, int64_t now_ns);
  bool HasRoomFor(uint64_t bytes) const;

  const CompactorOptions options_;
  const CompactorEnvironment environment_;
  std::atomic<bool> stop_{false};

  std::mutex run_mu_;  // one round or purge at a time; guards what follows
  struct Watched {
    uint64_t newest = 0;  // id of a flushed segment
    int64_t since_ns = 0;
  };
  std::map<SegmentClass, Watched> watched_;
  std::set<SegmentId> unreadable_;               // told once, and left alone
  std::vector<SegmentId> orphans_;               // written, but whether the index knows them is not sure
  std::map<SegmentId, int64_t> next_expiry_ns_;  // when a first slice of it ends
  std::map<std::string, Day> forgotten_;         // days before it, by tenant

  mutable std::mutex mu_;
  std::condition_variable wake_;
  std::shared_ptr<const RetentionRules> retention_;  // guarded by mu_
  bool retention_changed_ = false;                   // guarded by mu_
  bool woken_ = false;                               // guarded by mu_
  CompactionStats stats_;                            // guarded by mu_

  std::thread thread_;
};

}  // namespace skald
