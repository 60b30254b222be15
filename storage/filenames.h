// Every name under a data directory, in one place. storage/FORMAT.md tells what is in the files.
//
//   <directory>/LOCK                      held by the process that has it open
//   <directory>/meta                      format version and what is fixed for the directory's life
//   <directory>/deletes                   delete requests that are still to be carried out
//   <directory>/wal/00000001.log          write-ahead log
//   <directory>/segments/0000000000000007.seg
//   <directory>/index/                    label index (RocksDB)
//   <directory>/index.bad-1/              an index that could not be opened, set aside
//   <directory>/index.damaged             there while the index is to be made anew at the next start
//   <directory>/damaged/                  files that fsck has put others in the place of
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace skald {

inline std::string LockFileName(const std::string& directory) { return directory + "/LOCK"; }
inline std::string MetaFileName(const std::string& directory) { return directory + "/meta"; }
inline std::string DeletesFileName(const std::string& directory) { return directory + "/deletes"; }
inline std::string WalDirectory(const std::string& directory) { return directory + "/wal"; }
inline std::string SegmentDirectory(const std::string& directory) { return directory + "/segments"; }
inline std::string IndexDirectory(const std::string& directory) { return directory + "/index"; }
inline std::string BadIndexDirectory(const std::string& directory, int n) {
  return directory + "/index.bad-" + std::to_string(n);
}

inline std::string IndexDamagedFileName(const std::string& directory) { return directory + "/index.damaged"; }
inline std::string DamagedDirectory(const std::string& directory) { return directory + "/damaged"; }

inline constexpr std::string_view kWalSuffix = ".log";
inline constexpr std::string_view kSegmentSuffix = ".seg";
inline constexpr std::string_view kTemporarySuffix = ".tmp";  // of no use after a crash: deleted at the start

inline std::string WalFileName(uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "%08" PRIu64 ".log", number);
  return name;
}
inline std::string SegmentFileName(SegmentId id) {
  char name[32];
  std::snprintf(name, sizeof(name), "%016" PRIu64 ".seg", Raw(id));
  return name;
}

// The number in "<digits><suffix>"; none for any other name.
inline std::optional<uint64_t> ParseNumberedName(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  if (name.empty() || name.size() > 19) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

}  // namespace skald
