// Files with their durability spelled out. All calls retry EINTR and answer errors as Status with the path in
// them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

// An owned descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

absl::StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags, int mode = 0644);
// All of bytes, at the descriptor's position.
absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path);
// Up to n bytes at offset; fewer only at the end of the file.
absl::StatusOr<size_t> ReadAt(int fd, char* buffer, size_t n, uint64_t offset, const std::string& path);
absl::Status SyncData(int fd, const std::string& path);  // fdatasync
absl::Status SyncDirectory(const std::string& path);     // makes renames and creations in it durable

absl::StatusOr<std::string> ReadWholeFile(const std::string& path);
// Temp file beside it, fdatasync, rename, directory fsync: after OK the whole content is durable, before it
// the old one.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);

absl::Status CreateDirectories(const std::string& path);
// Names, not paths, sorted; without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
absl::StatusOr<uint64_t> FileSize(const std::string& path);
bool FileExists(const std::string& path);
absl::Status RemoveFile(const std::string& path);

struct DiskSpace {
  uint64_t total = 0;      // bytes of the file system
  uint64_t available = 0;  // to this process
};
absl::StatusOr<DiskSpace> SpaceOf(const std::string& path);

// Holds an exclusive flock on path (created if missing) for its lifetime; FailedPrecondition if another
// process has it.
absl::StatusOr<FileDescriptor> LockFile(const std::string& path);

}  // namespace skald
