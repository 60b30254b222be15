#include "query/exec/windows/late_log.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace skald::exec {
namespace {

// What questions for several tenants name a stream's own by, or its end: original___tenant_id__.
constexpr std::string_view kTenantLabel = "__tenant_id__";
constexpr int64_t kHourNs = int64_t{3600} * kNsPerSecond;

}  // namespace

void LateLog::Cover(int64_t until_ns) {
  const std::lock_guard lock(mu_);
  covered_ns_ = std::max(covered_ns_, until_ns);
}

void LateLog::Add(std::string_view tenant, StreamId stream, const std::shared_ptr<const Labels>& labels,
                  int64_t min_ns, int64_t max_ns, uint64_t batch) {
  const std::lock_guard lock(mu_);
  if (min_ns > covered_ns_) return;
  // Streams of two tenants may have one number.
  const uint64_t salt = several_ ? std::hash<std::string_view>()(tenant) : 0;
  Push(Entry{0, Raw(stream) ^ salt, labels, min_ns, max_ns, batch});
}

void LateLog::AddLoss(int64_t min_ns, int64_t max_ns) {
  const std::lock_guard lock(mu_);
  if (min_ns <= covered_ns_) Push(Entry{0, 0, nullptr, min_ns, max_ns, kAnyBatch});
}

void LateLog::Push(Entry entry) {
  entry.number = next_++;
  entries_.push_back(std::move(entry));
  if (entries_.size() <= max_entries_) return;
  Join(true);
  if (entries_.size() > max_entries_ / 2) Join(false);
  while (entries_.size() > max_entries_ / 2) {
    lost_before_ = entries_.front().number + 1;
    entries_.pop_front();
  }
}

void LateLog::Join(bool streams) {
  std::map<std::pair<uint64_t, int64_t>, Entry> joined;
  for (Entry& entry : entries_) {
    // A loss has no stream, and no stream's number.
    const uint64_t stream = streams && entry.labels != nullptr ? entry.stream : ~uint64_t{0};
    const auto [it, added] = joined.try_emplace({stream, entry.min_ns / kHourNs}, entry);
    if (added) continue;
    Entry& into = it->second;
    into.number = entry.number;
    into.min_ns = std::min(into.min_ns, entry.min_ns);
    into.max_ns = std::max(into.max_ns, entry.max_ns);
    into.batch = std::max(into.batch, entry.batch);
    if (into.stream != entry.stream) into.labels = nullptr;
  }
  entries_.clear();
  for (auto& [key, entry] : joined) entries_.push_back(std::move(entry));
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.number < b.number; });
}

uint64_t LateLog::end() const {
  const std::lock_guard lock(mu_);
  return next_;
}

bool LateLog::Take(uint64_t* cursor, int64_t after_ns, int64_t until_ns, uint64_t batch,
                   std::vector<Entry>* out) const {
  const std::lock_guard lock(mu_);
  const bool complete = *cursor >= lost_before_;
  const auto begin = std::partition_point(entries_.begin(), entries_.end(),
                                          [&](const Entry& entry) { return entry.number < *cursor; });
  for (auto it = begin; it != entries_.end(); ++it) {
    if (it->min_ns <= until_ns && it->max_ns > after_ns && it->batch > batch) out->push_back(*it);
  }
  *cursor = next_;
  return complete;
}

bool LateLog::Matches(const std::vector<Matcher>& matchers, const Entry& entry) const {
  if (entry.labels == nullptr) return true;
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& matcher) {
    if (several_ && matcher.name().ends_with(kTenantLabel)) return true;
    return matcher.Matches(entry.labels->Get(matcher.name()));
  });
}

}  // namespace skald::exec
