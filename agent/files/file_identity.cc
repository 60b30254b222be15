#include "agent/files/file_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace skald::agent {
namespace {

absl::StatusOr<FileStat> Stat(int fd, const char* name, int flags, const std::string& path) {
  struct statx st {};
  if (::statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &st) != 0)
    return ErrnoStatus("stat", path, errno);
  const auto ns = [](const statx_timestamp& time) { return time.tv_sec * kNsPerSecond + time.tv_nsec; };
  FileStat out;
  out.key = {makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino};
  if ((st.stx_mask & STATX_BTIME) != 0) out.key.birth_ns = static_cast<uint64_t>(ns(st.stx_btime));
  out.size = st.stx_size;
  out.disk_bytes = st.stx_blocks * 512;
  out.modified_ns = ns(st.stx_mtime);
  out.links = st.stx_nlink;
  out.regular = S_ISREG(st.stx_mode);
  return out;
}

}  // namespace

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

absl::StatusOr<FileStat> StatDescriptor(int fd, const std::string& path) {
  return Stat(fd, "", AT_EMPTY_PATH, path);
}

absl::StatusOr<FileStat> StatPath(const std::string& path) { return Stat(AT_FDCWD, path.c_str(), 0, path); }

absl::StatusOr<HeadHash> ReadHead(LogFile& file, const std::string& path) {
  char bytes[kHeadBytes];
  ASSIGN_OR_RETURN(const size_t n, file.ReadAt(bytes, kHeadBytes, 0, path));
  return HeadHash{static_cast<uint32_t>(n), n == 0 ? 0 : HashBytes({bytes, n})};
}

absl::StatusOr<bool> HeadMatches(LogFile& file, const HeadHash& head, const std::string& path) {
  if (head.length == 0) return true;
  char bytes[kHeadBytes];
  const size_t want = std::min(head.length, kHeadBytes);
  ASSIGN_OR_RETURN(const size_t n, file.ReadAt(bytes, want, 0, path));
  return n == want && HashBytes({bytes, n}) == head.hash;
}

absl::StatusOr<bool> TailMatches(LogFile& file, uint64_t offset, const TailHash& tail,
                                 const std::string& path) {
  if (tail.length == 0) return true;
  if (tail.length > offset || tail.length > kTailBytes) return false;
  char bytes[kTailBytes];
  ASSIGN_OR_RETURN(const size_t n, file.ReadAt(bytes, tail.length, offset - tail.length, path));
  return n == tail.length && HashBytes({bytes, n}) == tail.hash;
}

}  // namespace skald::agent
