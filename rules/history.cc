#include "rules/history.h"

#include <algorithm>

#include "base/coding.h"
#include "base/error.h"
#include "base/log.h"

namespace skald::rules {
namespace {

constexpr size_t kCapacity = 100'000;
constexpr size_t kMaxBatch = 500;
constexpr int64_t kPauseMs = 1'000;

}  // namespace

History::History(HistorySink sink, RuleDb* db, AuditLog* audit)
    : sink_(std::move(sink)), audit_(audit), queue_(db, "history", kCapacity), thread_([this] { Run(); }) {}

History::~History() {
  queue_.Stop();
  thread_.join();
}

void History::Enqueue(RuleDbBatch* batch, const RulePlace& place,
                      const std::vector<Transition>& transitions) {
  for (const Transition& transition : transitions) {
    const std::string line = TransitionLine(place, transition);
    std::string payload;
    PutText(&payload, place.tenant);
    PutSignedVarint(&payload, transition.time_ns);
    PutText(&payload, transition.instance.labels.Get("alertname"));
    PutText(&payload, Name(transition.to));
    PutText(&payload, line);
    queue_.Append(batch, std::move(payload));
    if (audit_ != nullptr) audit_->Write(line);
  }
}

void History::Run() {
  while (queue_.Wait(60'000)) {
    const std::vector<DurableQueue::Item> items = queue_.Front(kMaxBatch, 1 << 20);
    if (items.empty()) continue;
    std::string tenant;
    std::vector<HistoryLine> lines;
    uint64_t last = 0;
    for (const DurableQueue::Item& item : items) {
      ByteReader in(item.payload);
      const std::string of(in.Text());
      HistoryLine line;
      line.time_ns = in.SignedVarint();
      line.alert = in.Text();
      line.state = in.Text();
      line.line = in.Text();
      if (!in.ok()) {
        last = item.sequence;
        continue;
      }
      if (!lines.empty() && of != tenant) break;
      tenant = of;
      lines.push_back(std::move(line));
      last = item.sequence;
    }
    std::stable_sort(lines.begin(), lines.end(),
                     [](const HistoryLine& a, const HistoryLine& b) { return a.time_ns < b.time_ns; });
    absl::Status status = lines.empty() ? absl::OkStatus() : sink_(tenant, lines);
    if (!status.ok() && status.code() != absl::StatusCode::kInvalidArgument) {
      LogWarn("history of alerts waits", "lines={} error=\"{}\"", lines.size(), MessageOf(status));
      if (!queue_.Pause(kPauseMs)) return;
      continue;
    }
    if (!status.ok()) LogError("history of alerts refused", "error=\"{}\"", MessageOf(status));
    status = queue_.Pop(last);
    if (!status.ok()) LogError("queue of alert history not shortened", "error=\"{}\"", MessageOf(status));
  }
}

}  // namespace skald::rules
