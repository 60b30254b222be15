#include "agent/files/file_identity.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace skald::agent {
namespace {

FileStat FromStat(const struct stat& st) {
  FileStat out;
  out.key = {static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino)};
  out.size = static_cast<uint64_t>(st.st_size);
  out.disk_bytes = static_cast<uint64_t>(st.st_blocks) * 512;
  out.modified_ns = static_cast<int64_t>(st.st_mtim.tv_sec) * kNsPerSecond + st.st_mtim.tv_nsec;
  out.links = static_cast<uint64_t>(st.st_nlink);
  out.regular = S_ISREG(st.st_mode);
  return out;
}

}  // namespace

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

absl::StatusOr<FileStat> StatDescriptor(int fd, const std::string& path) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return ErrnoStatus("stat", path, errno);
  return FromStat(st);
}

absl::StatusOr<FileStat> StatPath(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return ErrnoStatus("stat", path, errno);
  return FromStat(st);
}

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
