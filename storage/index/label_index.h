// The label index: streams by their labels, and each stream's stored blocks by time. A RocksDB database;
// storage/FORMAT.md lists its keys as mappings. Labels only: no word of a line is in it.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <roaring/roaring.hh>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"
#include "storage/block/block_entry.h"

namespace rocksdb {
class DB;
class Snapshot;
}  // namespace rocksdb

namespace skald {

// Days since 1970-01-01 UTC, rounded down.
using Day = int32_t;
Day DayOf(int64_t time_ns);
// [first, last] that a range touches; first > last for an empty range.
std::pair<Day, Day> DaysOf(TimeRange range);

struct SegmentInfo {
  SegmentId id{0};
  uint64_t bytes = 0;
  uint32_t blocks = 0;
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  uint32_t shard = 0;
  Lsn covered{0};
  uint32_t level = 0;  // 0: written by a flush, 1: by compaction
};

// A stream that has lines of a day the index does not know yet.
struct Registration {
  StreamId id;
  Day day;
  std::string_view tenant;
  const Labels* labels;
};

// One stream's blocks in one segment.
struct StreamBlocks {
  StreamId stream{0};
  SegmentId segment{0};
  std::vector<BlockEntry> entries;
};

// What one flush, the adoption of segments or a compaction changes at once.
struct SegmentCommit {
  std::vector<SegmentInfo> segments;
  std::vector<StreamBlocks> streams;
  uint32_t shard = 0;
  Lsn flushed{0};                   // 0 = leave the shard's as it is
  std::vector<SegmentId> replaced;  // segments that vanish in the same step ...
  std::vector<StreamBlocks>
      replaced_streams;      // ... and their entries; of these only streams and times matter
  std::string purge;         // not empty: rows were removed for the delete of this name ...
  uint64_t purged_rows = 0;  // ... which are added to its count
};

// Thread-safe.
class LabelIndex {
 public:
  // Creates it where there is none. FailedPrecondition for an unknown version or when another process
  // has it, PermissionDenied, ResourceExhausted (disk full, too many open files); anything else means that it
  // is damaged.
  static absl::StatusOr<std::unique_ptr<LabelIndex>> Open(const std::string& directory);
  ~LabelIndex();

  // A durable mark that the index does not know all segments yet; a new one has it.
  absl::StatusOr<bool> Rebuilding() const;
  absl::Status SetRebuilding(bool on);

  // Reads all of its files, if they have no more than max_bytes; DataLoss names one that is damaged.
  absl::Status VerifyChecksums(uint64_t max_bytes) const;
  // All block entries, in no order that matters.
  absl::Status VisitBlocks(const std::function<void(StreamId, SegmentId, const BlockEntry&)>& visit) const;

  // --- writing ---
  // The stream's id, given out if it is new. Not durable by itself: replay of the log asks again, a commit
  // carries it along.
  absl::StatusOr<StreamId> GetOrCreate(std::string_view tenant, const Labels& labels);
  absl::Status Register(const std::vector<Registration>& registrations);
  // All or nothing, durable when it returns.
  absl::Status Commit(const SegmentCommit& commit);
  // Tries to bring RocksDB back to writing after an error such as a full disk.
  void Recover();

  // --- reading ---
  // Ids of the tenant's streams that all matchers accept and that were registered for a day of range.
  absl::StatusOr<Roaring> Match(std::string_view tenant, const std::vector<Matcher>& matchers,
                                TimeRange range) const;
  // NotFound for an id that was never given out.
  absl::StatusOr<std::shared_ptr<const Labels>> LabelsOf(StreamId id) const;
  // Sorted, distinct; over all streams of the range's days.
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant, TimeRange range) const;
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       TimeRange range) const;
  // Values of name that some stream of `among` has.
  absl::StatusOr<std::vector<std::string>> LabelValuesAmong(std::string_view tenant, std::string_view name,
                                                            const Roaring& among, TimeRange range) const;

  // Calls visit for the stored blocks of each stream of ids that reach into range, as they were at one
  // moment, stream by stream in ascending order of ids.
  absl::Status Blocks(const Roaring& ids, TimeRange range,
                      const std::function<void(StreamId, SegmentId, const BlockEntry&)>& visit) const;

  absl::StatusOr<std::vector<SegmentInfo>> Segments() const;
  absl::StatusOr<std::optional<SegmentInfo>> Segment(SegmentId id) const;
  absl::StatusOr<Lsn> Flushed(uint32_t shard) const;  // 0 if never
  // Rows that commits counted for the delete of this name; 0 if none.
  absl::StatusOr<uint64_t> PurgedRows(std::string_view purge) const;
  // Forgets which streams had lines on the tenant's days before `day`; streams without lines are found no
  // more.
  absl::Status ForgetDaysBefore(std::string_view tenant, Day day);

 private:
  explicit LabelIndex(std::unique_ptr<rocksdb::DB> db);

  absl::StatusOr<Roaring> Bitmap(const std::string& key) const;
  // Those of ids that may have stored blocks in range, as of the snapshot.
  absl::StatusOr<Roaring> StoredAmong(const Roaring& ids, TimeRange range,
                                      const rocksdb::Snapshot* snapshot) const;
  absl::StatusOr<Roaring> MatchDay(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   Day day) const;
  // visit(key without prefix, value) until it answers false.
  absl::Status Scan(
      const std::string& prefix,
      const std::function<absl::StatusOr<bool>(std::string_view, std::string_view)>& visit) const;
  absl::StatusOr<std::vector<Day>> DaysWithData(std::string_view tenant, TimeRange range) const;

  const std::unique_ptr<rocksdb::DB> db_;

  std::mutex create_mu_;
  uint32_t next_id_ = 1;  // guarded by create_mu_

  mutable std::mutex cache_mu_;
  // guarded by cache_mu_; emptied when it holds kMaxCachedStreams
  mutable absl::flat_hash_map<uint32_t, std::shared_ptr<const Labels>> labels_;
};

}  // namespace skald
