#include "server/tail/tail_hub.h"

#include <algorithm>

namespace skald::server {

void TailFeed::Push(const FreshRows& rows) {
  {
    const std::lock_guard lock(mu_);
    if (wanted_.size() > kMaxKnownStreams) wanted_.clear();
    const auto [it, added] = wanted_.try_emplace(Raw(rows.stream), false);
    if (added) {
      it->second = std::all_of(matchers_.begin(), matchers_.end(),
                               [&](const Matcher& m) { return m.Matches(rows.labels->Get(m.name())); });
    }
    if (!it->second) return;
    const uint64_t bytes = rows.rows->text.size() + rows.rows->size() * sizeof(int64_t);
    if (waiting_bytes_ + bytes > kMaxWaitingBytes) {
      for (const int64_t t_ns : rows.rows->time_ns) {
        if (waiting_.dropped.size() >= kMaxDroppedEntries) break;
        waiting_.dropped.push_back({t_ns, rows.labels});
      }
      return;
    }
    waiting_bytes_ += bytes;
    waiting_.parts.push_back({rows.stream, rows.labels, rows.rows, rows.shard, rows.version});
    if (waiting_.parts.size() > 1) return;
  }
  on_rows_();
}

TailFeed::Batch TailFeed::Take() {
  const std::lock_guard lock(mu_);
  waiting_bytes_ = 0;
  return std::exchange(waiting_, {});
}

void TailHub::Publish(const FreshRows& rows) {
  if (feeds_.load(std::memory_order_acquire) == 0) return;
  std::vector<std::shared_ptr<TailFeed>> feeds;
  {
    const std::lock_guard lock(mu_);
    const auto it = by_tenant_.find(std::string(rows.tenant));
    if (it == by_tenant_.end()) return;
    std::erase_if(it->second, [&](const std::weak_ptr<TailFeed>& weak) {
      std::shared_ptr<TailFeed> feed = weak.lock();
      if (feed == nullptr) {
        feeds_.fetch_sub(1);
        return true;
      }
      feeds.push_back(std::move(feed));
      return false;
    });
    if (it->second.empty()) by_tenant_.erase(it);
  }
  for (const std::shared_ptr<TailFeed>& feed : feeds) feed->Push(rows);
}

bool TailHub::Enter(const std::string& tenant, int64_t max, int64_t* count) {
  const std::lock_guard lock(mu_);
  int64_t& tails = tails_[tenant];
  *count = tails + 1;
  if (max > 0 && tails >= max) return false;
  ++tails;
  return true;
}

void TailHub::Leave(const std::string& tenant) {
  const std::lock_guard lock(mu_);
  const auto it = tails_.find(tenant);
  if (it != tails_.end() && --it->second <= 0) tails_.erase(it);
}

void TailHub::Subscribe(const std::string& tenant, const std::shared_ptr<TailFeed>& feed) {
  const std::lock_guard lock(mu_);
  by_tenant_[tenant].push_back(feed);
  feeds_.fetch_add(1, std::memory_order_release);
}

}  // namespace skald::server
