// The store of one machine: write-ahead log, heads, segments and label index under one directory, and
// LogSource over them. storage/FORMAT.md describes the files; docs/design.md the way of a batch.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/types.h"
#include "proto/rows.h"
#include "storage/log_source.h"
#include "storage/store_observer.h"

namespace skald {

struct ActiveDelete;   // storage/deletes/delete_view.h
class Clock;           // base/clock.h
class MemoryBudget;    // base/memory_budget.h
class RetentionRules;  // storage/deletes/retention.h
struct FreshRows;      // storage/shard.h

enum class WalSync { kAlways, kInterval, kOff };

// Validated by Store::Open. Defaults are those of the server.
struct StoreOptions {
  std::string directory;
  WalSync wal_sync = WalSync::kAlways;
  int64_t wal_sync_interval_ms = 100;  // for kInterval
  int shards = 0;                      // writer threads; 0 = one per core, fixed when the directory is made
  uint64_t block_text_bytes = 256 << 10;  // a stream's lines are cut into blocks of about this many bytes
  uint64_t head_memory_bytes = uint64_t{96}
                               << 20;  // over all shards; a shard is flushed to a segment beyond its part
  int64_t head_max_age_ms = 30 * 60 * 1000;  // lines stay in memory and log no longer than this
  uint64_t wal_file_bytes = uint64_t{64} << 20;
  // Compaction and retention look for work this often; 0 = only when Compact is called.
  int64_t compact_interval_ms = 0;
  // A day that has ended is compacted when nothing of it was written for so long.
  int64_t compact_quiet_ms = 10 * 60 * 1000;
  uint64_t compact_block_text_bytes = 512 << 10;
  // The oldest segments go when less than this part of the disk is free (0 = never for that) ...
  double min_free_disk = 0;
  // ... and when segments have more bytes than this (0 = any number).
  uint64_t max_disk_bytes = 0;
  // Appends are refused while less than this part of the disk is free (256 MiB at most), so that there is
  // room for flushes, the index and compaction, which make room again. 0 = until a write fails.
  double reserved_disk = 0;
  // What lines in memory and on their way are taken from. Outlives the store; null = no ceiling but
  // head_memory_bytes.
  MemoryBudget* memory = nullptr;
  // For how old lines are. Outlives the store; null = the machine's own.
  const Clock* clock = nullptr;
  // Told of all rows as they become visible, on the writers' threads; must not block. May be null.
  std::function<void(const FreshRows&)> fresh_rows;
  // Called before lines leave the log, where the next start would tell fresh_rows of them, for a segment;
  // applied: all batches up to it were told. Where it fails they stay. May be null.
  std::function<absl::Status(Lsn applied)> flushing;
  // Told before stored lines in this time, both inclusive, go; they stay where it fails. May be null.
  std::function<absl::Status(int64_t min_ns, int64_t max_ns)> lines_going;
  // Told when they are gone, or lines_going or the removal failed: by retention, for room on the disk, or
  // removed for a delete. Must not block. May be null.
  std::function<void(int64_t min_ns, int64_t max_ns)> lines_removed;
  // Outlives the store; may be null.
  StoreObserver* observer = nullptr;
};

// One stream's part of a batch.
struct StreamRows {
  Labels labels;  // already validated, service_name included
  std::shared_ptr<const Rows>
      rows;             // not empty; invariants of proto/rows.h; the store keeps it without copying
  std::string encoded;  // rows as EncodeRows gives them, if the sender had them so; "" and the store encodes
};

struct AppendBatch {
  std::string tenant;
  std::string agent_id;  // "" = no sequence: not recognised when resent
  BatchSeq sequence{0};
  std::vector<StreamRows> streams;
};

struct StoreStats {
  uint64_t streams = 0;     // with lines in memory
  uint64_t head_bytes = 0;  // memory of heads and of what is being flushed
  uint64_t head_rows = 0;
  uint64_t segments = 0;
  uint64_t segment_bytes = 0;
  uint64_t wal_bytes = 0;
  uint64_t wal_files = 0;
  uint64_t appended_rows = 0;      // since the start
  uint64_t duplicate_rows = 0;     // dropped as exact repetitions
  uint64_t duplicate_batches = 0;  // recognised as resent
  uint64_t wal_syncs = 0;
  uint64_t replayed_rows = 0;       // by the last Open
  uint64_t torn_wal_bytes = 0;      // cut off by the last Open
  uint64_t damaged_log_bytes = 0;   // passed over by the last Open
  uint64_t lost_segment_bytes = 0;  // of damaged segments that the last Open saved the rest of
  uint64_t damaged_blocks = 0;      // met by reads since the start
  uint64_t flush_failures = 0;
  uint64_t flushing = 0;               // shards that are writing their heads to segments
  uint64_t compactions = 0;            // segments written in place of others, since the start
  uint64_t compaction_read_bytes = 0;  // of the segments that were replaced
  uint64_t compaction_written_bytes = 0;
  uint64_t compaction_failures = 0;
  uint64_t retired_rows = 0;  // ended by retention
  uint64_t purged_rows = 0;   // removed for deletes
};

// A segment, for those who must tell after a crash which times may have got lines since.
struct StoredTimes {
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  Lsn covered{0};  // no batch above it is in there; the greatest number where the file is missing
};

// Thread-safe. Open takes an exclusive lock on the directory, which the destructor gives back.
class Store : public LogSource {
 public:
  // Makes the directory if it is missing. Replays the log, adopts segments the index does not know, cuts a
  // torn log tail and goes on; a missing or damaged index is rebuilt from the segments. Errors: the directory
  // cannot be made or written (PermissionDenied, ResourceExhausted), another process has it
  // (FailedPrecondition), a version this build does not know.
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);

  // Append waits while too much is on its way (limits.h), for some seconds at most. Batches of one agent come
  // in the order of their sequence, one call after the other: when one fails, later ones fail with
  // Unavailable until it has come again, so that what is durable never has a hole. A batch without streams
  // records its sequence.
  //
  // Called once, on a thread of the store's, and must not block: OK when the batch is on disk (by wal_sync)
  // and visible to readers, or was recognised as resent. Any error means that nothing of it was stored.
  // ResourceExhausted: disk full, Unavailable: no room, try later; InvalidArgument: it never will be (no
  // tenant, larger than a log record).
  using Done = std::function<void(absl::Status)>;
  virtual void Append(AppendBatch batch, Done done) = 0;
  absl::Status AppendAndWait(AppendBatch batch);

  // Highest durable sequence of an agent, 0 if none.
  virtual BatchSeq LastSequence(std::string_view tenant, std::string_view agent_id) const = 0;

  // Writes all heads to segments and waits. Used by POST /flush, tests and benchmarks.
  virtual absl::Status Flush() = 0;

  // Streams with lines in memory, for the stream limit of a tenant.
  virtual uint64_t ActiveStreams(std::string_view tenant) const = 0;
  // Whether the tenant has an active stream with these labels.
  virtual bool HasActiveStream(std::string_view tenant, const Labels& labels) const = 0;

  // Merges and re-encodes all segments as if their days were over, and does what retention wants. For tests,
  // benchmarks and POST /compact; otherwise this happens in the background.
  virtual absl::Status Compact() = 0;

  // From now on. May be null: lines are kept for ever.
  virtual void SetRetention(std::shared_ptr<const RetentionRules> rules) = 0;

  // Removes the rows that a delete names, from memory, log and segments, and answers how many went. name: of
  // the delete, unique within the tenant; a second try with the same name, also after a crash, goes on with
  // the count of the first. Rows that come meanwhile may be missed. On errors some may still be there.
  virtual absl::StatusOr<uint64_t> Purge(const std::string& tenant, const std::string& name,
                                         const ActiveDelete& what) = 0;

  // Ends what Compact and Purge do, which answer Cancelled then, and the background's rounds. Before the
  // store goes, so that nobody waits for a long one.
  virtual void StopMaintenance() = 0;

  // All batches up to it are visible, and told to fresh_rows.
  virtual Lsn AppliedLsn() const = 0;
  // No batch that is visible is above it. After an Open that lost nothing it is not below what it was before.
  virtual Lsn LastLsn() const = 0;
  virtual absl::StatusOr<std::vector<StoredTimes>> SegmentTimes() const = 0;

  virtual StoreStats Stats() const = 0;
};

}  // namespace skald
