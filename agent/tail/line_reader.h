// Cuts a growing file into lines, block by block, and notices when the bytes it already gave out are no
// longer there. Text of another encoding comes as UTF-8; offsets are the file's.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/files/file_identity.h"
#include "agent/files/text_encoding.h"

namespace skald::agent {

inline constexpr size_t kBlockBytes = size_t{256} << 10;

// Bytes [begin, end) of a file: a line and its '\n', if it has one.
struct RawLine {
  std::string_view
      text;  // without the '\n', at most the line limit; valid until the next read with the same block
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t cut_bytes = 0;  // of the line as text would have it, not in it
};

// Where a read puts its bytes. One for all files of a thread.
struct LineBlock {
  LineBlock() : bytes(new char[kTailBytes + kBlockBytes]) {}
  std::unique_ptr<char[]> bytes;
  std::string long_line;
  std::string decoded;  // lines of other encodings, one after the other
  std::vector<RawLine> lines;
  uint64_t replaced_characters = 0;  // of the last read: bytes that are nothing in the file's encoding
  std::map<std::string, std::unique_ptr<TextDecoder>> decoders;  // by encoding
};

// The reading position in one file. Holds no descriptor and, but for a line longer than a block, no text.
class LineReader {
 public:
  enum class Result {
    kMore,     // a full block was read: call again
    kEnd,      // nothing (more) there now
    kChanged,  // the bytes before the position differ, or the file is shorter: it was truncated or rewritten
  };

  // To a line's begin. OutOfRange if the file is shorter.
  absl::Status Seek(LogFile& file, uint64_t offset, const std::string& path);

  // For a file that will not be read any more: as if it had been, up to offset.
  void Restore(uint64_t offset) { offset_ = scanned_ = offset; }

  // One block: its complete lines go to block->lines, in order. Reads nothing at or behind `limit`. A line
  // longer than max_line bytes is given cut. With take_rest, what stands behind the last '\n' when the end is
  // reached comes as a line too. encoding: nullptr = UTF-8; a file that begins with UTF-16's byte order mark
  // is read as such in place of either.
  absl::StatusOr<Result> Read(LogFile& file, uint64_t limit, size_t max_line, bool take_rest,
                              const TextEncoding* encoding, LineBlock* block, const std::string& path);

  // The end of the last line given out.
  uint64_t offset() const { return offset_; }
  // The end of the bytes looked at; more than offset() by an unfinished line.
  uint64_t scanned() const { return scanned_; }
  std::string_view tail() const { return tail_; }
  TailHash tail_hash() const;
  size_t memory_bytes() const { return long_ ? long_->text.size() : 0; }

 private:
  struct LongLine {
    std::string text;  // the first bytes, without leading NULs: a hole left by a truncation under a writer
                       // that does not append
    uint64_t scanned = 0;  // no '\n' before this offset
    uint64_t bytes = 0;    // of the whole text, without these
    std::string tail;
    std::unique_ptr<TextDecoder> decoder;  // nullptr = UTF-8
  };
  void AppendLong(std::string_view bytes, bool last, size_t max_line);

  uint64_t offset_ = 0;
  uint64_t scanned_ = 0;
  std::string tail_;                    // min(kTailBytes, offset_) bytes before offset_
  const TextEncoding* mark_ = nullptr;  // as the file's beginning says
  std::unique_ptr<LongLine> long_;
};

}  // namespace skald::agent
