#include "agent/tail/line_reader.h"

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

// At most n bytes of UTF-8, whole characters.
std::string_view Prefix(std::string_view text, size_t n) {
  if (text.size() <= n) return text;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) --n;
  return text.substr(0, n);
}

// The block's lines are of another encoding: gives them as UTF-8, from the one with that index on.
void DecodeLines(const TextEncoding& encoding, size_t from, size_t max_line, LineBlock* block) {
  std::unique_ptr<TextDecoder>& decoder = block->decoders[encoding.name()];
  if (decoder == nullptr) decoder = std::make_unique<TextDecoder>(encoding);
  const uint64_t replaced = decoder->replaced();
  block->decoded.clear();
  std::vector<size_t> ends;
  ends.reserve(block->lines.size() - from);
  for (size_t i = from; i < block->lines.size(); ++i) {
    RawLine& line = block->lines[i];
    const size_t begin = block->decoded.size();
    decoder->Begin();
    decoder->Decode(line.text, true, &block->decoded);
    const std::string_view whole = std::string_view(block->decoded).substr(begin);
    const size_t kept = Prefix(whole, max_line).size();
    line.cut_bytes = whole.size() - kept;
    block->decoded.resize(begin + kept);
    ends.push_back(begin + kept);
  }
  for (size_t i = from, begin = 0; i < block->lines.size(); begin = ends[i - from], ++i)
    block->lines[i].text = std::string_view(block->decoded).substr(begin, ends[i - from] - begin);
  block->replaced_characters += decoder->replaced() - replaced;
}

}  // namespace

absl::Status LineReader::Seek(LogFile& file, uint64_t offset, const std::string& path) {
  mark_ = nullptr;
  if (offset > 0) {
    // Before what stands behind it: the text of a compressed file is gone through once.
    char begin[kByteOrderMarkBytes];
    ASSIGN_OR_RETURN(const size_t n, file.ReadAt(begin, sizeof(begin), 0, path));
    mark_ = ByteOrderMark({begin, n});
  }
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

void LineReader::AppendLong(std::string_view bytes, bool last, size_t max_line) {
  std::string decoded;
  if (long_->decoder != nullptr) {
    long_->decoder->Decode(bytes, last, &decoded);
    bytes = decoded;
  }
  if (long_->text.empty()) {
    const size_t nuls = LeadingNuls(bytes);
    bytes.remove_prefix(nuls);
  }
  // Once a character did not fit, what follows it does not either.
  if (long_->text.size() == long_->bytes && long_->text.size() < max_line) {
    const size_t room = max_line - long_->text.size();
    long_->text.append(long_->decoder == nullptr ? bytes.substr(0, room) : Prefix(bytes, room));
  }
  long_->bytes += bytes.size();
}

absl::StatusOr<LineReader::Result> LineReader::Read(LogFile& file, uint64_t limit, size_t max_line,
                                                    bool take_rest, const TextEncoding* encoding,
                                                    LineBlock* block, const std::string& path) {
  block->lines.clear();
  block->replaced_characters = 0;
  const uint64_t from = long_ ? long_->scanned : offset_;
  const std::string& known = long_ ? long_->tail : tail_;
  const size_t want = limit <= from ? 0 : std::min<uint64_t>(kBlockBytes, limit - from);
  char* const buffer = block->bytes.get();
  ASSIGN_OR_RETURN(const size_t got, file.ReadAt(buffer, known.size() + want, from - known.size(), path));
  if (got < known.size() || std::memcmp(buffer, known.data(), known.size()) != 0) return Result::kChanged;
  const char* const data = buffer + known.size();
  size_t length = got - known.size();
  const bool at_end = length < want || from + length >= limit;
  const bool rest = take_rest && at_end;
  const size_t front = known.size();  // bytes before data
  scanned_ = from + length;
  const bool full = length == kBlockBytes;
  if (from == 0) mark_ = ByteOrderMark({data, length});
  if (mark_ != nullptr && (encoding == nullptr || encoding->utf16())) encoding = mark_;
  // A unit that is not whole yet is left for later.
  if (encoding != nullptr && !rest) length -= std::min<size_t>(length, (from + length) % encoding->width());
  const auto find_newline = [&](size_t at) -> const char* {
    if (encoding == nullptr) return static_cast<const char*>(std::memchr(data + at, '\n', length - at));
    const size_t found = encoding->FindNewline({data, length}, at, from);
    return found == std::string_view::npos ? nullptr : data + found;
  };
  const size_t newline_bytes = encoding == nullptr ? 1 : encoding->width();
  const auto mark_bytes = [&](uint64_t begin) {
    return begin == 0 && encoding != nullptr && encoding == mark_ ? kByteOrderMarkBytes : 0;
  };

  size_t at = 0;
  // A position taken over from a reader that knew no units.
  if (!long_ && encoding != nullptr && from % encoding->width() != 0)
    at = std::min<size_t>(length, encoding->width() - from % encoding->width());
  if (long_) {
    const char* const newline = find_newline(0);
    const size_t part = newline == nullptr ? length : static_cast<size_t>(newline - data);
    const uint64_t replaced = long_->decoder == nullptr ? 0 : long_->decoder->replaced();
    AppendLong({data, part}, newline != nullptr || rest, max_line);
    if (long_->decoder != nullptr) block->replaced_characters += long_->decoder->replaced() - replaced;
    if (newline == nullptr && !rest) {
      long_->scanned = from + length;
      long_->tail.assign(data + length - std::min<size_t>(kTailBytes, front + length),
                         std::min<size_t>(kTailBytes, front + length));
      return at_end ? Result::kEnd : Result::kMore;
    }
    at = newline == nullptr ? length : part + newline_bytes;
    RawLine line;
    line.begin = offset_;
    line.end = from + at;
    line.cut_bytes = long_->bytes - long_->text.size();
    block->long_line = std::move(long_->text);
    line.text = block->long_line;
    block->lines.push_back(line);
  }
  const size_t whole_lines = block->lines.size();
  while (at < length) {
    const char* const newline = find_newline(at);
    if (newline == nullptr && !rest) break;
    const size_t end = newline == nullptr ? length : static_cast<size_t>(newline - data);
    RawLine line;
    line.begin = from + at;
    if (encoding == nullptr) {
      line.text = {data + at, std::min(end - at, max_line)};
      line.cut_bytes = end - at - line.text.size();
    } else {
      const size_t mark = std::min(mark_bytes(line.begin), end - at);
      line.text = {data + at + mark, end - at - mark};
    }
    at = newline == nullptr ? length : end + newline_bytes;
    line.end = from + at;
    block->lines.push_back(line);
  }
  if (encoding != nullptr && block->lines.size() > whole_lines)
    DecodeLines(*encoding, whole_lines, max_line, block);
  if (at > 0) {
    const size_t keep = std::min<size_t>(kTailBytes, front + at);
    tail_.assign(data + at - keep, keep);
    offset_ = from + at;
    long_.reset();
  } else if (!long_ && full) {
    long_ = std::make_unique<LongLine>();
    if (encoding != nullptr) long_->decoder = std::make_unique<TextDecoder>(*encoding);
    const size_t mark = mark_bytes(offset_);
    AppendLong({data + mark, length - mark}, false, max_line);
    if (long_->decoder != nullptr) block->replaced_characters += long_->decoder->replaced();
    long_->scanned = from + length;
    long_->tail.assign(data + length - kTailBytes, kTailBytes);
  }
  return at_end ? Result::kEnd : Result::kMore;
}

}  // namespace skald::agent
