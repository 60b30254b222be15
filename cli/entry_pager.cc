#include "cli/entry_pager.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::cli {
namespace {

std::string KeyOf(const Entry& entry) {
  std::string key = std::to_string(entry.time_ns);
  key += entry.labels->ToString();
  key += entry.line;
  return key;
}

}  // namespace

void SortEntries(std::vector<Entry>* entries, bool forward) {
  std::stable_sort(entries->begin(), entries->end(), [forward](const Entry& a, const Entry& b) {
    return forward ? a.time_ns < b.time_ns : a.time_ns > b.time_ns;
  });
}

absl::Status PageEntries(TimeRange range, uint64_t limit, uint64_t batch, bool forward,
                         const FetchPage& fetch, const PageSink& sink) {
  uint64_t printed = 0;
  std::unordered_set<std::string> at_edge;  // lines already out at the time the next answer begins with
  const uint64_t usual_batch = std::clamp<uint64_t>(batch, 1, kMaxBatch);
  batch = usual_batch;
  while (limit == 0 || printed < limit) {
    // The lines at the edge come again, so there must be room for more than them.
    uint64_t ask = batch;
    if (limit != 0) ask = std::min(ask, limit - printed + at_edge.size());
    ask = std::min(std::max<uint64_t>(ask, 1), kMaxBatch);
    ASSIGN_OR_RETURN(std::vector<Entry> entries, fetch({range, ask, forward}));
    SortEntries(&entries, forward);
    const bool full = entries.size() >= ask;
    if (entries.empty()) return absl::OkStatus();
    const int64_t edge_ns = entries.back().time_ns;

    std::vector<Entry> fresh;
    for (Entry& entry : entries) {
      if (limit != 0 && printed + fresh.size() == limit) break;
      if (!at_edge.empty() && at_edge.count(KeyOf(entry)) > 0) continue;
      fresh.push_back(std::move(entry));
    }
    if (!fresh.empty()) {
      sink(fresh);
      printed += fresh.size();
    }
    if (!full) return absl::OkStatus();

    const bool stuck = fresh.empty();
    if (stuck && ask == kMaxBatch) {
      return FailedPrecondition("more than {} lines at the one time {} ns: narrow the selector", kMaxBatch,
                                edge_ns);
    }
    batch = stuck ? std::min(kMaxBatch, batch * 2) : usual_batch;
    const int64_t old_edge_ns = forward ? range.begin_ns : range.end_ns - 1;
    if (edge_ns != old_edge_ns) at_edge.clear();
    for (const Entry& entry : fresh) {
      if (entry.time_ns == edge_ns) at_edge.insert(KeyOf(entry));
    }
    if (forward) {
      range.begin_ns = edge_ns;
    } else {
      range.end_ns = edge_ns + 1;
    }
    // The repeats alone may fill the usual batch.
    if (at_edge.size() >= batch) batch = std::min<uint64_t>(kMaxBatch, at_edge.size() * 2);
  }
  return absl::OkStatus();
}

std::vector<Entry> SeenWindow::TakeNew(std::vector<Entry> entries) {
  std::vector<Entry> fresh;
  for (Entry& entry : entries) {
    std::string key = KeyOf(entry);
    if (!keys_.insert(key).second) continue;
    newest_ns_ = std::max(newest_ns_, entry.time_ns);
    order_.push_back({entry.time_ns, std::move(key)});
    fresh.push_back(std::move(entry));
  }
  const int64_t oldest_ns = begin_ns();
  std::erase_if(order_, [&](const Seen& seen) {
    if (seen.time_ns >= oldest_ns) return false;
    keys_.erase(seen.key);
    return true;
  });
  return fresh;
}

}  // namespace skald::cli
