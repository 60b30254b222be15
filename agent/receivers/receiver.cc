#include "agent/receivers/receiver.h"

#include <algorithm>

#include "agent/stages/stage.h"

namespace skald::agent {
namespace {

constexpr size_t kMaxKnown = 4096;
// With more streams than this in one read, a few stand twice.
constexpr size_t kSearchedStreams = 16;

}  // namespace

Labels VisibleLabels(const Labels& labels) {
  std::vector<Labels::Pair> visible;
  for (const auto& pair : labels) {
    if (!pair.first.starts_with("__") || pair.first == kTenantLabel) visible.push_back(pair);
  }
  return Labels(std::move(visible));
}

void ReceiverCounters::Count(std::string_view reason, uint64_t lines, uint64_t bytes, ByReason* counts) {
  auto found = counts->find(reason);
  if (found == counts->end()) found = counts->try_emplace(std::string(reason)).first;
  found->second.lines += lines;
  found->second.bytes += bytes;
}

void ReceiverCounters::CountKept(std::string_view source, uint64_t lines, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mu_);
  Count(source, lines, bytes, &received_);
}

void ReceiverCounters::CountDropped(std::string_view source, std::string_view reason, uint64_t lines,
                                    uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mu_);
  Count(source, lines, bytes, &received_);
  Count(reason, lines, bytes, &dropped_);
}

void ReceiverCounters::CountMalformed(std::string_view source) {
  const std::lock_guard<std::mutex> lock(mu_);
  Count(source, 1, 0, &malformed_);
}

ReceiverCounters::ByReason ReceiverCounters::received() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return received_;
}

ReceiverCounters::ByReason ReceiverCounters::dropped() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return dropped_;
}

ReceiverCounters::ByReason ReceiverCounters::malformed() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return malformed_;
}

const Labels* ReceiverLabels::Of(const Labels& labels, std::string_view* reason) {
  std::string text = labels.ToString();
  auto known = known_.find(text);
  if (known == known_.end()) {
    if (known_.size() >= kMaxKnown) known_.clear();
    Known made{labels, true};
    if (job_->relabelling) made.kept = job_->relabelling->Apply(&made.labels);
    made.labels = VisibleLabels(made.labels);
    known = known_.emplace(std::move(text), std::move(made)).first;
  }
  if (known->second.kept && !known->second.labels.empty()) return &known->second.labels;
  *reason = known->second.kept ? "empty_labels" : "relabel_configs";
  return nullptr;
}

void ReceivedEntries::Add(const Labels& labels, SpoolEntry entry) {
  const auto begin =
      streams_.size() > kSearchedStreams ? streams_.end() - kSearchedStreams : streams_.begin();
  auto stream =
      std::find_if(begin, streams_.end(), [&](const SpoolStream& one) { return one.labels == labels; });
  if (stream == streams_.end()) stream = streams_.insert(streams_.end(), {labels, {}});
  stream->entries.push_back(std::move(entry));
}

uint64_t ReceivedEntries::lines() const {
  uint64_t lines = 0;
  for (const SpoolStream& stream : streams_) lines += stream.entries.size();
  return lines;
}

uint64_t ReceivedEntries::bytes() const {
  uint64_t bytes = 0;
  for (const SpoolStream& stream : streams_) {
    for (const SpoolEntry& entry : stream.entries) bytes += entry.line.size();
  }
  return bytes;
}

}  // namespace skald::agent
