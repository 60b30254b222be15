// Who a log file is, whatever its name: device and inode, a hash of its head, and a hash of the bytes just
// before an offset. The first two survive a rename; the hashes, and the time of birth where there is one,
// tell a reused inode, a truncated and regrown file, and a restored copy apart.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/files/log_file.h"

namespace skald::agent {

inline constexpr uint32_t kHeadBytes = 1024;
inline constexpr uint32_t kTailBytes = 256;
// A head of that many bytes of records with times, or of a generation of the same log, is no other file's.
inline constexpr uint32_t kMinTimedHead = 64;

// Equal keys are one file as long as it is there; its inode is given to another one afterwards.
struct InodeKey {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t birth_ns = 0;  // since 1970; 0 where the file system does not tell. No part of equality
  friend bool operator==(const InodeKey& a, const InodeKey& b) {
    return a.device == b.device && a.inode == b.inode;
  }
  // Whether an equal key is another file's for certain.
  bool Recycled(const InodeKey& later) const {
    return birth_ns != 0 && later.birth_ns != 0 && birth_ns != later.birth_ns;
  }
  template <typename H>
  friend H AbslHashValue(H h, const InodeKey& key) {
    return H::combine(std::move(h), key.device, key.inode);
  }
};

// The first `length` bytes, hashed; length <= kHeadBytes. Length 0 says nothing and matches every file.
struct HeadHash {
  uint32_t length = 0;
  uint64_t hash = 0;
  friend bool operator==(const HeadHash&, const HeadHash&) = default;
};

// The bytes [offset - length, offset), hashed; length is min(kTailBytes, offset).
struct TailHash {
  uint32_t length = 0;
  uint64_t hash = 0;
  friend bool operator==(const TailHash&, const TailHash&) = default;
};

uint64_t HashBytes(std::string_view bytes);

struct FileStat {
  InodeKey key;
  uint64_t size = 0;
  uint64_t disk_bytes = 0;
  int64_t modified_ns = 0;
  uint64_t links = 0;
  bool regular = false;
};
absl::StatusOr<FileStat> StatDescriptor(int fd, const std::string& path);
// Follows symbolic links.
absl::StatusOr<FileStat> StatPath(const std::string& path);

// These read text: of a compressed file, what it holds.
// Over the file as it is now; shorter than kHeadBytes if the file is.
absl::StatusOr<HeadHash> ReadHead(LogFile& file, const std::string& path);
// Whether the file still begins with what was hashed.
absl::StatusOr<bool> HeadMatches(LogFile& file, const HeadHash& head, const std::string& path);
// Whether the bytes before offset are what was hashed; false if the file is shorter.
absl::StatusOr<bool> TailMatches(LogFile& file, uint64_t offset, const TailHash& tail,
                                 const std::string& path);
}  // namespace skald::agent
