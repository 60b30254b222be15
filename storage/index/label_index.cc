#include "storage/index/label_index.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/status_macros.h"
#include "storage/index/index_key.h"
#include "storage/limits.h"

namespace skald {

namespace key = index_key;

namespace {

constexpr int64_t kNsPerDay = 24 * 60 * 60 * kNsPerSecond;
constexpr uint32_t kIndexVersion = 1;

std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsNotFound()) return NotFound("index: {}: {}", what, text);
  if (status.IsCorruption()) return DataLoss("index: {}: {}", what, text);
  if (status.IsNoSpace()) return ResourceExhausted("index: {}: {}", what, text);
  if (text.find("Too many open files") != std::string::npos)
    return ResourceExhausted("index: {}: {}", what, text);
  if (text.find("Permission denied") != std::string::npos ||
      text.find("Read-only file system") != std::string::npos) {
    return PermissionDenied("index: {}: {}", what, text);
  }
  if (text.find("lock ") != std::string::npos) return FailedPrecondition("index: {}: {}", what, text);
  return Unavailable("index: {}: {}", what, text);
}

// Union of sets of stream ids (index_key.h), so that registering a stream needs no read.
class UnionOperator final : public rocksdb::MergeOperator {
 public:
  const char* Name() const override { return "skald.StreamIdUnion.v1"; }

  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    Roaring ids;
    if (in.existing_value != nullptr && !key::DecodeIds(ToView(*in.existing_value), &ids)) return false;
    for (const rocksdb::Slice& operand : in.operand_list) {
      if (!key::DecodeIds(ToView(operand), &ids)) return false;
    }
    ids.runOptimize();
    out->new_value = key::EncodeIds(ids);
    return true;
  }

  bool PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands,
                         std::string* new_value, rocksdb::Logger*) const override {
    Roaring ids;
    for (const rocksdb::Slice& operand : operands) {
      if (!key::DecodeIds(ToView(operand), &ids)) return false;
    }
    *new_value = key::EncodeIds(ids);
    return true;
  }
};

// The index is small beside the logs and must stay small in memory too.
rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.allow_fallocate = false;  // its log and manifest would take 13 MB of disk before they hold anything
  options.merge_operator = std::make_shared<UnionOperator>();
  options.max_successive_merges = 64;
  options.write_buffer_size = 8 << 20;
  options.max_write_buffer_number = 3;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_open_files = 128;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_manifest_file_size = 4 << 20;
  // A torn tail of its own log is cut, like ours: what was synced is before it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocksdb::BlockBasedTableOptions table;
  // Few shards: what is as large as one of them is never held.
  table.block_cache = rocksdb::NewLRUCache(24 << 20, /*num_shard_bits=*/2);
  table.cache_index_and_filter_blocks = true;
  // In pieces: a million streams have a filter of megabytes, which each new stream would read whole.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 4096;
  table.pin_top_level_index_and_filter = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

Day DayOf(int64_t time_ns) {
  const int64_t day = time_ns / kNsPerDay - (time_ns % kNsPerDay < 0 ? 1 : 0);
  return static_cast<Day>(day);  // all of int64_t nanoseconds is within +-106752 days
}

std::pair<Day, Day> DaysOf(TimeRange range) {
  if (range.begin_ns >= range.end_ns) return {0, -1};
  return {DayOf(range.begin_ns), DayOf(range.end_ns - 1)};
}

LabelIndex::LabelIndex(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}

LabelIndex::~LabelIndex() { (void)db_->Close(); }

absl::StatusOr<std::unique_ptr<LabelIndex>> LabelIndex::Open(const std::string& directory) {
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(MakeOptions(), directory, &raw);
  if (!opened.ok()) return FromRocks(opened, directory);
  std::unique_ptr<LabelIndex> index(new LabelIndex(std::unique_ptr<rocksdb::DB>(raw)));

  std::string version;
  const rocksdb::Status got = index->db_->Get({}, key::Meta(), &version);
  if (got.IsNotFound()) {
    // New, or what is left of one that lost everything: either way nothing else may be in it.
    std::unique_ptr<rocksdb::Iterator> it(index->db_->NewIterator({}));
    it->SeekToFirst();
    if (it->Valid() || !it->status().ok()) return DataLoss("index {}: has keys but no version", directory);
    PutFixed<uint32_t>(&version, kIndexVersion);
    rocksdb::WriteOptions sync;
    sync.sync = true;
    rocksdb::WriteBatch batch;
    (void)batch.Put(key::Meta(), version);
    (void)batch.Put(key::Rebuilding(), "");
    RETURN_IF_ERROR(FromRocks(index->db_->Write(sync, &batch), directory));
  } else if (!got.ok()) {
    return FromRocks(got, directory);
  }
  ByteReader reader(version);
  if (const auto found = reader.Fixed<uint32_t>(); found != kIndexVersion) {
    return FailedPrecondition("index {}: version {} is not known to this build, which writes {}", directory,
                              found, kIndexVersion);
  }

  std::unique_ptr<rocksdb::Iterator> last(index->db_->NewIterator({}));
  last->SeekForPrev(key::LabelsByStream(0xffffffffu));
  if (last->Valid() && last->key().size() == 5 && last->key()[0] == key::kLabelsByStream) {
    index->next_id_ = key::GetBigEndian32(ToView(last->key()).substr(1)) + 1;
  }
  RETURN_IF_ERROR(FromRocks(last->status(), directory));
  return index;
}

absl::StatusOr<bool> LabelIndex::Rebuilding() const {
  std::string value;
  const rocksdb::Status got = db_->Get({}, key::Rebuilding(), &value);
  if (got.IsNotFound()) return false;
  RETURN_IF_ERROR(FromRocks(got, "read mark"));
  return true;
}

absl::Status LabelIndex::SetRebuilding(bool on) {
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return FromRocks(on ? db_->Put(sync, key::Rebuilding(), "") : db_->Delete(sync, key::Rebuilding()),
                   "set mark");
}

absl::StatusOr<StreamId> LabelIndex::GetOrCreate(std::string_view tenant, const Labels& labels) {
  const std::string text = labels.ToString();
  const std::string by_labels = key::StreamByLabels(tenant, text);
  std::lock_guard lock(create_mu_);
  std::string value;
  const rocksdb::Status got = db_->Get({}, by_labels, &value);
  if (got.ok()) {
    ByteReader reader(value);
    const auto id = reader.Fixed<uint32_t>();
    if (!reader.ok()) return DataLoss("index: stream id of {} is malformed", text);
    return StreamId{id};
  }
  if (!got.IsNotFound()) return FromRocks(got, "look up stream");
  RETURN_IF_ERROR(Failpoint("index.create"));
  const uint32_t id = next_id_;
  rocksdb::WriteBatch batch;
  value.clear();
  PutFixed<uint32_t>(&value, id);
  (void)batch.Put(by_labels, value);
  std::string labels_value;
  PutText(&labels_value, tenant);
  labels_value += text;
  (void)batch.Put(key::LabelsByStream(id), labels_value);
  RETURN_IF_ERROR(FromRocks(db_->Write({}, &batch), "create stream"));
  ++next_id_;
  return StreamId{id};
}

absl::Status LabelIndex::Register(const std::vector<Registration>& registrations) {
  if (registrations.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Failpoint("index.register"));
  // One operand a key: many new streams at once share most of their label pairs.
  absl::flat_hash_map<std::string, std::vector<uint32_t>> ids;
  for (const Registration& r : registrations) {
    ids[key::TenantDay(key::kStreamsOfDay, r.tenant, r.day)].push_back(Raw(r.id));
    for (const auto& [name, value] : *r.labels)
      ids[key::Postings(r.tenant, r.day, name, value)].push_back(Raw(r.id));
  }
  rocksdb::WriteBatch batch;
  for (const auto& [at, list] : ids) (void)batch.Merge(at, key::EncodeIds(list.data(), list.size()));
  return FromRocks(db_->Write({}, &batch), "register streams");
}

absl::Status LabelIndex::Commit(const SegmentCommit& commit) {
  RETURN_IF_ERROR(Failpoint("index.commit"));
  rocksdb::WriteBatch batch;
  std::map<SegmentId, Roaring> streams_of;
  for (const SegmentInfo& info : commit.segments) {
    (void)batch.Put(key::Segment(info.id), key::EncodeSegmentInfo(info));
    streams_of.try_emplace(info.id);
  }
  for (const StreamBlocks& stream : commit.streams) {
    streams_of[stream.segment].add(Raw(stream.stream));
    // All entries of a day stand in one value; mostly they are of one day.
    std::map<uint32_t, std::string> values;
    for (const BlockEntry& entry : stream.entries)
      EncodeBlockEntry(entry, &values[key::DayKeyOf(entry.slice)]);
    for (const auto& [day_key, entries] : values) {
      (void)batch.Put(key::Blocks(Raw(stream.stream), day_key, stream.segment), entries);
    }
  }
  for (auto& [segment, ids] : streams_of) {
    ids.runOptimize();
    (void)batch.Put(key::StreamsOfSegment(segment), key::EncodeIds(ids));
  }
  for (const SegmentId id : commit.replaced) {
    (void)batch.Delete(key::Segment(id));
    (void)batch.Delete(key::StreamsOfSegment(id));
  }
  for (const StreamBlocks& stream : commit.replaced_streams) {
    for (const BlockEntry& entry : stream.entries) {
      (void)batch.Delete(key::Blocks(Raw(stream.stream), key::DayKeyOf(entry.slice), stream.segment));
    }
  }
  if (commit.flushed != Lsn{0}) {
    std::string value;
    PutFixed<uint64_t>(&value, Raw(commit.flushed));
    (void)batch.Put(key::Flushed(commit.shard), value);
  }
  if (!commit.purge.empty()) {
    // Who commits a purge is alone in doing so.
    ASSIGN_OR_RETURN(const uint64_t before, PurgedRows(commit.purge));
    std::string value;
    PutFixed<uint64_t>(&value, before + commit.purged_rows);
    (void)batch.Put(key::Purged(commit.purge), value);
  }
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return FromRocks(db_->Write(sync, &batch), "commit segments");
}

absl::StatusOr<uint64_t> LabelIndex::PurgedRows(std::string_view purge) const {
  std::string value;
  const rocksdb::Status got = db_->Get({}, key::Purged(purge), &value);
  if (got.IsNotFound()) return 0;
  RETURN_IF_ERROR(FromRocks(got, "read purged rows"));
  return ByteReader(value).Fixed<uint64_t>();
}

absl::Status LabelIndex::VerifyChecksums(uint64_t max_bytes) const {
  uint64_t bytes = 0;
  if (!db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes) || bytes > max_bytes)
    return absl::OkStatus();
  return FromRocks(db_->VerifyChecksum(), "verify");
}

absl::Status LabelIndex::VisitBlocks(
    const std::function<void(StreamId, SegmentId, const BlockEntry&)>& visit) const {
  return Scan(
      std::string(1, key::kBlocks), [&](std::string_view at, std::string_view value) -> absl::StatusOr<bool> {
        if (at.size() != 16) return DataLoss("index: a key of blocks has {} bytes", at.size() + 1);
        ByteReader in(value);
        BlockEntry entry;
        while (in.remaining() > 0) {
          RETURN_IF_ERROR(DecodeBlockEntry(&in, &entry));
          visit(StreamId{key::GetBigEndian32(at)}, SegmentId{key::GetBigEndian64(at.substr(8))}, entry);
        }
        return true;
      });
}

absl::Status LabelIndex::ForgetDaysBefore(std::string_view tenant, Day day) {
  rocksdb::WriteBatch batch;
  for (const char family : {key::kPostings, key::kStreamsOfDay}) {
    std::string first(1, family);
    PutText(&first, tenant);
    (void)batch.DeleteRange(first, key::TenantDay(family, tenant, day));
  }
  return FromRocks(db_->Write({}, &batch), "forget days");
}

void LabelIndex::Recover() { (void)db_->Resume(); }

absl::Status LabelIndex::Scan(
    const std::string& prefix,
    const std::function<absl::StatusOr<bool>(std::string_view, std::string_view)>& visit) const {
  const std::string end = key::PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  if (!end.empty()) options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    const std::string_view found = ToView(it->key());
    ASSIGN_OR_RETURN(const bool more, visit(found.substr(prefix.size()), ToView(it->value())));
    if (!more) break;
  }
  return FromRocks(it->status(), "scan");
}

absl::StatusOr<Roaring> LabelIndex::Bitmap(const std::string& at) const {
  Roaring ids;
  rocksdb::PinnableSlice value;
  const rocksdb::Status got = db_->Get({}, db_->DefaultColumnFamily(), at, &value);
  if (got.IsNotFound()) return ids;
  RETURN_IF_ERROR(FromRocks(got, "read postings"));
  if (!key::DecodeIds(ToView(value), &ids)) return DataLoss("index: postings are malformed");
  return ids;
}

absl::StatusOr<std::vector<Day>> LabelIndex::DaysWithData(std::string_view tenant, TimeRange range) const {
  const auto [first, last] = DaysOf(range);
  std::vector<Day> days;
  if (first > last) return days;
  std::string prefix(1, key::kStreamsOfDay);
  PutText(&prefix, tenant);
  std::string begin = prefix;
  key::PutBigEndian32(&begin, key::DayKey(first));
  const std::string end = key::PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(begin); it->Valid() && it->key().size() == begin.size(); it->Next()) {
    const Day day = key::DayFromKey(key::GetBigEndian32(ToView(it->key()).substr(prefix.size())));
    if (day > last) break;
    days.push_back(day);
  }
  RETURN_IF_ERROR(FromRocks(it->status(), "list days"));
  return days;
}

absl::StatusOr<Roaring> LabelIndex::MatchDay(std::string_view tenant, const std::vector<Matcher>& matchers,
                                             Day day) const {
  Roaring out;
  bool started = false;
  const auto intersect = [&](Roaring&& ids) {
    if (started) {
      out &= ids;
    } else {
      out = std::move(ids);
    }
    started = true;
  };
  // Those that need a label to be there narrow things down; equality is one read.
  for (const Matcher& matcher : matchers) {
    if (matcher.op() != MatchOp::kEqual || matcher.MatchesEmpty()) continue;
    ASSIGN_OR_RETURN(Roaring ids, Bitmap(key::Postings(tenant, day, matcher.name(), matcher.value())));
    intersect(std::move(ids));
    if (out.isEmpty()) return out;
  }
  for (const Matcher& matcher : matchers) {
    if (matcher.op() == MatchOp::kEqual || matcher.MatchesEmpty()) continue;
    Roaring ids;
    RETURN_IF_ERROR(Scan(key::PostingsOfName(tenant, day, matcher.name()),
                         [&](std::string_view value, std::string_view bytes) -> absl::StatusOr<bool> {
                           if (matcher.Matches(value) && !key::DecodeIds(bytes, &ids)) {
                             return DataLoss("index: postings of {} are malformed", matcher.name());
                           }
                           return true;
                         }));
    intersect(std::move(ids));
    if (out.isEmpty()) return out;
  }
  if (!started) {
    ASSIGN_OR_RETURN(out, Bitmap(key::TenantDay(key::kStreamsOfDay, tenant, day)));
  }
  // Those that take streams without the label too: all but the ones with a value they refuse.
  for (const Matcher& matcher : matchers) {
    if (!matcher.MatchesEmpty()) continue;
    if (matcher.op() == MatchOp::kNotEqual) {
      ASSIGN_OR_RETURN(const Roaring ids,
                       Bitmap(key::Postings(tenant, day, matcher.name(), matcher.value())));
      out -= ids;
      continue;
    }
    Roaring refused;
    RETURN_IF_ERROR(Scan(key::PostingsOfName(tenant, day, matcher.name()),
                         [&](std::string_view value, std::string_view bytes) -> absl::StatusOr<bool> {
                           if (!matcher.Matches(value) && !key::DecodeIds(bytes, &refused)) {
                             return DataLoss("index: postings of {} are malformed", matcher.name());
                           }
                           return true;
                         }));
    out -= refused;
  }
  return out;
}

absl::StatusOr<Roaring> LabelIndex::Match(std::string_view tenant, const std::vector<Matcher>& matchers,
                                          TimeRange range) const {
  ASSIGN_OR_RETURN(const std::vector<Day> days, DaysWithData(tenant, range));
  Roaring out;
  for (const Day day : days) {
    ASSIGN_OR_RETURN(const Roaring ids, MatchDay(tenant, matchers, day));
    out |= ids;
  }
  return out;
}

absl::StatusOr<std::shared_ptr<const Labels>> LabelIndex::LabelsOf(StreamId id) const {
  {
    std::lock_guard lock(cache_mu_);
    if (auto it = labels_.find(Raw(id)); it != labels_.end()) return it->second;
  }
  std::string value;
  const rocksdb::Status got = db_->Get({}, key::LabelsByStream(Raw(id)), &value);
  if (!got.ok()) return FromRocks(got, fmt::format("labels of stream {}", Raw(id)));
  ByteReader reader(value);
  (void)reader.Text();  // tenant
  ASSIGN_OR_RETURN(Labels labels, ParseLabels(reader.Bytes(reader.remaining())));
  auto shared = std::make_shared<const Labels>(std::move(labels));
  std::lock_guard lock(cache_mu_);
  if (labels_.size() >= kMaxCachedStreams) labels_.clear();
  labels_.emplace(Raw(id), shared);
  return shared;
}

absl::StatusOr<std::vector<std::string>> LabelIndex::LabelNames(std::string_view tenant,
                                                                TimeRange range) const {
  ASSIGN_OR_RETURN(const std::vector<Day> days, DaysWithData(tenant, range));
  std::vector<std::string> names;
  for (const Day day : days) {
    const std::string prefix = key::TenantDay(key::kPostings, tenant, day);
    const std::string end = key::PrefixEnd(prefix);
    const rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    it->Seek(prefix);
    while (it->Valid()) {
      const std::string_view rest = ToView(it->key()).substr(prefix.size());
      const std::string name(rest.substr(0, rest.find('\0')));
      names.push_back(name);
      it->Seek(key::PrefixEnd(prefix + name + '\0'));  // past all its values
    }
    RETURN_IF_ERROR(FromRocks(it->status(), "list label names"));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> LabelIndex::LabelValues(std::string_view tenant,
                                                                 std::string_view name,
                                                                 TimeRange range) const {
  ASSIGN_OR_RETURN(const std::vector<Day> days, DaysWithData(tenant, range));
  std::vector<std::string> values;
  for (const Day day : days) {
    RETURN_IF_ERROR(Scan(key::PostingsOfName(tenant, day, name),
                         [&](std::string_view value, std::string_view) -> absl::StatusOr<bool> {
                           values.emplace_back(value);
                           return true;
                         }));
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }
  return values;
}

absl::StatusOr<std::vector<std::string>> LabelIndex::LabelValuesAmong(std::string_view tenant,
                                                                      std::string_view name,
                                                                      const Roaring& among,
                                                                      TimeRange range) const {
  ASSIGN_OR_RETURN(const std::vector<Day> days, DaysWithData(tenant, range));
  std::vector<std::string> values;
  for (const Day day : days) {
    RETURN_IF_ERROR(Scan(key::PostingsOfName(tenant, day, name),
                         [&](std::string_view value, std::string_view bytes) -> absl::StatusOr<bool> {
                           Roaring ids;
                           if (!key::DecodeIds(bytes, &ids))
                             return DataLoss("index: postings of {} are malformed", name);
                           if (ids.intersect(among)) values.emplace_back(value);
                           return true;
                         }));
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

absl::StatusOr<Roaring> LabelIndex::StoredAmong(const Roaring& ids, TimeRange range,
                                                const rocksdb::Snapshot* snapshot) const {
  // Segments are looked through one by one; so many streams are worth it.
  constexpr uint64_t kManyStreams = 512;
  if (ids.cardinality() < kManyStreams) return ids;
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  const std::string prefix(1, key::kSegment);
  const std::string end = key::PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  options.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  Roaring there;
  std::string bytes;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    const std::string_view rest = ToView(it->key()).substr(prefix.size());
    SegmentInfo info;
    if (rest.size() != 8 || !key::DecodeSegmentInfo(ToView(it->value()), &info))
      return DataLoss("index: segment info is malformed");
    if (!range.Overlaps(info.min_ns, info.max_ns)) continue;
    const SegmentId id{key::GetBigEndian64(rest)};
    const rocksdb::Status got = db_->Get(options, key::StreamsOfSegment(id), &bytes);
    if (got.IsNotFound()) return ids;  // of before there were these
    RETURN_IF_ERROR(FromRocks(got, "read streams of segment"));
    if (!key::DecodeIds(bytes, &there))
      return DataLoss("index: streams of segment {} are malformed", Raw(id));
  }
  RETURN_IF_ERROR(FromRocks(it->status(), "read segments"));
  return ids & there;
}

absl::Status LabelIndex::Blocks(
    const Roaring& asked, TimeRange range,
    const std::function<void(StreamId, SegmentId, const BlockEntry&)>& visit) const {
  const auto [first, last] = DaysOf(range);
  if (first > last) return absl::OkStatus();
  // As of one moment: a flush or compaction that commits meanwhile is seen wholly or not at all.
  rocksdb::ManagedSnapshot snapshot(db_.get());
  ASSIGN_OR_RETURN(const Roaring ids, StoredAmong(asked, range, snapshot.snapshot()));
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  // To the first key at or after target; targets ascend. Most streams have few blocks, so that what comes
  // next is but a few keys away, which costs less than a search.
  bool placed = false;
  const auto go_to = [&](const std::string& target) {
    constexpr int kFewKeys = 8;
    for (int i = 0; placed && i < kFewKeys; ++i, it->Next()) {
      if (!it->Valid() || ToView(it->key()) >= target) return;
    }
    it->Seek(target);
    placed = true;
  };
  BlockEntry entry;
  for (const uint32_t id : ids) {
    const std::string prefix = key::BlocksOfStream(id);
    const auto scan = [&](uint32_t from_day, uint32_t to_day) -> absl::Status {
      for (go_to(key::BlocksOfDay(id, from_day)); it->Valid(); it->Next()) {
        std::string_view rest = ToView(it->key());
        if (!rest.starts_with(prefix) || rest.size() != prefix.size() + 12) break;
        rest.remove_prefix(prefix.size());
        if (key::GetBigEndian32(rest) > to_day) break;
        const SegmentId segment{key::GetBigEndian64(rest.substr(4))};
        ByteReader reader(ToView(it->value()));
        while (reader.remaining() > 0) {
          if (const absl::Status decoded = DecodeBlockEntry(&reader, &entry); !decoded.ok())
            return Annotate(decoded, fmt::format("index: blocks of stream {}", id));
          if (range.Overlaps(entry.slice.min_ns, entry.slice.max_ns)) visit(StreamId{id}, segment, entry);
        }
      }
      return FromRocks(it->status(), "read blocks");
    };
    RETURN_IF_ERROR(scan(key::kManyDays, key::kManyDays));
    RETURN_IF_ERROR(scan(key::DayKey(first), key::DayKey(last)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SegmentInfo>> LabelIndex::Segments() const {
  std::vector<SegmentInfo> segments;
  RETURN_IF_ERROR(Scan(std::string(1, key::kSegment),
                       [&](std::string_view rest, std::string_view value) -> absl::StatusOr<bool> {
                         SegmentInfo info;
                         if (rest.size() != 8 || !key::DecodeSegmentInfo(value, &info)) {
                           return DataLoss("index: segment info is malformed");
                         }
                         info.id = SegmentId{key::GetBigEndian64(rest)};
                         segments.push_back(info);
                         return true;
                       }));
  return segments;
}

absl::StatusOr<std::optional<SegmentInfo>> LabelIndex::Segment(SegmentId id) const {
  std::string value;
  const rocksdb::Status got = db_->Get({}, key::Segment(id), &value);
  if (got.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(FromRocks(got, "read segment info"));
  SegmentInfo info;
  if (!key::DecodeSegmentInfo(value, &info))
    return DataLoss("index: info of segment {} is malformed", Raw(id));
  info.id = id;
  return info;
}

absl::StatusOr<Lsn> LabelIndex::Flushed(uint32_t shard) const {
  std::string value;
  const rocksdb::Status got = db_->Get({}, key::Flushed(shard), &value);
  if (got.IsNotFound()) return Lsn{0};
  RETURN_IF_ERROR(FromRocks(got, "read flushed LSN"));
  ByteReader reader(value);
  const auto lsn = reader.Fixed<uint64_t>();
  if (!reader.ok()) return DataLoss("index: flushed LSN of shard {} is malformed", shard);
  return Lsn{lsn};
}

}  // namespace skald
