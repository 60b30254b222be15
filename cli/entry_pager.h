// Takes more lines than one answer may hold, batch by batch, as logcli does: the next batch starts at the
// time of the last line received, and lines that come twice because of that are dropped.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/types.h"
#include "cli/answer.h"

namespace skald::cli {

// Entries of an answer in one order over all its streams: ascending time where forward, descending otherwise;
// equal times stay as they came.
void SortEntries(std::vector<Entry>* entries, bool forward);

struct PageRequest {
  TimeRange range;
  uint64_t limit = 0;  // never 0
  bool forward = false;
};
// One answer: at most request.limit lines of request.range, from its begin (forward) or its end.
using FetchPage = std::function<absl::StatusOr<std::vector<Entry>>(const PageRequest&)>;
using PageSink = std::function<void(const std::vector<Entry>&)>;

// Hands lines of range to sink in order until `limit` lines (0 = all) are out or the range is exhausted. An
// answer that is full of one single time cannot be paged past with this batch: it is asked again with a
// larger one, up to kMaxBatch; then FailedPrecondition.
inline constexpr uint64_t kMaxBatch = 5000;
absl::Status PageEntries(TimeRange range, uint64_t limit, uint64_t batch, bool forward,
                         const FetchPage& fetch, const PageSink& sink);

// Tells lines that were seen before from new ones within a sliding span of time, for tails whose connection
// is made anew.
class SeenWindow {
 public:
  explicit SeenWindow(int64_t span_ns) : span_ns_(span_ns) {}

  // The entries not seen yet, in their order; forgets what is older than the newest time seen minus the span.
  std::vector<Entry> TakeNew(std::vector<Entry> entries);
  // Where the next question has to begin so that nothing of the span is missed; kMinTimeNs before the first
  // entry.
  int64_t begin_ns() const { return newest_ns_ == kMinTimeNs ? kMinTimeNs : newest_ns_ - span_ns_; }

 private:
  struct Seen {
    int64_t time_ns;
    std::string key;
  };
  int64_t span_ns_;
  int64_t newest_ns_ = kMinTimeNs;
  std::vector<Seen> order_;
  std::unordered_set<std::string> keys_;
};

}  // namespace skald::cli
