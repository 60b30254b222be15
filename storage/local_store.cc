#include "storage/local_store.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "proto/rows_codec.h"
#include "storage/block/rows_merge.h"
#include "storage/filenames.h"
#include "storage/flush.h"
#include "storage/limits.h"
#include "storage/recovery.h"
#include "storage/segment/segment_group.h"
#include "storage/selection.h"

namespace skald {
namespace {

// A batch's body in the log (FORMAT.md): count of streams, then label text and encoded rows of each.
void PutStream(std::string* body, std::string_view label_text, std::string_view encoded) {
  PutText(body, label_text);
  PutText(body, encoded);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalStore>> LocalStore::Open(StoreOptions options) {
  if (options.block_text_bytes < 1024 || options.block_text_bytes > kMaxRowsText / 4) {
    return InvalidArgument("block_text_bytes is {}, allowed are 1024 to {}", options.block_text_bytes,
                           kMaxRowsText / 4);
  }
  if (options.shards < 0 || options.shards > 1024)
    return InvalidArgument("shards is {}, allowed are 0 to 1024", options.shards);
  if (options.wal_sync_interval_ms <= 0)
    return InvalidArgument("wal_sync_interval_ms is {}, must be above 0", options.wal_sync_interval_ms);
  if (options.head_max_age_ms <= 0)
    return InvalidArgument("head_max_age_ms is {}, must be above 0", options.head_max_age_ms);
  if (options.head_memory_bytes == 0) return InvalidArgument("head_memory_bytes must be above 0");
  if (options.wal_file_bytes == 0) return InvalidArgument("wal_file_bytes must be above 0");
  std::unique_ptr<LocalStore> store(new LocalStore(std::move(options)));
  RETURN_IF_ERROR(store->Start());
  return store;
}

absl::Status LocalStore::Start() {
  const std::string& directory = options_.directory;
  RETURN_IF_ERROR(PrepareDirectory(directory));
  ASSIGN_OR_RETURN(lock_, LockFile(LockFileName(directory)));
  ASSIGN_OR_RETURN(blobs_, OpenLocalBlobStore(SegmentDirectory(directory)));
  const auto cores = std::max(1u, std::thread::hardware_concurrency());
  ASSIGN_OR_RETURN(
      const StoreMeta meta,
      LoadMeta(directory, options_.shards > 0 ? static_cast<uint32_t>(options_.shards) : cores, *blobs_));
  shard_count_ = meta.shards;
  ASSIGN_OR_RETURN(OpenedIndex opened, OpenIndex(directory, blobs_.get()));
  index_ = std::move(opened.index);
  next_group_ = opened.next_group;
  lost_segment_bytes_ = opened.lost_bytes;
  for (const SegmentInfo& info : opened.segments) {
    ++segment_count_;
    segment_bytes_ += info.bytes;
  }
  segments_ = std::make_unique<SegmentCache>(blobs_.get(), kMaxOpenSegments);

  WalOptions wal;
  wal.directory = WalDirectory(directory);
  wal.sync = options_.wal_sync;
  wal.sync_interval_ms = options_.wal_sync_interval_ms;
  wal.file_bytes = options_.wal_file_bytes;
  uint64_t floor = 0;
  std::vector<Lsn> flushed;
  for (uint32_t shard = 0; shard < shard_count_; ++shard) {
    ASSIGN_OR_RETURN(const Lsn lsn, index_->Flushed(shard));
    flushed.push_back(lsn);
    floor = std::max(floor, Raw(lsn));
  }
  last_lsn_ = floor;
  dispatched_lsn_ = floor;
  ASSIGN_OR_RETURN(wal_, Wal::Open(std::move(wal), Lsn{floor}));
  StartShards();
  absl::Status replayed;
  RETURN_IF_ERROR(wal_->Replay([&](Lsn lsn, const LogEntry& entry) {
    if (const absl::Status status = ReplayEntry(lsn, entry, flushed); !status.ok()) {
      LogError("log record cannot be applied; its lines are lost", "lsn={} error=\"{}\"", Raw(lsn),
               MessageOf(status));
    }
  }));
  for (const auto& shard : shards_) shard->WaitUntilIdle();
  replay_labels_ = {};
  if (const WalStats stats = wal_->Stats(); replayed_rows_ > 0 || stats.torn_bytes > 0) {
    LogInfo("log replayed", "rows={} files={} torn_bytes={} damaged_bytes={}", replayed_rows_.load(),
            stats.files, stats.torn_bytes, stats.damaged_bytes);
  }
  wal_->Start();
  log_ready_ = true;
  ReleaseLog();
  StartCompactor();
  return absl::OkStatus();
}

void LocalStore::StartCompactor() {
  CompactorOptions options;
  options.interval_ms = options_.compact_interval_ms;
  options.quiet_ms = options_.compact_quiet_ms;
  options.block_text_bytes = options_.compact_block_text_bytes;
  options.min_free = options_.min_free_disk;
  options.max_bytes = options_.max_disk_bytes;
  if (options_.clock != nullptr) options.clock = options_.clock;
  CompactorEnvironment environment;
  environment.index = index_.get();
  environment.blobs = blobs_.get();
  environment.segments = segments_.get();
  environment.new_segment_group = [this] { return NewSegmentGroup(); };
  environment.disk_space = [this] { return SpaceOf(options_.directory); };
  environment.replaced = [this](const std::vector<SegmentInfo>& added,
                                const std::vector<SegmentInfo>& removed) {
    for (const SegmentInfo& info : added) segment_bytes_.fetch_add(info.bytes);
    for (const SegmentInfo& info : removed) segment_bytes_.fetch_sub(info.bytes);
    segment_count_.fetch_add(added.size() - removed.size());  // wraps where it falls
  };
  environment.lines_going = options_.lines_going;
  environment.lines_removed = options_.lines_removed;
  environment.observer = options_.observer;
  environment.wait_for_readers = [this] { gate_.WaitForEarlier(); };
  compactor_ = std::make_unique<Compactor>(options, std::move(environment));
  compactor_->Start();
}

void LocalStore::StartShards() {
  ShardEnvironment environment;
  environment.index = index_.get();
  environment.blobs = blobs_.get();
  environment.new_segment_group = [this] { return NewSegmentGroup(); };
  environment.flushed = [this](const SegmentCommit& commit, FlushReason reason) {
    OnFlushed(commit, reason);
  };
  if (options_.flushing) environment.flushing = [this] { return options_.flushing(AppliedLsn()); };
  environment.observer = options_.observer;
  environment.fresh_rows = options_.fresh_rows;
  environment.progress = [this] {
    if (options_.memory != nullptr) {
      std::lock_guard lock(room_mu_);
      (void)ChargeMemory(0);
    }
    room_changed_.notify_all();
  };
  for (uint32_t i = 0; i < shard_count_; ++i) {
    ShardOptions shard;
    shard.number = i;
    shard.count = shard_count_;
    shard.block_text_bytes = options_.block_text_bytes;
    // Half of its part, so that what is being flushed and what comes meanwhile stay within it together.
    shard.flush_bytes = options_.head_memory_bytes / shard_count_ / 2;
    shard.max_age_ms = options_.head_max_age_ms;
    shards_.push_back(std::make_unique<Shard>(shard, environment));
  }
}

LocalStore::~LocalStore() {
  if (compactor_) compactor_->Stop();
  // A flush that ends meanwhile calls back here, so all threads end before any of the parts is taken down.
  if (wal_) wal_->Stop();  // commits what waits and hands it to the shards
  for (const auto& shard : shards_) shard->Stop();
  if (options_.memory != nullptr) options_.memory->Release(charged_);
}

absl::Status LocalStore::ReplayEntry(Lsn lsn, const LogEntry& entry, const std::vector<Lsn>& flushed) {
  ByteReader reader(entry.body);
  const uint64_t streams = reader.Varint();
  auto batch = std::make_shared<PendingBatch>();
  batch->tenant = entry.tenant;
  uint64_t rows = 0;
  for (uint64_t i = 0; i < streams; ++i) {
    const std::string_view text = reader.Text();
    const std::string_view encoded = reader.Text();
    if (!reader.ok()) return DataLoss("stream {} of {} is cut off", i + 1, streams);
    PendingBatch::Part part;
    part.key = StreamKey(entry.tenant, text);
    part.shard = ShardOf(part.key);
    if (lsn <= flushed[part.shard]) continue;
    std::shared_ptr<const Labels>& labels = replay_labels_[part.key];
    if (!labels) {
      ASSIGN_OR_RETURN(Labels parsed, ParseLabels(text));
      labels = std::make_shared<const Labels>(std::move(parsed));
    }
    part.labels = labels;
    Rows decoded;
    if (const absl::Status status = DecodeRows(encoded, RowsLimits{}, &decoded); !status.ok()) {
      LogError("lines of a stream in the log cannot be decoded; they are lost",
               "lsn={} stream={} error=\"{}\"", Raw(lsn), text, MessageOf(status));
      continue;
    }
    if (decoded.size() == 0) continue;
    rows += decoded.size();
    batch->bytes += skald::MemoryBytes(decoded);
    part.rows = std::make_shared<const Rows>(std::move(decoded));
    batch->parts.push_back(std::move(part));
  }
  if (replay_labels_.size() > kMaxCachedStreams) replay_labels_.clear();
  replayed_rows_ += rows;
  {
    // Heads may grow beyond their ceiling here: what the log holds has been accepted.
    std::unique_lock lock(room_mu_);
    room_changed_.wait(lock,
                       [&] { return on_the_way_ == 0 || on_the_way_ + batch->bytes <= kMaxBytesOnTheWay; });
    on_the_way_ += batch->bytes;
  }
  const uint64_t bytes = batch->bytes;
  Dispatch(std::move(batch), lsn, [this, bytes] { GiveRoom(bytes); });
  return absl::OkStatus();
}

uint32_t LocalStore::ShardOf(std::string_view key) const {
  return static_cast<uint32_t>(XXH3_64bits(key.data(), key.size()) % shard_count_);
}

uint64_t LocalStore::HeadBytes() const {
  uint64_t bytes = 0;
  for (const auto& shard : shards_) bytes += shard->MemoryBytes();
  return bytes;
}

absl::Status LocalStore::TakeRoom(uint64_t bytes) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMaxAppendWaitMs);
  std::unique_lock lock(room_mu_);
  while (true) {
    const bool heads_full = HeadBytes() > kMaxHeadOvershoot * options_.head_memory_bytes;
    if (heads_full) {
      for (const auto& shard : shards_) {
        const absl::Status flush = shard->FlushStatus();
        if (!flush.ok()) {
          return absl::Status(flush.code() == absl::StatusCode::kResourceExhausted
                                  ? flush.code()
                                  : absl::StatusCode::kUnavailable,
                              fmt::format("lines in memory cannot be written out: {}", MessageOf(flush)));
        }
      }
    } else if (on_the_way_ == 0 || on_the_way_ + bytes <= kMaxBytesOnTheWay) {
      if (ChargeMemory(bytes)) {
        on_the_way_ += bytes;
        return absl::OkStatus();
      }
      // Others have the memory: what lines hold of it is given back early.
      for (const auto& shard : shards_) {
        if (shard->MemoryBytes() > 0) shard->RequestFlush();
      }
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Unavailable("the store is behind: {} bytes on the way, {} in memory", on_the_way_, HeadBytes());
    }
    room_changed_.wait_until(
        lock, std::min(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(100)));
  }
}

void LocalStore::GiveRoom(uint64_t bytes) {
  {
    std::lock_guard lock(room_mu_);
    on_the_way_ -= bytes;
    (void)ChargeMemory(0);
  }
  room_changed_.notify_all();
}

bool LocalStore::ChargeMemory(uint64_t bytes) {
  if (options_.memory == nullptr) return true;
  const auto want = static_cast<int64_t>(HeadBytes() + on_the_way_ + bytes);
  if (want <= charged_) {
    options_.memory->Release(charged_ - want);
  } else if (!options_.memory->Reserve(want - charged_).ok()) {
    return false;
  }
  charged_ = want;
  return true;
}

absl::Status LocalStore::CheckDisk() {
  if (options_.reserved_disk <= 0) return absl::OkStatus();
  std::lock_guard lock(room_mu_);
  const int64_t now_ns = MonotonicNs();
  if (disk_looked_ns_ != 0 && now_ns - disk_looked_ns_ < kDiskLookMs * kNsPerMs) return disk_;
  disk_looked_ns_ = now_ns;
  const absl::StatusOr<DiskSpace> space = SpaceOf(options_.directory);
  if (!space.ok()) return disk_ = absl::OkStatus();  // a write will tell
  const uint64_t reserved = std::min(
      kMaxReservedDisk, static_cast<uint64_t>(options_.reserved_disk * static_cast<double>(space->total)));
  const bool was_full = !disk_.ok();
  disk_ = space->available >= reserved
              ? absl::OkStatus()
              : ResourceExhausted(
                    "the disk is full: {} bytes are free, the last {} are reserved; try again later",
                    space->available, reserved);
  if (!disk_.ok() && !was_full) {
    LogError("lines are refused", "error=\"{}\"", MessageOf(disk_));
    compactor_->Wake();  // retention may make room
  } else if (disk_.ok() && was_full) {
    LogInfo("the disk has room again; lines are taken");
  }
  return disk_;
}

void LocalStore::Append(AppendBatch batch, Done done) {
  LogEntry entry;
  entry.tenant = batch.tenant;
  entry.agent_id = std::move(batch.agent_id);
  entry.sequence = batch.sequence;
  const auto refuse = [&](absl::Status status) {
    wal_->Refuse(std::move(entry), std::move(status),
                 [done = std::move(done)](absl::Status s, LogOutcome, Lsn) { done(std::move(s)); });
  };
  if (batch.tenant.empty() || batch.tenant.find('\0') != std::string::npos) {
    return refuse(InvalidArgument("batch without a valid tenant"));
  }
  auto pending = std::make_shared<PendingBatch>();
  pending->tenant = std::move(batch.tenant);
  pending->parts.reserve(batch.streams.size());
  for (StreamRows& stream : batch.streams) {
    PendingBatch::Part part;
    const std::string text = stream.labels.ToString();
    if (!stream.rows || stream.rows->size() == 0)
      return refuse(InvalidArgument("stream {} has no rows", text));
    part.key = StreamKey(pending->tenant, text);
    part.shard = ShardOf(part.key);
    part.labels = std::make_shared<const Labels>(std::move(stream.labels));
    part.rows = std::move(stream.rows);
    pending->bytes += skald::MemoryBytes(*part.rows) + stream.encoded.size() + text.size();
    pending->parts.push_back(std::move(part));
  }
  if (absl::Status status = CheckDisk(); !status.ok()) return refuse(std::move(status));
  if (absl::Status status = TakeRoom(pending->bytes); !status.ok()) return refuse(std::move(status));

  // On the caller's thread: this is where the time goes, and senders are many.
  PutVarint(&entry.body, pending->parts.size());
  std::string encoded;
  for (size_t i = 0; i < pending->parts.size(); ++i) {
    const PendingBatch::Part& part = pending->parts[i];
    const std::string_view text = std::string_view(part.key).substr(pending->tenant.size() + 1);
    if (!batch.streams[i].encoded.empty()) {
      PutStream(&entry.body, text, batch.streams[i].encoded);
      batch.streams[i].encoded = std::string();
      continue;
    }
    encoded.clear();
    EncodeRows(*part.rows, &encoded);
    PutStream(&entry.body, text, encoded);
  }
  wal_->Append(std::move(entry),
               [this, pending, done = std::move(done)](absl::Status status, LogOutcome outcome, Lsn lsn) {
                 const uint64_t bytes = pending->bytes;
                 if (!status.ok() || outcome == LogOutcome::kResent) {
                   GiveRoom(bytes);
                   done(std::move(status));
                   return;
                 }
                 Dispatch(pending, lsn, [this, bytes, done] {
                   GiveRoom(bytes);
                   done(absl::OkStatus());
                 });
               });
}

void LocalStore::Dispatch(std::shared_ptr<PendingBatch> batch, Lsn lsn, std::function<void()> applied) {
  batch->lsn = lsn;
  std::vector<bool> concerned(shard_count_, false);
  int count = 0;
  for (const PendingBatch::Part& part : batch->parts) {
    if (!concerned[part.shard]) ++count;
    concerned[part.shard] = true;
  }
  if (count == 0) return applied();
  last_lsn_ = std::max(last_lsn_.load(), Raw(lsn));
  batch->applied = std::move(applied);
  batch->shards_left = count;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    if (concerned[i]) shards_[i]->Enqueue(batch);
  }
  dispatched_lsn_ = std::max(dispatched_lsn_.load(), Raw(lsn));
}

Lsn LocalStore::AppliedLsn() const {
  // In this order: what is handed to the shards meanwhile stands above.
  uint64_t applied = dispatched_lsn_;
  for (const auto& shard : shards_) applied = std::min(applied, Raw(shard->Applied()));
  return Lsn{applied};
}

absl::StatusOr<std::vector<StoredTimes>> LocalStore::SegmentTimes() const {
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, index_->Segments());
  ASSIGN_OR_RETURN(const std::vector<std::string> names, blobs_->List());
  const std::set<std::string> there(names.begin(), names.end());
  std::vector<StoredTimes> out;
  out.reserve(segments.size());
  for (const SegmentInfo& info : segments) {
    const bool lost = !there.contains(SegmentFileName(info.id));
    out.push_back({info.min_ns, info.max_ns, lost ? Lsn{~uint64_t{0}} : info.covered});
  }
  return out;
}

void LocalStore::OnFlushed(const SegmentCommit& commit, FlushReason reason) {
  for (const SegmentInfo& info : commit.segments) {
    segment_count_.fetch_add(1);
    segment_bytes_.fetch_add(info.bytes);
  }
  if (options_.observer != nullptr) options_.observer->OnFlush(reason, BlocksOf(commit));
  ReleaseLog();
}

void LocalStore::ReleaseLog() {
  // While Open replays, the shards do not know yet what of the log is theirs.
  if (!log_ready_) return;
  uint64_t covered = ~uint64_t{0};
  for (const auto& shard : shards_) covered = std::min(covered, Raw(shard->Covered()));
  wal_->Release(Lsn{covered});
  // A shard with little to do must not keep a long log alive.
  if (const auto [files, oldest] = wal_->ClosedFiles(); files > kMaxClosedWalFiles) {
    for (const auto& shard : shards_) {
      if (shard->Covered() < oldest) shard->RequestFlush();
    }
  }
}

BatchSeq LocalStore::LastSequence(std::string_view tenant, std::string_view agent_id) const {
  return wal_->LastSequence(tenant, agent_id);
}

absl::Status LocalStore::Flush() {
  // The log's newest file stays whatever is in it, so a new one is begun where that is much.
  if (wal_->Stats().bytes > kLogKeptByFlush) RETURN_IF_ERROR(wal_->Rotate());
  RETURN_IF_ERROR(FlushHeads());
  ReleaseLog();
  return absl::OkStatus();
}

absl::Status LocalStore::FlushHeads() {
  std::vector<uint64_t> tickets;
  for (const auto& shard : shards_) tickets.push_back(shard->RequestFlush());
  absl::Status result;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (absl::Status status = shards_[i]->WaitForFlush(tickets[i]); !status.ok()) result = std::move(status);
  }
  return result;
}

absl::Status LocalStore::Compact() { return compactor_->Run(true); }

void LocalStore::SetRetention(std::shared_ptr<const RetentionRules> rules) {
  compactor_->SetRetention(std::move(rules));
}

absl::StatusOr<uint64_t> LocalStore::Purge(const std::string& tenant, const std::string& name,
                                           const ActiveDelete& what) {
  // The log's files go when all of their lines are in segments, which the new one does not hinder.
  RETURN_IF_ERROR(wal_->Rotate());
  RETURN_IF_ERROR(FlushHeads());
  ReleaseLog();
  return compactor_->Purge(tenant, name, what);
}

uint64_t LocalStore::ActiveStreams(std::string_view tenant) const {
  uint64_t streams = 0;
  for (const auto& shard : shards_) streams += shard->ActiveStreams(tenant);
  return streams;
}

bool LocalStore::HasActiveStream(std::string_view tenant, const Labels& labels) const {
  const std::string key = StreamKey(tenant, labels.ToString());
  return shards_[ShardOf(key)]->HasActiveStream(key);
}

StoreStats LocalStore::Stats() const {
  StoreStats stats;
  for (const auto& shard : shards_) {
    const ShardStats s = shard->Stats();
    stats.streams += s.streams;
    stats.head_bytes += s.memory_bytes;
    stats.head_rows += s.rows;
    stats.appended_rows += s.appended_rows;
    stats.duplicate_rows += s.duplicate_rows;
    stats.flush_failures += s.flush_failures;
    stats.flushing += s.flushing;
  }
  const WalStats wal = wal_->Stats();
  stats.segments = segment_count_;
  stats.segment_bytes = segment_bytes_;
  stats.wal_bytes = wal.bytes;
  stats.wal_files = wal.files;
  stats.wal_syncs = wal.syncs;
  stats.duplicate_batches = wal.resent;
  stats.torn_wal_bytes = wal.torn_bytes;
  stats.damaged_log_bytes = wal.damaged_bytes;
  stats.lost_segment_bytes = lost_segment_bytes_;
  stats.replayed_rows = replayed_rows_;
  stats.damaged_blocks = *damaged_blocks_;
  const CompactionStats compaction = compactor_->Stats();
  stats.compactions = compaction.merges;
  stats.compaction_read_bytes = compaction.merged_bytes;
  stats.compaction_written_bytes = compaction.written_bytes;
  stats.compaction_failures = compaction.failures;
  stats.retired_rows = compaction.retired_rows;
  stats.purged_rows = compaction.purged_rows;
  return stats;
}

absl::StatusOr<std::vector<StreamRef>> LocalStore::Streams(const Roaring& ids) const {
  std::vector<StreamId> list;
  list.reserve(ids.cardinality());
  for (const uint32_t id : ids) list.push_back(StreamId{id});
  return Streams(list);
}

absl::StatusOr<std::vector<StreamRef>> LocalStore::Streams(const std::vector<StreamId>& ids) const {
  struct Keyed {
    std::string text;
    StreamRef stream;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(ids.size());
  for (const StreamId id : ids) {
    ASSIGN_OR_RETURN(std::shared_ptr<const Labels> labels, index_->LabelsOf(id));
    std::string text = labels->ToString();
    keyed.push_back({std::move(text), {id, std::move(labels)}});
  }
  std::sort(keyed.begin(), keyed.end(), [](const Keyed& a, const Keyed& b) { return a.text < b.text; });
  std::vector<StreamRef> streams;
  streams.reserve(keyed.size());
  for (Keyed& k : keyed) streams.push_back(std::move(k.stream));
  return streams;
}

absl::StatusOr<Selection> LocalStore::Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                             TimeRange range) const {
  absl::StatusOr<Selection> selection = ObserveIndex(
      options_.observer, IndexQuestion::kBlocks, [&] { return SelectFromIndex(tenant, matchers, range); });
  if (selection.status().code() == absl::StatusCode::kDataLoss && !index_damaged_.exchange(true)) {
    LogError("label index is damaged; it is made anew at the next start", "error=\"{}\"",
             MessageOf(selection.status()));
    (void)WriteFileAtomically(IndexDamagedFileName(options_.directory), "");
  }
  return selection;
}

absl::StatusOr<Selection> LocalStore::SelectFromIndex(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const {
  constexpr int kTries = 3;  // a segment may be merged away between index and open
  // No segment that the index told of is deleted until it is open.
  const ReadGate::Pass pass(&gate_);
  for (int attempt = 1;; ++attempt) {
    ASSIGN_OR_RETURN(const Roaring ids, index_->Match(tenant, matchers, range));
    SelectionBuilder builder(damaged_blocks_);
    // Heads first, and with them which segments they will turn into; the index after that: what is flushed in
    // between is in both, and counts once.
    HeadView view;
    for (const auto& shard : shards_) shard->View(ids, range, &view);
    for (HeadView::Stream& stream : view.streams) {
      for (auto& block : stream.sealed) builder.AddSealedBlock(stream.id, std::move(block));
      for (auto& chunk : stream.chunks) builder.AddHeadChunk(stream.id, std::move(chunk));
    }
    RETURN_IF_ERROR(
        index_->Blocks(ids, range, [&](StreamId stream, SegmentId segment, const BlockEntry& entry) {
          const uint64_t group = GroupOf(segment);
          if (std::find(view.in_memory.begin(), view.in_memory.end(), group) == view.in_memory.end()) {
            builder.AddStored(stream, segment, entry);
          }
        }));
    // Labels only of streams that have something there: few of those of a day, where many come and go.
    ASSIGN_OR_RETURN(std::vector<StreamRef> streams, Streams(builder.streams()));
    absl::StatusOr<Selection> selection =
        builder.Finish(std::move(streams), segments_.get(), attempt == kTries);
    if (selection.ok()) selection->shard_versions = std::move(view.versions);
    if (selection.ok() || selection.status().code() != absl::StatusCode::kNotFound) return selection;
  }
}

absl::StatusOr<std::vector<StreamRef>> LocalStore::Series(std::string_view tenant,
                                                          const std::vector<Matcher>& matchers,
                                                          TimeRange range) const {
  return ObserveIndex(options_.observer, IndexQuestion::kStreams,
                      [&]() -> absl::StatusOr<std::vector<StreamRef>> {
                        ASSIGN_OR_RETURN(const Roaring ids, index_->Match(tenant, matchers, range));
                        return Streams(ids);
                      });
}

absl::StatusOr<std::vector<StreamRef>> LocalStore::StoredSeries(std::string_view tenant,
                                                                const std::vector<Matcher>& matchers,
                                                                TimeRange range, int64_t idle_ns) const {
  return ObserveIndex(
      options_.observer, IndexQuestion::kStreams, [&]() -> absl::StatusOr<std::vector<StreamRef>> {
        ASSIGN_OR_RETURN(const Roaring ids, index_->Match(tenant, matchers, range));
        Roaring stored;
        // A stream may stand in the view twice, with what is being flushed and with what came since.
        HeadView view;
        for (const auto& shard : shards_) shard->View(ids, {range.begin_ns, kMaxTimeNs}, &view);
        struct InMemory {
          bool in_range = false;
          int64_t last_ns = 0;
        };
        std::unordered_map<uint32_t, InMemory> in_memory;
        for (const HeadView::Stream& stream : view.streams) {
          InMemory& found = in_memory[Raw(stream.id)];
          const auto add = [&](int64_t min_ns, int64_t max_ns) {
            found.in_range = found.in_range || range.Overlaps(min_ns, max_ns);
            found.last_ns = std::max(found.last_ns, max_ns);
          };
          for (const auto& chunk : stream.chunks) add(chunk->min_ns, chunk->max_ns);
          for (const auto& block : stream.sealed) add(block->header.min_ns, block->header.max_ns);
        }
        for (const auto& [id, found] : in_memory) {
          if (found.in_range && found.last_ns < range.end_ns - idle_ns) stored.add(id);
        }
        RETURN_IF_ERROR(index_->Blocks(
            ids, range, [&](StreamId stream, SegmentId, const BlockEntry&) { stored.add(Raw(stream)); }));
        return Streams(stored);
      });
}

absl::StatusOr<std::vector<std::string>> LocalStore::LabelNames(std::string_view tenant,
                                                                const std::vector<Matcher>& matchers,
                                                                TimeRange range) const {
  return ObserveIndex(
      options_.observer, IndexQuestion::kLabelNames, [&]() -> absl::StatusOr<std::vector<std::string>> {
        if (matchers.empty()) return index_->LabelNames(tenant, range);
        ASSIGN_OR_RETURN(const Roaring ids, index_->Match(tenant, matchers, range));
        std::vector<std::string> names;
        for (const uint32_t id : ids) {
          ASSIGN_OR_RETURN(const std::shared_ptr<const Labels> labels, index_->LabelsOf(StreamId{id}));
          for (const auto& [name, value] : *labels) {
            auto at = std::lower_bound(names.begin(), names.end(), name);
            if (at == names.end() || *at != name) names.insert(at, name);
          }
        }
        return names;
      });
}

absl::StatusOr<std::vector<std::string>> LocalStore::LabelValues(std::string_view tenant,
                                                                 std::string_view name,
                                                                 const std::vector<Matcher>& matchers,
                                                                 TimeRange range) const {
  return ObserveIndex(options_.observer, IndexQuestion::kLabelValues,
                      [&]() -> absl::StatusOr<std::vector<std::string>> {
                        if (matchers.empty()) return index_->LabelValues(tenant, name, range);
                        ASSIGN_OR_RETURN(const Roaring ids, index_->Match(tenant, matchers, range));
                        if (ids.isEmpty()) return std::vector<std::string>();
                        return index_->LabelValuesAmong(tenant, name, ids, range);
                      });
}

}  // namespace skald
