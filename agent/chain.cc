#include "agent/chain.h"

#include <algorithm>

#include "agent/target.h"

namespace skald::agent {
namespace {

// Label sets of one log remembered; with more, they are made anew.
constexpr size_t kMaxStagedStreams = 1000;
// What a record may add to its message: CRI's time, output and tag; JSON's keys, attributes and escapes.
constexpr size_t kCriOverhead = 256;
constexpr size_t kDockerOverhead = size_t{128} << 10;

}  // namespace

Chain::Chain(std::string key, Labels labels, LogFormat format, std::shared_ptr<const Pipeline> pipeline,
             size_t max_line_size, const LevelDetector& levels)
    : key_(std::move(key)),
      labels_(std::move(labels)),
      format_(format),
      max_line_size_(max_line_size),
      pipeline_(std::move(pipeline)) {
  const auto lookup = [this](std::string_view name) -> std::optional<std::string_view> {
    if (!labels_.Has(name)) return std::nullopt;
    return labels_.Get(name);
  };
  if (const auto level = levels.OfStream(lookup)) level_ = *level;
  for (int output = 0; output < kOutputs; ++output) {
    Labels with_output = labels_;
    if (output == static_cast<int>(Output::kStdout)) with_output.Set("stream", "stdout");
    if (output == static_cast<int>(Output::kStderr)) with_output.Set("stream", "stderr");
    streams_[output].labels = with_output.ToString();
    output_labels_[output] = std::move(with_output);
  }
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

void Chain::Emit(Output output, BatchRow row, BatchBuilder* batch, ParseCounters* counters) {
  if (row.text.size() > max_line_size_) {
    row.cut_bytes += row.text.size() - max_line_size_;
    row.text = row.text.substr(0, max_line_size_);
  }
  if (row.cut_bytes > 0 && counters != nullptr) {
    ++counters->truncated_lines;
    counters->truncated_bytes += row.cut_bytes;
  }
  row.level = level_;
  BatchStream* stream = &streams_[static_cast<int>(output)];
  if (pipeline_ != nullptr && !RunStages(output, &row, &stream, counters)) return;
  batch->Add(stream, row);
}

bool Chain::RunStages(Output output, BatchRow* row, BatchStream** stream, ParseCounters* counters) {
  const int index = static_cast<int>(output);
  entry_.labels = output_labels_[index];
  entry_.time_ns = row->time_ns;
  entry_.line = row->text;
  entry_.metadata.clear();
  if (!pipeline_->Run(&entry_)) {
    if (counters != nullptr) {
      auto dropped = counters->dropped.find(entry_.drop_reason);
      if (dropped == counters->dropped.end())
        dropped = counters->dropped.try_emplace(std::string(entry_.drop_reason)).first;
      ++dropped->second.lines;
      dropped->second.bytes += row->text.size();
    }
    return false;
  }
  row->time_ns = entry_.time_ns;
  row->text = entry_.line;
  row->metadata = &entry_.metadata;
  if (entry_.labels == output_labels_[index]) return true;
  if (staged_streams_.size() >= kMaxStagedStreams) staged_streams_.clear();
  std::string labels = entry_.labels.ToString();
  const auto [found, is_new] = staged_streams_.try_emplace(labels);
  if (is_new) found->second.labels = std::move(labels);
  *stream = &found->second;
  return true;
}

void Chain::AddPiece(const TailedFile& file, const RawLine& line, const Record& record) {
  Message& message = messages_[static_cast<int>(record.output)];
  if (!message.active) {
    message.active = true;
    message.time_ns = record.time_ns;
    message.text.clear();
    message.cut_bytes = 0;
    message.spans.clear();
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
  BatchRow row;
  if (format_ != LogFormat::kCri && format_ != LogFormat::kDocker) {
    // Lines of one reading keep their order by growing times.
    last_plain_ns_ = std::max(now_ns, last_plain_ns_ + 1);
    row.time_ns = last_plain_ns_;
    row.text = line.text;
    row.cut_bytes = line.cut_bytes;
    row.text.remove_prefix(std::min(row.text.find_first_not_of('\0'), row.text.size()));
    if (row.text.ends_with('\r') && line.cut_bytes == 0) row.text.remove_suffix(1);
    Emit(Output::kNone, row, batch, counters);
    return;
  }
  Record record;
  if (!Parse(line, &record)) {
    if (counters != nullptr) ++counters->invalid_records;
    last_plain_ns_ = std::max(now_ns, last_plain_ns_ + 1);
    row.time_ns = last_plain_ns_;
    row.text = line.text;
    row.cut_bytes = line.cut_bytes;
    Emit(Output::kNone, row, batch, counters);
    return;
  }
  Message& message = messages_[static_cast<int>(record.output)];
  if (record.partial || message.active) {
    AddPiece(file, line, record);
    if (record.partial) return;
    row.time_ns = message.time_ns;
    row.text = message.text;
    row.cut_bytes = message.cut_bytes;
    Emit(record.output, row, batch, counters);
    message = Message();
    return;
  }
  row.time_ns = record.time_ns;
  row.text = record.content;
  row.cut_bytes = line.cut_bytes;
  Emit(record.output, row, batch, counters);
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
    Emit(static_cast<Output>(output), row, batch, nullptr);
    message = Message();
  }
  batch->MarkFlushed(this);
}

void Chain::Rebuild(const TailedFile& file, const RawLine& line, Output output) {
  Record record;
  if (Parse(line, &record) && record.output == output && record.partial) AddPiece(file, line, record);
}

bool Chain::HasPending() const {
  return std::any_of(std::begin(messages_), std::end(messages_),
                     [](const Message& message) { return message.active; });
}

bool Chain::Pins(uint64_t file_id) const {
  for (const Message& message : messages_) {
    if (!message.active) continue;
    for (const Span& span : message.spans) {
      if (span.file_id == file_id) return true;
    }
  }
  return false;
}

size_t Chain::pending_bytes() const {
  size_t bytes = 0;
  for (const Message& message : messages_) bytes += message.text.size();
  return bytes;
}

void Chain::Describe(ManifestChain* chain) const {
  chain->chain = key_;
  for (int output = 0; output < kOutputs; ++output) {
    if (messages_[output].active)
      chain->pending_end.push_back({static_cast<Output>(output), messages_[output].spans});
  }
  for (ManifestRange& range : chain->ranges) {
    const TailedFile* file = Find(range.file_id);
    if (file == nullptr || file->reader.offset() != range.end) continue;
    range.head = file->head;
    range.tail = file->reader.tail_hash();
  }
}

}  // namespace skald::agent
