#include "agent/chain.h"

#include <algorithm>

#include "agent/target.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

// Label sets of one log remembered; with more, they are made anew.
constexpr size_t kMaxStagedStreams = 1000;
// What a record may add to its message: CRI's time, output and tag; JSON's keys, attributes and escapes.
constexpr size_t kCriOverhead = 256;
constexpr size_t kDockerOverhead = size_t{128} << 10;

}  // namespace

Chain::Chain(std::string key, LogLabels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
             size_t max_line_size, const LevelDetector& levels, LineRules* rules)
    : key_(std::move(key)),
      levels_(levels),
      format_(format),
      max_line_size_(max_line_size),
      pipeline_(std::move(pipeline)),
      rules_(rules) {
  UseLabels(std::move(labels));
}

void Chain::UseLabels(LogLabels labels) {
  labels_ = std::move(labels);
  const Labels& given = labels_.of[0];
  const auto lookup = [&given](std::string_view name) -> std::optional<std::string_view> {
    if (!given.Has(name)) return std::nullopt;
    return given.Get(name);
  };
  level_.clear();
  if (const auto level = levels_.OfStream(lookup)) level_ = *level;
  for (int output = 0; output < kOutputs; ++output) {
    streams_[output] = BatchStream();
    streams_[output].SetLabels(labels_.of[output]);
  }
}

void Chain::Redefine(LogLabels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
                     BatchBuilder* batch, ParseCounters* counters) {
  if (pipeline != pipeline_) {
    FlushDue(INT64_MAX, batch, counters);
    held_ = HeldEntries();
    trail_.clear();
  }
  pipeline_ = std::move(pipeline);
  if (format != LogFormat::kAuto) format_ = format;
  if (labels != labels_) UseLabels(std::move(labels));
}

void Chain::DetectFormatFrom(std::string_view first_line) {
  if (format_ != LogFormat::kAuto) return;
  format_ = DetectFormat(first_line);
  // A container's file may begin with a line that is none of its format's; a plain file's name promises
  // nothing else.
  if (format_ == LogFormat::kPlain) format_ = FormatOfPath(key_);
}

TailedFile* Chain::Find(uint64_t file_id) const {
  for (const auto& file : files_) {
    if (file->file_id == file_id) return file.get();
  }
  return nullptr;
}

size_t Chain::max_raw_line() const {
  switch (format_) {
    case LogFormat::kCri:
      return max_line_size_ + kCriOverhead;
    case LogFormat::kAuto:
    case LogFormat::kDocker:
      return max_line_size_ + kDockerOverhead;
    case LogFormat::kPlain:
      break;
  }
  return max_line_size_;
}

bool Chain::Parse(const RawLine& line, Record* record) {
  if (format_ == LogFormat::kCri) return parser_.ParseCri(line.text, record);
  return parser_.ParseDocker(line.text, record);
}

// Where a pipeline's entries of this log go. With no batch they go nowhere: lines before a restart that are
// read again only for what was held of them.
class Chain::Sink : public EntrySink {
 public:
  Sink(Chain* chain, Output output, BatchBuilder* batch, ParseCounters* counters)
      : chain_(chain), output_(output), batch_(batch), counters_(counters) {}
  void Emit(Entry* entry) override {
    if (batch_ == nullptr) return;
    const Labels& given = chain_->labels_.of[static_cast<int>(output_)];
    if (entry->labels != given) chain_->rules_->Guard(given, entry);
    BatchRow row;
    row.time_ns = entry->time_ns;
    row.text = entry->line;
    row.cut_bytes = entry->cut_bytes;
    row.partial = entry->partial;
    row.level = chain_->level_;
    row.metadata = &entry->metadata;
    chain_->AddRow(chain_->StreamFor(output_, entry->labels), row, batch_, counters_);
  }
  void Drop(const Entry& entry) override { CountDrop(entry.drop_reason, entry.line.size(), counters_); }

 private:
  Chain* const chain_;
  const Output output_;
  BatchBuilder* const batch_;
  ParseCounters* const counters_;
};

void Chain::CountDrop(std::string_view reason, uint64_t bytes, ParseCounters* counters) {
  if (counters == nullptr) return;
  auto dropped = counters->dropped.find(reason);
  if (dropped == counters->dropped.end()) dropped = counters->dropped.try_emplace(std::string(reason)).first;
  ++dropped->second.lines;
  dropped->second.bytes += bytes;
}

void Chain::AddRow(BatchStream* stream, const BatchRow& row, BatchBuilder* batch, ParseCounters* counters) {
  // A batch that is made again holds what it held.
  if (counters != nullptr && rules_->refuses()) {
    const std::string_view reason = rules_->Refuse(stream->labels, MonotonicNs());
    if (!reason.empty()) {
      CountDrop(reason, row.text.size(), counters);
      return;
    }
  }
  batch->Add(stream, row);
}

BatchStream* Chain::StreamFor(Output output, const Labels& labels) {
  const int index = static_cast<int>(output);
  if (labels == labels_.of[index]) return &streams_[index];
  if (staged_streams_.size() >= kMaxStagedStreams) staged_streams_.clear();
  std::string text = labels.ToString();
  const auto [found, is_new] = staged_streams_.try_emplace(text);
  if (is_new) found->second.SetLabels(labels);
  return &found->second;
}

void Chain::Emit(Output output, BatchRow row, const EntryOrigin& origin, BatchBuilder* batch,
                 ParseCounters* counters) {
  if (row.text.size() > max_line_size_) {
    row.cut_bytes += row.text.size() - max_line_size_;
    row.text = row.text.substr(0, max_line_size_);
  }
  if (row.cut_bytes > 0) {
    if (rules_->drop_long_lines()) {
      CountDrop("line_too_long", row.text.size() + row.cut_bytes, counters);
      return;
    }
    if (counters != nullptr) {
      ++counters->truncated_lines;
      counters->truncated_bytes += row.cut_bytes;
    }
  }
  row.level = level_;
  const int index = static_cast<int>(output);
  if (labels_.dropped[index]) {
    CountDrop("relabel_configs", row.text.size(), counters);
    return;
  }
  if (pipeline_ == nullptr) {
    if (batch != nullptr) AddRow(&streams_[index], row, batch, counters);
    return;
  }
  entry_.labels = labels_.of[index];
  entry_.time_ns = row.time_ns;
  entry_.line = row.text;
  entry_.metadata.clear();
  entry_.cut_bytes = row.cut_bytes;
  entry_.partial = row.partial;
  entry_.origin = origin;
  Sink sink(this, output, batch, counters);
  pipeline_->Run(&entry_, &held_, &sink);
}

// Stages that join lines are positioned by the line that what they hold began with: from there on the lines
// are read again after a restart.
void Chain::NoteLine(const TailedFile& file, const RawLine& line) {
  ++ordinal_;
  if (pipeline_ == nullptr || !pipeline_->joins()) return;
  if (trail_.empty() || trail_.back().span.file_id != file.file_id) {
    trail_.push_back({ordinal_, {file.file_id, line.begin, line.end}});
  } else {
    trail_.back().span.end = line.end;
  }
}

void Chain::TrimTrail() {
  if (trail_.empty()) return;
  std::optional<EntryOrigin> first = held_.first();
  // A held line may yet begin in a message that is not whole.
  for (const Message& message : messages_) {
    if (message.active && (!first || message.origin.ordinal < first->ordinal)) first = message.origin;
  }
  if (!first) {
    trail_.clear();
    return;
  }
  while (!trail_.empty() && trail_.front().span.file_id != first->file_id) trail_.pop_front();
  if (trail_.empty()) return;
  trail_.front().span.begin = std::max(trail_.front().span.begin, first->begin);
}

std::vector<Span> Chain::TrailSpans() const {
  std::vector<Span> spans;
  if (held_.empty()) return spans;
  for (const Trail& trail : trail_) spans.push_back(trail.span);
  return spans;
}

void Chain::AddPiece(const TailedFile& file, const RawLine& line, const Record& record) {
  Message& message = messages_[static_cast<int>(record.output)];
  if (!message.active) {
    message.active = true;
    message.time_ns = record.time_ns;
    message.text.clear();
    message.cut_bytes = 0;
    message.spans.clear();
    message.origin = {ordinal_, file.file_id, line.begin};
  }
  if (message.spans.empty() || message.spans.back().file_id != file.file_id) {
    message.spans.push_back({file.file_id, line.begin, line.end});
  } else {
    message.spans.back().end = line.end;
  }
  const size_t room = max_line_size_ - std::min(max_line_size_, message.text.size());
  const size_t kept = std::min(room, record.content.size());
  message.text += record.content.substr(0, kept);
  message.cut_bytes += record.content.size() - kept + line.cut_bytes;
}

void Chain::Consume(const TailedFile& file, const RawLine& line, int64_t now_ns, BatchBuilder* batch,
                    ParseCounters* counters) {
  NoteLine(file, line);
  ConsumeLine(file, line, now_ns, batch, counters);
  TrimTrail();
}

void Chain::ConsumeLine(const TailedFile& file, const RawLine& line, int64_t now_ns, BatchBuilder* batch,
                        ParseCounters* counters) {
  BatchRow row;
  const EntryOrigin origin{ordinal_, file.file_id, line.begin};
  if (format_ != LogFormat::kCri && format_ != LogFormat::kDocker) {
    // Lines of one reading keep their order by growing times.
    last_plain_ns_ = std::max(now_ns, last_plain_ns_ + 1);
    row.time_ns = last_plain_ns_;
    row.text = line.text;
    row.cut_bytes = line.cut_bytes;
    row.text.remove_prefix(std::min(row.text.find_first_not_of('\0'), row.text.size()));
    if (row.text.ends_with('\r') && line.cut_bytes == 0) row.text.remove_suffix(1);
    Emit(Output::kNone, row, origin, batch, counters);
    return;
  }
  Record record;
  if (!Parse(line, &record)) {
    if (counters != nullptr) ++counters->invalid_records;
    last_plain_ns_ = std::max(now_ns, last_plain_ns_ + 1);
    row.time_ns = last_plain_ns_;
    row.text = line.text;
    row.cut_bytes = line.cut_bytes;
    Emit(Output::kNone, row, origin, batch, counters);
    return;
  }
  Message& message = messages_[static_cast<int>(record.output)];
  if (record.partial || message.active) {
    AddPiece(file, line, record);
    if (record.partial) return;
    row.time_ns = message.time_ns;
    row.text = message.text;
    row.cut_bytes = message.cut_bytes;
    Emit(record.output, row, message.origin, batch, counters);
    message = Message();
    return;
  }
  row.time_ns = record.time_ns;
  row.text = record.content;
  row.cut_bytes = line.cut_bytes;
  Emit(record.output, row, origin, batch, counters);
}

void Chain::FlushPending(BatchBuilder* batch) {
  for (int output = 0; output < kOutputs; ++output) {
    Message& message = messages_[output];
    if (!message.active) continue;
    BatchRow row;
    row.time_ns = message.time_ns;
    row.text = message.text;
    row.cut_bytes = message.cut_bytes;
    row.partial = true;
    Emit(static_cast<Output>(output), row, message.origin, batch, nullptr);
    message = Message();
  }
  held_.MarkAll();
  FlushHeld(batch, nullptr);
  batch->MarkFlushed(this);
}

void Chain::FlushHeld(BatchBuilder* batch, ParseCounters* counters) {
  if (pipeline_ == nullptr) return;
  Sink sink(this, Output::kNone, batch, counters);
  pipeline_->Flush(&held_, &sink);
  TrimTrail();
}

bool Chain::FlushDue(int64_t now_ns, BatchBuilder* batch, ParseCounters* counters) {
  std::vector<uint64_t> hashes;
  if (!held_.MarkDue(now_ns, &hashes)) return false;
  FlushHeld(batch, counters);
  batch->MarkHeldFlushed(this, hashes);
  return true;
}

void Chain::FlushHashes(const std::vector<uint64_t>& hashes, BatchBuilder* batch) {
  held_.MarkHashes(hashes);
  FlushHeld(batch, nullptr);
}

void Chain::RebuildHeld(const TailedFile& file, const RawLine& line, int64_t now_ns) {
  Consume(file, line, now_ns, nullptr, nullptr);
}

void Chain::ForgetPieces() {
  for (Message& message : messages_) message = Message();
}

void Chain::Rebuild(const TailedFile& file, const RawLine& line, Output output) {
  Record record;
  if (Parse(line, &record) && record.output == output && record.partial) AddPiece(file, line, record);
}

bool Chain::HasPending() const {
  return !held_.empty() || std::any_of(std::begin(messages_), std::end(messages_),
                                       [](const Message& message) { return message.active; });
}

bool Chain::Pins(uint64_t file_id) const {
  for (const Message& message : messages_) {
    if (!message.active) continue;
    for (const Span& span : message.spans) {
      if (span.file_id == file_id) return true;
    }
  }
  if (held_.empty()) return false;
  return std::any_of(trail_.begin(), trail_.end(),
                     [&](const Trail& trail) { return trail.span.file_id == file_id; });
}

size_t Chain::pending_bytes() const {
  size_t bytes = held_.bytes();
  for (const Message& message : messages_) bytes += message.text.size();
  return bytes;
}

void Chain::Describe(ManifestChain* chain) const {
  chain->chain = key_;
  if (std::vector<Span> held = TrailSpans(); !held.empty())
    chain->pending_end.push_back({Output::kNone, std::move(held), true});
  for (int output = 0; output < kOutputs; ++output) {
    if (messages_[output].active)
      chain->pending_end.push_back({static_cast<Output>(output), messages_[output].spans, false});
  }
  for (ManifestRange& range : chain->ranges) {
    const TailedFile* file = Find(range.file_id);
    if (file == nullptr || file->reader.offset() != range.end) continue;
    range.head = file->head;
    range.tail = file->reader.tail_hash();
  }
}

}  // namespace skald::agent
