#include "agent/files/log_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"

namespace skald::agent {
namespace {

// What is kept behind the reading position: a block and the bytes before it, which are compared.
constexpr size_t kKeptBytes = size_t{320} << 10;
constexpr size_t kPieceBytes = size_t{64} << 10;

}  // namespace

absl::StatusOr<LogFile> LogFile::Open(const std::string& path) {
  LogFile file;
  ASSIGN_OR_RETURN(file.fd_, OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const absl::StatusOr<Compression> kind = DetectCompression(file.fd_.get(), path);
  if (kind.ok()) file.kind_ = *kind;  // else: what cannot be read (a directory) is found out by its reader
  return file;
}

std::optional<uint64_t> LogFile::TextSize(uint64_t file_size, const std::string& path) const {
  if (!compressed()) return file_size;
  return StatedTextSize(kind_, fd_.get(), file_size, path);
}

void LogFile::Idle() {
  inflater_.reset();
  window_ = std::string();
  window_begin_ = 0;
}

absl::StatusOr<size_t> LogFile::ReadAt(char* buffer, size_t n, uint64_t offset, const std::string& path) {
  if (!compressed()) return skald::ReadAt(fd_.get(), buffer, n, offset, path);
  if (inflater_ == nullptr || offset < window_begin_) {
    Idle();
    inflater_ = Inflater::Create(kind_);
  }
  const uint64_t wanted = offset + n;
  while (window_begin_ + window_.size() < wanted) {
    if (window_.size() > 2 * kKeptBytes) {
      const uint64_t end = window_begin_ + window_.size();
      const uint64_t keep_from = std::min<uint64_t>(offset, end - kKeptBytes);
      if (keep_from > window_begin_) {
        window_.erase(0, keep_from - window_begin_);
        window_begin_ = keep_from;
      }
    }
    const size_t had = window_.size();
    window_.resize(had + kPieceBytes);
    const absl::StatusOr<size_t> got = inflater_->Next(fd_.get(), window_.data() + had, kPieceBytes, path);
    window_.resize(had + (got.ok() ? *got : 0));
    if (!got.ok()) {
      if (!absl::IsDataLoss(got.status())) return got.status();
      torn_ = true;
      break;
    }
    if (*got == 0) {
      torn_ = inflater_->inside_member();
      break;
    }
  }
  const uint64_t end = window_begin_ + window_.size();
  if (end <= offset) return 0;
  const size_t have = std::min<uint64_t>(n, end - offset);
  std::memcpy(buffer, window_.data() + (offset - window_begin_), have);
  return have;
}

}  // namespace skald::agent
