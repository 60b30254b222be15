#include "agent/tail/chain.h"

#include <algorithm>

#include "agent/discovery/target.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

constexpr std::string_view kStreamLabel = "stream";
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
  UseLabels(Shorten(std::move(labels)));
}

Chain::GivenLabels Chain::Shorten(LogLabels labels) {
  GivenLabels given;
  labels.pipeline = nullptr;  // the chain has it
  for (int output = 1; output < kOutputs; ++output) {
    Labels& of = labels.of[output];
    Labels rest = of;
    rest.Remove(kStreamLabel);
    if (of.Has(kStreamLabel) && rest == labels.of[0]) {
      given.stream[output] = of.Get(kStreamLabel);
      of = Labels();
    }
  }
  given.labels = labels;  // a copy has no more room than it needs
  return given;
}

Chain::Lane& Chain::LaneOf(Output output) {
  const int index = static_cast<int>(output);
  std::unique_ptr<Lane>& lane = lanes_[index];
  if (lane != nullptr) return *lane;
  lane = std::make_unique<Lane>();
  const std::string& stream = given_.stream[index];
  Labels labels = given_.labels.of[stream.empty() ? index : 0];
  if (!stream.empty()) labels.Set(kStreamLabel, stream);
  lane->stream.SetLabels(labels);
  if (pipeline_ != nullptr) lane->labels = std::move(labels);
  return *lane;
}

void Chain::UseLabels(GivenLabels labels) {
  given_ = std::move(labels);
  const Labels& given = given_.labels.of[0];
  const auto lookup = [&given](std::string_view name) -> std::optional<std::string_view> {
    if (!given.Has(name)) return std::nullopt;
    return given.Get(name);
  };
  level_.clear();
  if (const auto level = levels_.OfStream(lookup)) level_ = *level;
  for (std::unique_ptr<Lane>& lane : lanes_) lane = nullptr;
  const double rate = given_.labels.max_lines_per_second;
  rate_ = rate > 0 ? std::make_unique<TokenBucket>(rate, std::max(rate, 1.0)) : nullptr;
}

void Chain::Redefine(LogLabels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
                     BatchBuilder* batch, ParseCounters* counters) {
  if (pipeline != pipeline_) {
    FlushDue(INT64_MAX, batch, counters);
    held_ = HeldEntries();
    trail_.clear();
    for (std::unique_ptr<Lane>& lane : lanes_) lane = nullptr;
  }
  pipeline_ = std::move(pipeline);
  if (format != LogFormat::kAuto) format_ = format;
  GivenLabels given = Shorten(std::move(labels));
  if (given != given_) UseLabels(std::move(given));
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
    const Labels& given = chain_->LaneOf(output_).labels;
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
  if (counters != nullptr && rate_ != nullptr && !rate_->Take(MonotonicNs())) {
    CountDrop("log_rate_limit", row.text.size(), counters);
    return;
  }
  batch->Add(stream, row);
}

BatchStream* Chain::StreamFor(Output output, const Labels& labels) {
  Lane& lane = LaneOf(output);
  if (labels == lane.labels) return &lane.stream;
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
  if (given_.labels.dropped[static_cast<int>(output)]) {
    CountDrop("relabel_configs", row.text.size(), counters);
    return;
  }
  if (pipeline_ == nullptr) {
    if (batch != nullptr) AddRow(&LaneOf(output).stream, row, batch, counters);
    return;
  }
  if (entry_ == nullptr) entry_ = std::make_unique<Entry>();
  entry_->labels = LaneOf(output).labels;
  entry_->time_ns = row.time_ns;
  entry_->line = row.text;
  entry_->metadata.clear();
  entry_->cut_bytes = row.cut_bytes;
  entry_->partial = row.partial;
  entry_->origin = origin;
  Sink sink(this, output, batch, counters);
  pipeline_->Run(entry_.get(), &held_, &sink);
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
  for (const auto& message : messages_) {
    if (message != nullptr && (!first || message->origin.ordinal < first->ordinal)) first = message->origin;
  }
  if (!first) {
    trail_.clear();
    return;
  }
  trail_.erase(trail_.begin(), std::find_if(trail_.begin(), trail_.end(), [&](const Trail& trail) {
                 return trail.span.file_id == first->file_id;
               }));
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
  std::unique_ptr<Message>& pending = messages_[static_cast<int>(record.output)];
  if (pending == nullptr) {
    pending = std::make_unique<Message>();
    pending->time_ns = record.time_ns;
    pending->origin = {ordinal_, file.file_id, line.begin};
  }
  Message& message = *pending;
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
  std::unique_ptr<Message>& message = messages_[static_cast<int>(record.output)];
  if (record.partial || message != nullptr) {
    AddPiece(file, line, record);
    if (record.partial) return;
    row.time_ns = message->time_ns;
    row.text = message->text;
    row.cut_bytes = message->cut_bytes;
    Emit(record.output, row, message->origin, batch, counters);
    message = nullptr;
    return;
  }
  row.time_ns = record.time_ns;
  row.text = record.content;
  row.cut_bytes = line.cut_bytes;
  Emit(record.output, row, origin, batch, counters);
}

void Chain::FlushPending(BatchBuilder* batch) {
  for (int output = 0; output < kOutputs; ++output) {
    std::unique_ptr<Message>& message = messages_[output];
    if (message == nullptr) continue;
    BatchRow row;
    row.time_ns = message->time_ns;
    row.text = message->text;
    row.cut_bytes = message->cut_bytes;
    row.partial = true;
    Emit(static_cast<Output>(output), row, message->origin, batch, nullptr);
    message = nullptr;
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
  for (auto& message : messages_) message = nullptr;
}

void Chain::Rebuild(const TailedFile& file, const RawLine& line, Output output) {
  Record record;
  if (Parse(line, &record) && record.output == output && record.partial) AddPiece(file, line, record);
}

bool Chain::HasPending() const {
  return !held_.empty() || std::any_of(std::begin(messages_), std::end(messages_),
                                       [](const auto& message) { return message != nullptr; });
}

bool Chain::Pins(uint64_t file_id) const {
  for (const auto& message : messages_) {
    if (message == nullptr) continue;
    for (const Span& span : message->spans) {
      if (span.file_id == file_id) return true;
    }
  }
  if (held_.empty()) return false;
  return std::any_of(trail_.begin(), trail_.end(),
                     [&](const Trail& trail) { return trail.span.file_id == file_id; });
}

size_t Chain::pending_bytes() const {
  size_t bytes = held_.bytes();
  for (const auto& message : messages_) bytes += message == nullptr ? 0 : message->text.size();
  return bytes;
}

void Chain::Describe(ManifestChain* chain) const {
  chain->chain = key_;
  if (std::vector<Span> held = TrailSpans(); !held.empty())
    chain->pending_end.push_back({Output::kNone, std::move(held), true});
  for (int output = 0; output < kOutputs; ++output) {
    if (messages_[output] != nullptr)
      chain->pending_end.push_back({static_cast<Output>(output), messages_[output]->spans, false});
  }
  for (ManifestRange& range : chain->ranges) {
    const TailedFile* file = Find(range.file_id);
    if (file == nullptr || file->reader.offset() != range.end) continue;
    range.head = file->head;
    range.tail = file->reader.tail_hash();
  }
}

}  // namespace skald::agent
