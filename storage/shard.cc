#include "storage/shard.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/flush.h"
#include "storage/limits.h"

namespace skald {
namespace {

constexpr auto kTick = std::chrono::milliseconds(200);  // how often age is looked at
constexpr auto kIndexRetry = std::chrono::milliseconds(500);
constexpr auto kFirstFlushRetry = std::chrono::milliseconds(500);
constexpr auto kLastFlushRetry = std::chrono::milliseconds(30'000);

// The days of rows, which ascend in time.
void DaysOfRows(const Rows& rows, std::vector<Day>* days) {
  days->clear();
  const Day last = DayOf(rows.time_ns.back());
  auto it = rows.time_ns.begin();
  while (true) {
    const Day day = DayOf(*it);
    days->push_back(day);
    if (day == last) return;
    it = std::partition_point(it, rows.time_ns.end(), [day](int64_t t) { return DayOf(t) == day; });
  }
}

}  // namespace

Shard::Shard(ShardOptions options, ShardEnvironment environment)
    : options_(options),
      environment_(std::move(environment)),
      active_(std::make_shared<HeadSet>(1, environment_.new_segment_group())) {
  thread_ = std::thread([this] { Run(); });
  flusher_ = std::thread([this] { RunFlushes(); });
}

void Shard::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  {
    std::lock_guard lock(mu_);
    stop_flusher_ = true;
  }
  wake_flusher_.notify_all();
  changed_.notify_all();
  flusher_.join();
}

void Shard::Enqueue(std::shared_ptr<PendingBatch> batch) {
  {
    std::lock_guard lock(mu_);
    queue_.push_back(std::move(batch));
  }
  wake_.notify_one();
}

void Shard::Run() {
  while (true) {
    std::shared_ptr<PendingBatch> batch;
    {
      std::unique_lock lock(mu_);
      wake_.wait_for(lock, kTick, [this] {
        return stopping_ || !queue_.empty() || (flush_wanted_ >= active_->serial && !frozen_);
      });
      if (queue_.empty() && stopping_) return;
      if (!queue_.empty()) batch = queue_.front();
    }
    if (batch) {
      Apply(*batch);
      {
        std::lock_guard lock(mu_);
        queue_.pop_front();
        if (queue_.empty()) changed_.notify_all();
      }
      if (batch->shards_left.fetch_sub(1) == 1) batch->applied();
    }
    const int64_t now_ns = MonotonicNs();
    std::optional<FlushReason> due;
    {
      std::lock_guard lock(mu_);
      due = FreezeIsDue(now_ns);
    }
    if (due) Freeze(*due);
  }
}

// Under mu_.
std::optional<FlushReason> Shard::FreezeIsDue(int64_t now_ns) const {
  if (frozen_ || stopping_) return std::nullopt;
  if (flush_wanted_ >= active_->serial) return FlushReason::kAsked;
  if (active_->empty()) return std::nullopt;
  if (active_->memory_bytes >= options_.flush_bytes) return FlushReason::kMemory;
  if (now_ns - active_->first_append_ns >= options_.max_age_ms * kNsPerMs) return FlushReason::kAge;
  return std::nullopt;
}

void Shard::Freeze(FlushReason reason) {
  {
    std::lock_guard lock(mu_);
    if (active_->empty()) {
      // Nothing to write: the serial alone moves on, for those who wait.
      flushed_serial_ = active_->serial;
      active_ = std::make_shared<HeadSet>(active_->serial + 1, active_->segment_group);
    } else {
      frozen_ = active_;
      frozen_for_ = reason;
      active_ = std::make_shared<HeadSet>(frozen_->serial + 1, environment_.new_segment_group());
    }
  }
  changed_.notify_all();
  wake_flusher_.notify_all();
  ForgetIdleStreams();
}

void Shard::ForgetIdleStreams() {
  if (known_.size() < kMaxCachedStreams / options_.count) return;
  // Only this thread changes which streams active_ holds, and frozen_ is immutable; but the flusher may drop
  // frozen_ meanwhile.
  std::shared_ptr<const HeadSet> frozen;
  {
    std::lock_guard lock(mu_);
    frozen = frozen_;
  }
  absl::erase_if(known_, [&](const auto& item) {
    return !active_->by_key.contains(item.first) && !(frozen && frozen->by_key.contains(item.first));
  });
}

absl::Status Shard::ResolveStreams(const PendingBatch& batch, std::vector<KnownStream*>* streams) {
  streams->clear();
  std::vector<Registration> registrations;
  std::vector<std::pair<KnownStream*, Day>> registered;
  std::vector<Day> days;
  for (const PendingBatch::Part& part : batch.parts) {
    if (part.shard != options_.number) continue;
    auto it = known_.find(part.key);
    if (it == known_.end()) {
      auto info = std::make_shared<StreamInfo>();
      info->key = part.key;
      info->tenant_size = batch.tenant.size();
      info->labels = part.labels;
      if (!info->labels) {
        ASSIGN_OR_RETURN(Labels labels, ParseLabels(info->text()));
        info->labels = std::make_shared<const Labels>(std::move(labels));
      }
      ASSIGN_OR_RETURN(info->id, environment_.index->GetOrCreate(batch.tenant, *info->labels));
      auto known = std::make_unique<KnownStream>();
      known->info = std::move(info);
      const std::string_view key = known->info->key;
      it = known_.emplace(key, std::move(known)).first;
    }
    KnownStream* known = it->second.get();
    streams->push_back(known);
    // Nearly always one day, and the one that was registered last.
    const std::vector<int64_t>& times = part.rows->time_ns;
    const Day first = DayOf(times.front());
    if (!known->days.empty() && known->days.back() == first && DayOf(times.back()) == first) continue;
    DaysOfRows(*part.rows, &days);
    for (const Day day : days) {
      if (std::find(known->days.begin(), known->days.end(), day) != known->days.end()) continue;
      registrations.push_back({known->info->id, day, batch.tenant, known->info->labels.get()});
      registered.emplace_back(known, day);
    }
  }
  RETURN_IF_ERROR(environment_.index->Register(registrations));
  for (const auto& [known, day] : registered) {
    // The cache is small and the order of use: registering a day once more is harmless.
    constexpr size_t kMaxDaysKnown = 64;
    if (known->days.size() >= kMaxDaysKnown) known->days.erase(known->days.begin());
    known->days.push_back(day);
  }
  return absl::OkStatus();
}

void Shard::Apply(const PendingBatch& batch) {
  std::vector<KnownStream*> streams;
  bool told = false;
  while (true) {
    const absl::Status status = ResolveStreams(batch, &streams);
    if (status.ok()) break;
    // The log has the batch, so it must not be given up; senders wait meanwhile.
    if (!told)
      LogError("label index cannot be written; trying again", "shard={} error=\"{}\"", options_.number,
               MessageOf(status));
    told = true;
    environment_.index->Recover();
    std::unique_lock lock(mu_);
    if (wake_.wait_for(lock, kIndexRetry, [this] { return stopping_; })) return;  // replay brings it back
  }
  if (told) LogInfo("label index can be written again", "shard={}", options_.number);

  size_t next = 0;
  uint64_t new_streams = 0;
  for (const PendingBatch::Part& part : batch.parts) {
    if (part.shard != options_.number) continue;
    const KnownStream& known = *streams[next++];
    auto it = active_->streams.find(Raw(known.info->id));
    StreamHead* head = it == active_->streams.end() ? nullptr : it->second.get();
    std::unique_ptr<StreamHead> created;
    if (head == nullptr) {
      created = std::make_unique<StreamHead>();
      created->info = known.info;
      head = created.get();
    }
    HeadUpdate update = PrepareAppend(*head, part.rows, options_.block_text_bytes);

    std::unique_lock lock(mu_);
    HeadSet& set = *active_;
    if (created) {
      const bool counted = frozen_ && frozen_->streams.contains(Raw(known.info->id));
      if (!counted) {
        ++tenant_streams_[batch.tenant];
        ++new_streams;
      }
      update.memory_delta += static_cast<int64_t>(StreamOverheadBytes(*known.info));
      set.by_key.emplace(head->info->key, head);
      set.streams.emplace(Raw(known.info->id), std::move(created));
    }
    head->chunks = std::move(update.chunks);
    head->sealed.insert(head->sealed.end(), update.sealed.begin(), update.sealed.end());
    if (set.first_lsn == Lsn{0}) {
      set.first_lsn = batch.lsn;
      set.first_append_ns = MonotonicNs();
    }
    set.last_lsn = batch.lsn;
    set.rows += update.added_rows;
    set.memory_bytes += static_cast<uint64_t>(update.memory_delta);
    memory_bytes_.fetch_add(static_cast<uint64_t>(update.memory_delta), std::memory_order_relaxed);
    appended_rows_ += update.added_rows;
    duplicate_rows_ += update.duplicate_rows;
    const uint64_t version = ++version_;
    lock.unlock();
    if (environment_.fresh_rows && update.fresh) {
      environment_.fresh_rows({batch.tenant, known.info->id, known.info->labels, std::move(update.fresh),
                               options_.number, version, batch.lsn});
    }
  }
  if (new_streams > 0 && environment_.observer != nullptr)
    environment_.observer->OnNewStreams(batch.tenant, new_streams);
}

void Shard::RunFlushes() {
  auto retry = kFirstFlushRetry;
  while (true) {
    std::shared_ptr<const HeadSet> heads;
    FlushReason reason;
    {
      std::unique_lock lock(mu_);
      wake_flusher_.wait(lock, [this] { return stop_flusher_ || frozen_; });
      if (stop_flusher_) return;
      heads = frozen_;
      reason = frozen_for_;
    }
    SegmentCommit commit;
    const absl::Status status = FlushFrozen(*heads, &commit);
    if (!status.ok()) {
      LogError("flush failed; the lines stay in memory and log, trying again",
               "shard={} streams={} rows={} retry_ms={} error=\"{}\"", options_.number, heads->streams.size(),
               heads->rows, retry.count(), MessageOf(status));
      {
        std::lock_guard lock(mu_);
        ++failed_flushes_;
        flush_status_ = status;
      }
      changed_.notify_all();
      environment_.progress();
      environment_.index->Recover();
      std::unique_lock lock(mu_);
      wake_flusher_.wait_for(lock, retry, [this] { return stop_flusher_; });
      retry = std::min(retry * 2, kLastFlushRetry);
      continue;
    }
    retry = kFirstFlushRetry;
    {
      std::lock_guard lock(mu_);
      flush_status_ = absl::OkStatus();
      frozen_ = nullptr;
      for (const auto& [id, head] : heads->streams) {
        if (active_->streams.contains(id)) continue;
        auto it = tenant_streams_.find(std::string(head->info->tenant()));
        if (--it->second == 0) tenant_streams_.erase(it);
      }
      memory_bytes_.fetch_sub(heads->memory_bytes, std::memory_order_relaxed);
    }
    LogDebug("heads flushed", "shard={} streams={} rows={} segments={} covered_lsn={}", options_.number,
             heads->streams.size(), heads->rows, commit.segments.size(), Raw(commit.flushed));
    const uint64_t serial = heads->serial;
    heads.reset();  // frees the memory here, not under a lock
    environment_.flushed(commit, reason);
    environment_.progress();
    {
      // Who waits for the flush finds the log shortened and the memory given back.
      std::lock_guard lock(mu_);
      flushed_serial_ = serial;
    }
    changed_.notify_all();
    wake_.notify_all();
  }
}

absl::Status Shard::FlushFrozen(const HeadSet& heads, SegmentCommit* commit) {
  if (environment_.flushing) RETURN_IF_ERROR(environment_.flushing());
  SegmentProperties properties;
  properties.shard = options_.number;
  properties.shard_count = options_.count;
  properties.covered = heads.last_lsn;
  ASSIGN_OR_RETURN(*commit, WriteHeads(heads, properties, options_.block_text_bytes, environment_.blobs));
  RETURN_IF_ERROR(Failpoint("flush.before_commit"));
  RETURN_IF_ERROR(ObserveIndex(environment_.observer, IndexQuestion::kCommit,
                               [&] { return environment_.index->Commit(*commit); }));
  return Failpoint("flush.after_commit");
}

void Shard::View(const Roaring& ids, TimeRange range, HeadView* view) const {
  const auto add = [&](const StreamHead& head) {
    HeadView::Stream stream;
    stream.id = head.info->id;
    for (const auto& chunk : head.chunks) {
      if (range.Overlaps(chunk->min_ns, chunk->max_ns)) stream.chunks.push_back(chunk);
    }
    for (const auto& block : head.sealed) {
      if (range.Overlaps(block->header.min_ns, block->header.max_ns)) stream.sealed.push_back(block);
    }
    if (!stream.chunks.empty() || !stream.sealed.empty()) view->streams.push_back(std::move(stream));
  };
  const auto add_all = [&](const HeadSet& set) {
    if (ids.cardinality() < set.streams.size()) {
      for (const uint32_t id : ids) {
        if (auto it = set.streams.find(id); it != set.streams.end()) add(*it->second);
      }
    } else {
      for (const auto& [id, head] : set.streams) {
        if (ids.contains(id)) add(*head);
      }
    }
  };
  std::shared_ptr<const HeadSet> frozen;
  const auto before = static_cast<ptrdiff_t>(view->streams.size());
  {
    std::lock_guard lock(mu_);
    add_all(*active_);
    view->versions.push_back(version_);
    // These rows too may be in segments by the time the index is read.
    view->in_memory.push_back(active_->segment_group);
    frozen = frozen_;
    if (frozen) view->in_memory.push_back(frozen->segment_group);
  }
  if (!frozen) return;
  const auto newest = static_cast<ptrdiff_t>(view->streams.size());
  add_all(*frozen);
  // Its lines came first.
  std::rotate(view->streams.begin() + before, view->streams.begin() + newest, view->streams.end());
}

bool Shard::HasActiveStream(std::string_view key) const {
  std::lock_guard lock(mu_);
  return active_->by_key.contains(key) || (frozen_ && frozen_->by_key.contains(key));
}

uint64_t Shard::ActiveStreams(std::string_view tenant) const {
  std::lock_guard lock(mu_);
  auto it = tenant_streams_.find(std::string(tenant));
  return it == tenant_streams_.end() ? 0 : it->second;
}

ShardStats Shard::Stats() const {
  std::lock_guard lock(mu_);
  ShardStats stats;
  for (const auto& [tenant, streams] : tenant_streams_) stats.streams += streams;
  stats.rows = active_->rows + (frozen_ ? frozen_->rows : 0);
  stats.memory_bytes = MemoryBytes();
  stats.appended_rows = appended_rows_;
  stats.duplicate_rows = duplicate_rows_;
  stats.flush_failures = failed_flushes_;
  stats.flushing = frozen_ ? 1 : 0;
  return stats;
}

Lsn Shard::Covered() const {
  std::lock_guard lock(mu_);
  uint64_t oldest = ~uint64_t{0};
  if (frozen_) oldest = std::min(oldest, Raw(frozen_->first_lsn));
  if (active_->first_lsn != Lsn{0}) oldest = std::min(oldest, Raw(active_->first_lsn));
  if (!queue_.empty()) oldest = std::min(oldest, Raw(queue_.front()->lsn));
  return Lsn{oldest - 1};
}

Lsn Shard::Applied() const {
  std::lock_guard lock(mu_);
  return queue_.empty() ? Lsn{~uint64_t{0}} : Lsn{Raw(queue_.front()->lsn) - 1};
}

uint64_t Shard::RequestFlush() {
  uint64_t ticket;
  {
    std::lock_guard lock(mu_);
    ticket = active_->serial;
    flush_wanted_ = std::max(flush_wanted_, ticket);
  }
  wake_.notify_all();
  return ticket;
}

absl::Status Shard::WaitForFlush(uint64_t ticket) {
  std::unique_lock lock(mu_);
  const uint64_t failed_before = failed_flushes_;
  changed_.wait(
      lock, [&] { return flushed_serial_ >= ticket || failed_flushes_ > failed_before || stop_flusher_; });
  if (flushed_serial_ >= ticket) return absl::OkStatus();
  if (failed_flushes_ > failed_before)
    return flush_status_.ok() ? Unavailable("flush failed") : flush_status_;
  return Cancelled("the store is being closed");
}

absl::Status Shard::FlushStatus() const {
  std::lock_guard lock(mu_);
  return flush_status_;
}

void Shard::WaitUntilIdle() const {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return queue_.empty(); });
}

}  // namespace skald
