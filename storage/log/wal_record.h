// Bytes of a log file: its header, records, and how a reader finds its way past damage. storage/FORMAT.md
// describes them.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/types.h"

namespace skald {

inline constexpr std::string_view kWalMagic = "SKALDWAL";
inline constexpr uint32_t kWalVersion = 1;
inline constexpr size_t kWalFileHeaderBytes = 16;
inline constexpr size_t kWalRecordHeaderBytes = 29;

enum class WalRecordType : uint8_t {
  kCheckpoint = 1,  // first of each file: sequences of all agents, void LSNs, the last LSN given out before
  kBatch = 2,
};

struct WalRecord {
  WalRecordType type = WalRecordType::kBatch;
  Lsn lsn{0};
  // LSN of the first record that was written and synced together with this one. All before it had their
  // answer, good or bad, when this record was written; this one's own group may never have been acknowledged.
  Lsn group{0};
  std::string_view payload;
  uint64_t offset = 0;  // of the record's header in the file
  uint64_t end = 0;
  bool after_damage = false;  // bytes between the record before and this one belong to no valid record
};

std::string EncodeWalFileHeader();
// FailedPrecondition for a version this build does not know, DataLoss for anything that is no such header.
absl::Status CheckWalFileHeader(std::string_view file);

// The header that goes before a payload; payload_crc is its Crc32c.
void AppendWalRecordHeader(std::string* out, WalRecordType type, Lsn lsn, Lsn group, uint32_t payload_size,
                           uint32_t payload_crc);

// Walks the records of a whole file held in memory. A record whose header or payload does not match its
// checksum is passed over to the next valid one, wherever it begins. Never fails: ends where no valid record
// follows.
class WalScanner {
 public:
  // file outlives the scanner and the records it gives.
  explicit WalScanner(std::string_view file) : file_(file), offset_(kWalFileHeaderBytes) {}

  bool Next(WalRecord* record);
  // End of the last record that Next gave.
  uint64_t valid_end() const { return valid_end_; }

 private:
  bool ParseAt(uint64_t offset, WalRecord* record) const;

  std::string_view file_;
  uint64_t offset_;
  uint64_t valid_end_ = kWalFileHeaderBytes;
};

}  // namespace skald
