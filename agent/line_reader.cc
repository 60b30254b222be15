#include "agent/line_reader.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

size_t LeadingNuls(std::string_view bytes) {
  size_t n = 0;
  for (uint64_t word = 0; n + sizeof(word) <= bytes.size(); n += sizeof(word)) {
    std::memcpy(&word, bytes.data() + n, sizeof(word));
    if (word != 0) break;
  }
  while (n < bytes.size() && bytes[n] == '\0') ++n;
  return n;
}

}  // namespace

absl::Status LineReader::Seek(LogFile& file, uint64_t offset, const std::string& path) {
  const size_t want = std::min<uint64_t>(kTailBytes, offset);
  std::string tail(want, '\0');
  ASSIGN_OR_RETURN(const size_t n, file.ReadAt(tail.data(), want, offset - want, path));
  if (n != want) return OutOfRange("{} ends before offset {}", path, offset);
  offset_ = scanned_ = offset;
  tail_ = std::move(tail);
  long_.reset();
  return absl::OkStatus();
}

TailHash LineReader::tail_hash() const {
  return {static_cast<uint32_t>(tail_.size()), tail_.empty() ? 0 : HashBytes(tail_)};
}

void LineReader::AppendLong(std::string_view bytes, size_t max_line) {
  if (long_->text.empty()) {
    const size_t nuls = LeadingNuls(bytes);
    long_->nul_bytes += nuls;
    bytes.remove_prefix(nuls);
  }
  if (long_->text.size() < max_line) long_->text.append(bytes.substr(0, max_line - long_->text.size()));
}

absl::StatusOr<LineReader::Result> LineReader::Read(LogFile& file, uint64_t limit, size_t max_line,
                                                    bool take_rest, LineBlock* block,
                                                    const std::string& path) {
  block->lines.clear();
  const uint64_t from = long_ ? long_->scanned : offset_;
  const std::string& known = long_ ? long_->tail : tail_;
  const size_t want = limit <= from ? 0 : std::min<uint64_t>(kBlockBytes, limit - from);
  char* const buffer = block->bytes.get();
  ASSIGN_OR_RETURN(const size_t got, file.ReadAt(buffer, known.size() + want, from - known.size(), path));
  if (got < known.size() || std::memcmp(buffer, known.data(), known.size()) != 0) return Result::kChanged;
  const char* const data = buffer + known.size();
  const size_t length = got - known.size();
  const bool at_end = length < want || from + length >= limit;
  const size_t front = known.size();  // bytes before data
  scanned_ = from + length;

  size_t at = 0;
  if (long_) {
    const auto* newline = static_cast<const char*>(std::memchr(data, '\n', length));
    const size_t part = newline == nullptr ? length : static_cast<size_t>(newline - data);
    AppendLong({data, part}, max_line);
    if (newline == nullptr && !(take_rest && at_end)) {
      long_->scanned = from + length;
      long_->tail.assign(data + length - std::min<size_t>(kTailBytes, front + length),
                         std::min<size_t>(kTailBytes, front + length));
      return at_end ? Result::kEnd : Result::kMore;
    }
    at = newline == nullptr ? length : part + 1;
    RawLine line;
    line.begin = offset_;
    line.end = from + at;
    line.cut_bytes = from + part - offset_ - long_->nul_bytes - long_->text.size();
    block->long_line = std::move(long_->text);
    line.text = block->long_line;
    block->lines.push_back(line);
  }
  while (at < length) {
    const auto* newline = static_cast<const char*>(std::memchr(data + at, '\n', length - at));
    if (newline == nullptr && !(take_rest && at_end)) break;
    const size_t end = newline == nullptr ? length : static_cast<size_t>(newline - data);
    RawLine line;
    line.begin = from + at;
    line.text = {data + at, std::min(end - at, max_line)};
    line.cut_bytes = end - at - line.text.size();
    at = newline == nullptr ? length : end + 1;
    line.end = from + at;
    block->lines.push_back(line);
  }
  if (at > 0) {
    const size_t keep = std::min<size_t>(kTailBytes, front + at);
    tail_.assign(data + at - keep, keep);
    offset_ = from + at;
    long_.reset();
  } else if (!long_ && length == kBlockBytes) {
    long_ = std::make_unique<LongLine>();
    AppendLong({data, length}, max_line);
    long_->scanned = from + length;
    long_->tail.assign(data + length - kTailBytes, kTailBytes);
  }
  return at_end ? Result::kEnd : Result::kMore;
}

}  // namespace skald::agent
