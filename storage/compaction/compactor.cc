#include "storage/compaction/compactor.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/filenames.h"
#include "storage/flush.h"
#include "storage/segment/segment_group.h"

namespace skald {
namespace {

// How long after its end a day counts as over: lines come late.
constexpr int64_t kDayClosesAfterNs = 60 * 60 * kNsPerSecond;
constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;
// A class that gets so many new segments is merged although more come.
constexpr size_t kMergeThoughBusy = 32;
// A segment is rewritten when this part of its lines has ended, or some of them so long ago.
constexpr double kRewriteEnded = 0.25;
constexpr int64_t kRewriteEndedNs = kDayNs;

// Threads of the kernel have a niceness each; reading and writing follow it.
void BecomeLowPriority() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 15);
  constexpr int kWhoProcess = 1;
  constexpr int kBestEffortLowest = 2 << 13 | 7;
  (void)::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffortLowest);
}

int64_t Before(int64_t now_ns, int64_t period_ns) {
  return now_ns < kMinTimeNs + period_ns ? kMinTimeNs : now_ns - period_ns;
}

}  // namespace

// Drops rows that retention has ended.
class Compactor::RetentionSieve final : public RowSieve {
 public:
  RetentionSieve(std::shared_ptr<const RetentionRules> rules, int64_t now_ns)
      : rules_(std::move(rules)), now_ns_(now_ns) {}

  Verdict Judge(std::string_view tenant, const Labels& stream, int64_t min_ns, int64_t max_ns) override {
    const int64_t cut = CutOf(tenant, stream);
    return min_ns >= cut ? Verdict::kKeepAll : max_ns < cut ? Verdict::kDropAll : Verdict::kAskForRows;
  }
  void Drop(std::string_view tenant, const Labels& stream, const Rows& rows, uint32_t begin, uint32_t end,
            std::vector<uint32_t>* dropped) override {
    const int64_t cut = CutOf(tenant, stream);
    for (uint32_t row = begin; row < end && rows.time_ns[row] < cut; ++row) dropped->push_back(row);
  }

 private:
  int64_t CutOf(std::string_view tenant, const Labels& stream) const {
    const int64_t period = rules_ == nullptr ? 0 : rules_->PeriodNs(tenant, stream);
    return period <= 0 ? kMinTimeNs : Before(now_ns_, period);
  }

  const std::shared_ptr<const RetentionRules> rules_;
  const int64_t now_ns_;
};

// Drops rows that a delete names.
class Compactor::PurgeSieve final : public RowSieve {
 public:
  PurgeSieve(std::string_view tenant, const ActiveDelete* what) : tenant_(tenant), what_(what) {}

  bool Names(std::string_view tenant, const Labels& stream) const {
    return tenant == tenant_ &&
           std::all_of(what_->matchers.begin(), what_->matchers.end(),
                       [&](const Matcher& matcher) { return matcher.Matches(stream.Get(matcher.name())); });
  }
  Verdict Judge(std::string_view tenant, const Labels& stream, int64_t min_ns, int64_t max_ns) override {
    if (max_ns < what_->start_ns || min_ns > what_->end_ns || !Names(tenant, stream))
      return Verdict::kKeepAll;
    const bool whole = min_ns >= what_->start_ns && max_ns <= what_->end_ns && !what_->filter;
    return whole ? Verdict::kDropAll : Verdict::kAskForRows;
  }
  void Drop(std::string_view, const Labels& stream, const Rows& rows, uint32_t begin, uint32_t end,
            std::vector<uint32_t>* dropped) override {
    const auto times = rows.time_ns.begin();
    const auto first =
        static_cast<uint32_t>(std::lower_bound(times + begin, times + end, what_->start_ns) - times);
    const auto last =
        static_cast<uint32_t>(std::upper_bound(times + first, times + end, what_->end_ns) - times);
    if (first == last) return;
    if (what_->filter) return what_->filter(stream, rows, first, last, dropped);
    for (uint32_t row = first; row < last; ++row) dropped->push_back(row);
  }

 private:
  const std::string_view tenant_;
  const ActiveDelete* const what_;
};

void Compactor::Start() {
  if (options_.interval_ms > 0) thread_ = std::thread([this] { RunInBackground(); });
}

void Compactor::Stop() {
  stop_ = true;
  {
    const std::lock_guard lock(mu_);  // so that the thread is not between its look at stop_ and its wait
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Compactor::Wake() {
  {
    const std::lock_guard lock(mu_);
    woken_ = true;
  }
  wake_.notify_all();
}

void Compactor::SetRetention(std::shared_ptr<const RetentionRules> rules) {
  const std::lock_guard lock(mu_);
  retention_ = std::move(rules);
  retention_changed_ = true;
}

void Compactor::RunInBackground() {
  BecomeLowPriority();
  while (true) {
    {
      std::unique_lock lock(mu_);
      wake_.wait_for(lock, std::chrono::milliseconds(options_.interval_ms),
                     [this] { return stop_.load() || woken_; });
      woken_ = false;
    }
    if (stop_) return;
    const absl::Status status = Run(false);
    if (!status.ok() && !stop_)
      LogError("compaction failed; it is tried again", "error=\"{}\"", MessageOf(status));
  }
}

absl::Status Compactor::Run(bool everything) {
  const std::lock_guard run(run_mu_);
  absl::Status result = DeleteOrphans();
  // Taking away comes first, and does not wait for what a merge cannot do.
  const auto round = [&](Maintenance what, const std::function<absl::Status()>& run_round) {
    const int64_t began_ns = MonotonicNs();
    absl::Status status = run_round();
    if (environment_.observer != nullptr && !stop_)
      environment_.observer->OnMaintenance(what, status.ok(), MonotonicNs() - began_ns);
    result.Update(std::move(status));
  };
  round(Maintenance::kRetention, [this] {
    absl::Status status = RetireByAge();
    status.Update(RetireBySize());
    return status;
  });
  round(Maintenance::kCompaction, [&] { return MergeDue(everything); });
  if (!result.ok() && !stop_) {
    const std::lock_guard lock(mu_);
    ++stats_.failures;
  }
  return result;
}

absl::StatusOr<std::vector<MergeInput>> Compactor::Load(const std::vector<SegmentInfo>& infos) {
  std::vector<MergeInput> inputs;
  for (const SegmentInfo& info : infos) {
    MergeInput input;
    input.info = info;
    ASSIGN_OR_RETURN(input.reader, environment_.segments->Get(info.id));
    absl::StatusOr<SegmentFooter> footer = input.reader->ReadFooter();
    if (!footer.ok()) {
      if (footer.status().code() == absl::StatusCode::kDataLoss && unreadable_.insert(info.id).second) {
        LogError("segment has a damaged footer and is left as it is (skald fsck --repair saves its blocks)",
                 "error=\"{}\"", MessageOf(footer.status()));
      }
      return footer.status();
    }
    input.footer = *std::move(footer);
    inputs.push_back(std::move(input));
  }
  return inputs;
}

absl::Status Compactor::Commit(const SegmentCommit& commit, const std::vector<SegmentInfo>& removed,
                               bool loses_lines) {
  if (absl::Status status = Failpoint("compact.before_commit"); !status.ok()) {
    for (const SegmentInfo& info : commit.segments)
      (void)environment_.blobs->Delete(SegmentFileName(info.id));
    return status;
  }
  absl::Status status;
  if (loses_lines && environment_.lines_going) {
    for (const SegmentInfo& info : removed) status.Update(environment_.lines_going(info.min_ns, info.max_ns));
  }
  if (status.ok()) status = environment_.index->Commit(commit);
  if (loses_lines && environment_.lines_removed) {
    for (const SegmentInfo& info : removed) environment_.lines_removed(info.min_ns, info.max_ns);
  }
  if (!status.ok()) {
    // It may have reached the disk nevertheless, so the files stay until the index answers for itself.
    for (const SegmentInfo& info : commit.segments) orphans_.push_back(info.id);
    environment_.index->Recover();
    return status;
  }
  RETURN_IF_ERROR(Failpoint("compact.after_commit"));
  environment_.replaced(commit.segments, removed);
  environment_.wait_for_readers();
  for (const SegmentInfo& info : removed) {
    environment_.segments->Drop(info.id);
    next_expiry_ns_.erase(info.id);
    RETURN_IF_ERROR(Failpoint("compact.before_delete"));
    RETURN_IF_ERROR(environment_.blobs->Delete(SegmentFileName(info.id)));
  }
  return Failpoint("compact.after_delete");
}

absl::StatusOr<MergeResult> Compactor::Rewrite(const std::vector<SegmentInfo>& infos, MergeOptions options,
                                               bool keep_empty, const std::string& purge) {
  ASSIGN_OR_RETURN(const std::vector<MergeInput> inputs, Load(infos));
  options.output = SegmentOfGroup(environment_.new_segment_group(), 0);
  options.block_text_bytes = options_.block_text_bytes;
  options.cancelled = &stop_;
  absl::StatusOr<MergeResult> result =
      MergeSegments(inputs, options, keep_empty, environment_.index, environment_.blobs);
  if (result.status().code() == absl::StatusCode::kDataLoss) {
    // The block keeps its place, so that every answer that misses it says so.
    for (const SegmentInfo& info : infos) {
      if (MessageOf(result.status()).find(SegmentFileName(info.id)) != std::string_view::npos)
        unreadable_.insert(info.id);
    }
  }
  RETURN_IF_ERROR(result.status());
  if (!purge.empty()) {
    if (result->dropped_rows == 0 && result->damaged_blocks == 0) {
      for (const SegmentInfo& info : result->commit.segments)
        RETURN_IF_ERROR(environment_.blobs->Delete(SegmentFileName(info.id)));
      return result;
    }
    result->commit.purge = purge;
    result->commit.purged_rows = result->dropped_rows;
  }
  RETURN_IF_ERROR(Commit(result->commit, infos, result->dropped_rows > 0 || result->damaged_blocks > 0));
  const std::lock_guard lock(mu_);
  ++stats_.merges;
  stats_.merged_bytes += result->input_bytes;
  stats_.written_bytes += result->output_bytes;
  stats_.repeated_rows += result->repeated_rows;
  (purge.empty() ? stats_.retired_rows : stats_.purged_rows) += result->dropped_rows;
  return result;
}

absl::Status Compactor::DeleteOrphans() {
  if (orphans_.empty()) return absl::OkStatus();
  // Once something is durable in the index, so is what it says of what came before.
  RETURN_IF_ERROR(environment_.index->Commit(SegmentCommit()));
  while (!orphans_.empty()) {
    ASSIGN_OR_RETURN(const std::optional<SegmentInfo> known, environment_.index->Segment(orphans_.back()));
    if (!known) RETURN_IF_ERROR(environment_.blobs->Delete(SegmentFileName(orphans_.back())));
    orphans_.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Compactor::Drop(const SegmentInfo& info, const SegmentFooter& footer) {
  SegmentCommit commit;
  commit.shard = info.shard;
  commit.replaced.push_back(info.id);
  std::vector<StreamId> ids;
  for (const SegmentStream& stream : footer.streams) {
    ASSIGN_OR_RETURN(const Labels labels, ParseLabels(stream.labels));
    ASSIGN_OR_RETURN(const StreamId id, environment_.index->GetOrCreate(stream.tenant, labels));
    ids.push_back(id);
  }
  commit.replaced_streams = EntriesOfSegment(info.id, footer, ids);
  RETURN_IF_ERROR(Failpoint("retain.before_drop"));
  RETURN_IF_ERROR(Commit(commit, {info}, true));
  const std::lock_guard lock(mu_);
  ++stats_.retired_segments;
  stats_.retired_rows += footer.rows;
  return absl::OkStatus();
}

absl::Status Compactor::RetireByAge() {
  std::shared_ptr<const RetentionRules> rules;
  {
    const std::lock_guard lock(mu_);
    rules = retention_;
    if (retention_changed_) next_expiry_ns_.clear();
    retention_changed_ = false;
  }
  if (rules == nullptr || rules->ShortestNs() <= 0) return absl::OkStatus();
  const int64_t now_ns = options_.clock->NowNs();
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, environment_.index->Segments());
  RetentionSieve sieve(rules, now_ns);
  absl::Status result;
  std::set<std::string> tenants;
  for (const SegmentInfo& info : segments) {
    if (stop_) return absl::OkStatus();
    if (info.blocks == 0 || info.min_ns >= Before(now_ns, rules->ShortestNs())) continue;
    if (const auto known = next_expiry_ns_.find(info.id);
        known != next_expiry_ns_.end() && known->second > now_ns) {
      continue;
    }
    absl::StatusOr<std::vector<MergeInput>> loaded = Load({info});
    if (!loaded.ok()) {
      if (!unreadable_.contains(info.id)) result = loaded.status();
      continue;
    }
    const SegmentFooter& footer = loaded->front().footer;
    std::vector<int64_t> period;
    for (const SegmentStream& stream : footer.streams) {
      ASSIGN_OR_RETURN(const Labels labels, ParseLabels(stream.labels));
      period.push_back(rules->PeriodNs(stream.tenant, labels));
      tenants.insert(stream.tenant);
    }
    uint64_t ended_bytes = 0;
    bool all_ended = true;
    bool long_ended = false;
    int64_t next_ns = std::numeric_limits<int64_t>::max();
    for (const BlockHeader& block : footer.blocks) {
      for (const BlockSlice& slice : block.slices) {
        const int64_t kept_ns = period[slice.stream];
        const bool ended = kept_ns > 0 && slice.max_ns < Before(now_ns, kept_ns);
        all_ended = all_ended && ended;
        if (ended) {
          ended_bytes += slice.line_bytes;
          long_ended = long_ended || slice.max_ns < Before(now_ns, kept_ns + kRewriteEndedNs);
        } else if (kept_ns > 0) {
          next_ns =
              std::min(next_ns, slice.max_ns < kMaxTimeNs - kept_ns ? slice.max_ns + kept_ns : kMaxTimeNs);
        }
      }
    }
    absl::Status status;
    if (all_ended) {
      status = Drop(info, footer);
    } else if (ended_bytes > 0 &&
               (long_ended ||
                static_cast<double>(ended_bytes) > kRewriteEnded * static_cast<double>(footer.line_bytes))) {
      MergeOptions options;
      options.encode_anew = false;
      options.sieve = &sieve;
      if (HasRoomFor(info.bytes)) status = Rewrite({info}, options, false, "").status();
    } else {
      // Some of it has ended: looked at again when more has, an hour from now at the latest.
      next_expiry_ns_[info.id] =
          ended_bytes > 0 ? std::min(next_ns, now_ns + 60 * 60 * kNsPerSecond) : next_ns;
    }
    if (!status.ok() && result.ok()) result = std::move(status);
  }
  for (const std::string& tenant : tenants) {
    const int64_t longest = rules->LongestNs(tenant);
    if (longest <= 0) continue;
    // A day more than is needed, so that nothing of a day that counts is touched.
    const Day day = DayOf(Before(now_ns, longest)) - 1;
    if (auto [at, added] = forgotten_.try_emplace(tenant, day); added || at->second < day) {
      at->second = day;
      RETURN_IF_ERROR(environment_.index->ForgetDaysBefore(tenant, day));
    }
  }
  return result;
}

absl::Status Compactor::RetireBySize() {
  absl::StatusOr<std::vector<SegmentInfo>> segments = environment_.index->Segments();
  RETURN_IF_ERROR(segments.status());
  uint64_t own = 0;
  for (const SegmentInfo& info : *segments) own += info.bytes;
  uint64_t excess = options_.max_bytes > 0 && own > options_.max_bytes ? own - options_.max_bytes : 0;
  if (options_.min_free > 0) {
    ASSIGN_OR_RETURN(const DiskSpace space, environment_.disk_space());
    // Where others fill the disk, giving up all lines would not help: a quarter of what is left to us at most
    // is kept free.
    const auto wanted = static_cast<uint64_t>(std::min(options_.min_free * static_cast<double>(space.total),
                                                       0.25 * static_cast<double>(space.available + own)));
    if (space.available < wanted) excess = std::max(excess, wanted - space.available);
  }
  if (excess == 0) return absl::OkStatus();
  std::sort(segments->begin(), segments->end(),
            [](const SegmentInfo& a, const SegmentInfo& b) { return a.max_ns < b.max_ns; });
  uint64_t gone = 0;
  for (const SegmentInfo& info : *segments) {
    if (gone >= excess || stop_) break;
    if (info.blocks == 0 || unreadable_.contains(info.id)) continue;
    const absl::StatusOr<std::vector<MergeInput>> loaded = Load({info});
    if (!loaded.ok()) continue;
    RETURN_IF_ERROR(Drop(info, loaded->front().footer));
    LogWarn("the disk is getting full; the oldest lines were removed",
            "segment={} bytes={} rows={} latest_ns={}", SegmentFileName(info.id), info.bytes,
            loaded->front().footer.rows, info.max_ns);
    gone += info.bytes;
  }
  return absl::OkStatus();
}

bool Compactor::HasRoomFor(uint64_t bytes) const {
  const absl::StatusOr<DiskSpace> space = environment_.disk_space();
  // Twice, because the log and flushes go on meanwhile.
  return !space.ok() || space->available / 2 > bytes;
}

void Compactor::WatchClasses(const std::vector<SegmentInfo>& segments, int64_t now_ns) {
  for (const SegmentInfo& info : segments) {
    if (info.level > 0) continue;
    auto [at, added] = watched_.try_emplace(ClassOf(info));
    if (!added && at->second.newest >= Raw(info.id)) continue;
    at->second = {Raw(info.id), now_ns};
  }
}

bool Compactor::IsClosed(const SegmentClass& which, int64_t now_ns) const {
  if (which.day && int64_t{*which.day} >= DayOf(Before(now_ns, kDayClosesAfterNs))) return false;
  const auto at = watched_.find(which);
  return at == watched_.end() || MonotonicNs() - at->second.since_ns >= options_.quiet_ms * kNsPerMs;
}

absl::Status Compactor::MergeDue(bool everything) {
  absl::Status result;
  // What was merged may be merged again with others, so until there is nothing more to do.
  while (!stop_) {
    ASSIGN_OR_RETURN(std::vector<SegmentInfo> segments, environment_.index->Segments());
    std::erase_if(segments, [&](const SegmentInfo& info) { return unreadable_.contains(info.id); });
    WatchClasses(segments, MonotonicNs());
    std::map<SegmentClass, size_t> flushed;
    for (const SegmentInfo& info : segments) flushed[ClassOf(info)] += info.level == 0 ? 1 : 0;
    const int64_t now_ns = options_.clock->NowNs();
    const std::vector<std::vector<SegmentInfo>> merges = PlanMerges(
        segments,
        [&](const SegmentClass& which) {
          return everything || flushed[which] >= kMergeThoughBusy || IsClosed(which, now_ns);
        },
        options_.plan);
    bool progress = false;
    for (const std::vector<SegmentInfo>& inputs : merges) {
      if (stop_) return result;
      uint64_t bytes = 0;
      for (const SegmentInfo& info : inputs) bytes += info.bytes;
      if (!HasRoomFor(bytes)) continue;
      std::shared_ptr<const RetentionRules> rules;
      {
        const std::lock_guard lock(mu_);
        rules = retention_;
      }
      RetentionSieve sieve(rules, now_ns);
      MergeOptions options;
      options.sieve = &sieve;
      const size_t unreadable = unreadable_.size();
      const absl::StatusOr<MergeResult> merged = Rewrite(inputs, options, false, "");
      if (merged.ok()) {
        progress = true;
        LogDebug("segments merged", "segments={} bytes={} written_bytes={} rows={} repeated_rows={}",
                 inputs.size(), merged->input_bytes, merged->output_bytes, merged->rows,
                 merged->repeated_rows);
      } else if (merged.status().code() == absl::StatusCode::kDataLoss) {
        progress = progress || unreadable_.size() > unreadable;  // without the segment that is damaged
        LogError("segment has a damaged block and is left as it is", "error=\"{}\"",
                 MessageOf(merged.status()));
      } else {
        return merged.status();
      }
    }
    if (!progress) break;
  }
  return result;
}

absl::StatusOr<uint64_t> Compactor::Purge(const std::string& tenant, const std::string& name,
                                          const ActiveDelete& what) {
  const std::lock_guard run(run_mu_);
  RETURN_IF_ERROR(DeleteOrphans());
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, environment_.index->Segments());
  PurgeSieve sieve(tenant, &what);
  const std::string purge = tenant + '\0' + name;
  for (const SegmentInfo& info : segments) {
    if (stop_) return Cancelled("the store is being closed");
    if (info.blocks == 0 || info.max_ns < what.start_ns || info.min_ns > what.end_ns) continue;
    ASSIGN_OR_RETURN(const std::vector<MergeInput> loaded, Load({info}));
    const SegmentFooter& footer = loaded.front().footer;
    std::vector<bool> named;
    for (const SegmentStream& stream : footer.streams) {
      ASSIGN_OR_RETURN(const Labels labels, ParseLabels(stream.labels));
      named.push_back(sieve.Names(stream.tenant, labels));
    }
    const bool touched =
        std::any_of(footer.blocks.begin(), footer.blocks.end(), [&](const BlockHeader& block) {
          return std::any_of(block.slices.begin(), block.slices.end(), [&](const BlockSlice& slice) {
            return named[slice.stream] && slice.max_ns >= what.start_ns && slice.min_ns <= what.end_ns;
          });
        });
    if (!touched) continue;
    if (!HasRoomFor(info.bytes))
      return ResourceExhausted("no room on the disk to rewrite segment {}", SegmentFileName(info.id));
    MergeOptions options;
    options.encode_anew = false;
    options.leave_out_damaged = true;
    options.sieve = &sieve;
    // Should the index be lost, the log must not bring back what no segment says to be stored any more.
    const bool last = std::none_of(segments.begin(), segments.end(), [&](const SegmentInfo& other) {
      return other.id != info.id && other.shard == info.shard && other.covered >= info.covered;
    });
    RETURN_IF_ERROR(Rewrite({info}, options, last, purge).status());
    RETURN_IF_ERROR(Failpoint("purge.after_segment"));
  }
  return environment_.index->PurgedRows(purge);
}

CompactionStats Compactor::Stats() const {
  const std::lock_guard lock(mu_);
  return stats_;
}

}  // namespace skald
