#include "agent/tail/entry_feed.h"

#include <algorithm>

#include "base/clock.h"

namespace skald::agent {
namespace {

// Label sets remembered; scopes, units and senders come and go.
constexpr size_t kMaxStreams = 4096;

}  // namespace

BatchStream* EntryFeed::StreamFor(const Labels& labels) {
  if (last_stream_ != nullptr && labels == last_labels_) return last_stream_;
  std::string text = labels.ToString();
  const auto found = streams_.find(text);
  last_labels_ = labels;
  if (found != streams_.end()) return last_stream_ = &found->second;
  if (streams_.size() >= kMaxStreams) streams_.clear();
  last_stream_ = &streams_[std::move(text)];
  last_stream_->SetLabels(labels);
  return last_stream_;
}

void EntryFeed::Count(std::string_view reason, uint64_t bytes) {
  if (!counting_) return;
  auto dropped = dropped_.find(reason);
  if (dropped == dropped_.end()) dropped = dropped_.try_emplace(std::string(reason)).first;
  ++dropped->second.lines;
  dropped->second.bytes += bytes;
}

void EntryFeed::AddDropped(Dropped* dropped) const {
  for (const auto& [reason, counts] : dropped_) {
    (*dropped)[reason].lines += counts.lines;
    (*dropped)[reason].bytes += counts.bytes;
  }
}

void EntryFeed::Put(const Labels& labels, const BatchRow& row) {
  BatchStream* const stream = StreamFor(labels);
  if (counting_ && rules_->refuses()) {
    const std::string_view reason = rules_->Refuse(stream->labels, MonotonicNs());
    if (!reason.empty()) return Count(reason, row.text.size());
  }
  batch_->Add(stream, row);
}

void EntryFeed::Drop(const Entry& entry) { Count(entry.drop_reason, entry.line.size()); }

void EntryFeed::Emit(Entry* entry) {
  if (entry->labels != given_) rules_->Guard(given_, entry);
  BatchRow row;
  row.time_ns = entry->time_ns;
  row.text = entry->line;
  row.cut_bytes = entry->cut_bytes;
  row.level = entry->level;
  row.metadata = &entry->metadata;
  Put(entry->labels, row);
}

void EntryFeed::Add(const Labels& labels, const BatchRow& row, bool counting, BatchBuilder* batch) {
  batch_ = batch;
  counting_ = counting;
  if (row.cut_bytes > 0 && rules_->drop_long_lines()) {
    Count("line_too_long", row.text.size() + row.cut_bytes);
  } else if (pipeline_ == nullptr) {
    Put(labels, row);
  } else {
    given_ = labels;
    entry_.labels = labels;
    entry_.time_ns = row.time_ns;
    entry_.line = row.text;
    entry_.metadata.clear();
    if (row.metadata != nullptr) entry_.metadata = *row.metadata;
    entry_.cut_bytes = row.cut_bytes;
    entry_.level = row.level;
    pipeline_->Run(&entry_, &held_, this);
  }
  counting_ = true;
}

void EntryFeed::FlushHeld(BatchBuilder* batch) {
  if (pipeline_ == nullptr || held_.all().empty()) return;
  batch_ = batch;
  held_.MarkAll();
  pipeline_->Flush(&held_, this);
}

bool EntryFeed::paused() const {
  const int64_t until =
      std::max(rules_->paused_until_ns(), pipeline_ == nullptr ? 0 : pipeline_->paused_until_ns());
  return until != 0 && MonotonicNs() < until;
}

}  // namespace skald::agent
