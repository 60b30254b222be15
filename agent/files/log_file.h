// An open log file, as bytes at offsets of its text: of the file itself, or of what a compressed one holds.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/files/inflate.h"
#include "base/file.h"

namespace skald::agent {

// Not thread-safe. A compressed file costs decoder and buffers (about 1 MiB) while it is being read; going
// back by more than a block begins anew at its start.
class LogFile {
 public:
  LogFile() = default;
  // Never waits, whatever stands under the name. Compression is told by the first bytes.
  static absl::StatusOr<LogFile> Open(const std::string& path);

  bool valid() const { return fd_.valid(); }
  int descriptor() const { return fd_.get(); }
  // Compressed, and its end, when it was last reached, was damage or in the middle of something.
  bool torn() const { return torn_; }
  bool compressed() const { return kind_ != Compression::kNone; }

  // Up to n bytes of text at offset; fewer only at its (present) end, which is also where a
  // compressed file is damaged.
  absl::StatusOr<size_t> ReadAt(char* buffer, size_t n, uint64_t offset, const std::string& path);
  // The length of the text, where the file says it. file_size: as stat gives it.
  std::optional<uint64_t> TextSize(uint64_t file_size, const std::string& path) const;
  // Gives back decoder and buffers; they come again when they are needed.
  void Idle();

 private:
  FileDescriptor fd_;
  Compression kind_ = Compression::kNone;
  std::unique_ptr<Inflater> inflater_;
  std::string window_;  // the text [window_begin_, window_begin_ + size)
  uint64_t window_begin_ = 0;
  bool torn_ = false;
};

}  // namespace skald::agent
