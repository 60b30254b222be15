#include "agent/receivers/spool_source.h"

#include <algorithm>
#include <charconv>

#include "agent/receivers/syslog_severity.h"

namespace skald::agent {
namespace {

uint64_t NumberOf(std::string_view cursor) {
  uint64_t number = 0;
  std::from_chars(cursor.data(), cursor.data() + cursor.size(), number);
  return number;
}

}  // namespace

uint64_t SpoolSource::CommittedOf(const AgentState& state) {
  const auto saved = state.cursors.find(std::string(kName));
  return saved == state.cursors.end() ? 0 : NumberOf(saved->second);
}

uint64_t SpoolSource::PositionOf(const AgentState& state) {
  uint64_t position = CommittedOf(state);
  for (const Manifest& manifest : state.in_flight) {
    for (const CursorRange& range : manifest.cursors) {
      if (range.source == kName) position = std::max(position, NumberOf(range.last));
    }
  }
  return position;
}

SpoolSource::SpoolSource(std::unique_ptr<SpoolReader> reader, const AgentState& state,
                         SpoolPipelines pipelines, LineRules* rules)
    : reader_(std::move(reader)), pipelines_(std::move(pipelines)), rules_(rules) {
  reader_->Seek(PositionOf(state));
}

void SpoolSource::AddRecord(const SpoolRecord& record, bool counting, BatchBuilder* batch) {
  std::unique_ptr<EntryFeed>& feed = feeds_[record.source];
  if (feed == nullptr) {
    const auto pipeline = pipelines_.find(record.source);
    feed = std::make_unique<EntryFeed>(pipeline == pipelines_.end() ? nullptr : pipeline->second, rules_);
  }
  for (const SpoolStream& stream : record.streams) {
    for (const SpoolEntry& entry : stream.entries) {
      BatchRow row;
      row.time_ns = entry.time_ns;
      row.text = entry.line;
      row.cut_bytes = entry.cut_bytes;
      row.level = LevelOfSeverity(entry.severity);
      row.metadata = &entry.metadata;
      feed->Add(stream.labels, row, counting, batch);
    }
  }
}

uint64_t SpoolSource::ReadSome(uint64_t max_bytes, BatchBuilder* batch) {
  uint64_t read = 0;
  uint64_t bytes = 0;
  SpoolRecord record;
  while (bytes < max_bytes && !paused() && reader_->Next(&record)) {
    AddRecord(record, true, batch);
    batch->AddCursor(kName, std::to_string(record.number));
    bytes += record.bytes();
    read_lines_ += record.lines();
    ++read;
  }
  return read;
}

bool SpoolSource::ReadAgain(const CursorRange& range, BatchBuilder* batch) {
  const uint64_t first = NumberOf(range.first);
  const uint64_t last = NumberOf(range.last);
  reader_->Seek(first - 1);
  SpoolRecord record;
  bool whole = false;
  // Numbers between first and last may be missing where the spool was damaged, then as well as now.
  while (reader_->position() < last && reader_->Next(&record) && record.number <= last) {
    whole |= record.number == first;
    AddRecord(record, false, batch);
    read_lines_ += record.lines();
  }
  reader_->Seek(last);
  return whole;
}

void SpoolSource::Commit(const Manifest& manifest) {
  for (const CursorRange& range : manifest.cursors) {
    if (range.source == kName) reader_->Commit(NumberOf(range.last));
  }
}

void SpoolSource::FlushHeld(BatchBuilder* batch) {
  for (const auto& [job, feed] : feeds_) feed->FlushHeld(batch);
}

int64_t SpoolSource::held_due_ns() const {
  int64_t due = 0;
  for (const auto& [job, feed] : feeds_) {
    const int64_t one = feed->held_due_ns();
    if (one != 0 && (due == 0 || one < due)) due = one;
  }
  return due;
}

bool SpoolSource::paused() const {
  return std::any_of(feeds_.begin(), feeds_.end(), [](const auto& one) { return one.second->paused(); });
}

void SpoolSource::AddDropped(EntryFeed::Dropped* dropped) const {
  for (const auto& [job, feed] : feeds_) feed->AddDropped(dropped);
}

}  // namespace skald::agent
