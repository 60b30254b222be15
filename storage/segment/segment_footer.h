// The fixed parts of a segment file around its blocks: head, footer, tail. storage/FORMAT.md describes them
// byte for byte.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "storage/block/block_codec.h"
#include "storage/block/block_entry.h"

namespace skald {

inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr std::string_view kSegmentMagic = "SkaldSeg";
inline constexpr size_t kSegmentHeadSize = 32;
inline constexpr size_t kSegmentTailSize = 48;

// What a segment was written for; known before its first block, and kept in head and footer.
struct SegmentProperties {
  uint32_t shard = 0;
  uint32_t shard_count = 1;
  Lsn covered{0};  // all records of the write-ahead log up to it are, for this shard, in segments

  friend bool operator==(const SegmentProperties&, const SegmentProperties&) = default;
};

struct SegmentFooter {
  SegmentProperties properties;
  int64_t min_ns = 0;  // both inclusive; 0 and 0 without blocks
  int64_t max_ns = 0;
  uint64_t rows = 0;
  uint64_t line_bytes = 0;
  std::vector<SegmentStream> streams;
  std::vector<BlockHeader> blocks;  // in order of their offsets
};

struct SegmentTail {
  uint64_t footer_offset = 0;
  uint64_t footer_size = 0;  // stored
  uint64_t raw_size = 0;
  uint8_t codec = 0;
  uint32_t footer_crc = 0;
};

std::string EncodeSegmentHead(const SegmentProperties& properties);
// bytes: kSegmentHeadSize. DataLoss if damaged or no segment, FailedPrecondition for a version this build
// does not know.
absl::StatusOr<SegmentProperties> DecodeSegmentHead(std::string_view bytes);

// Footer and tail: the end of the file. footer_offset is where they will stand.
std::string EncodeSegmentEnd(const SegmentFooter& footer, uint64_t footer_offset);
// bytes: the last kSegmentTailSize of a file of file_size.
absl::StatusOr<SegmentTail> DecodeSegmentTail(std::string_view bytes, uint64_t file_size);
// bytes: what lies at the tail's offset and size. Errors name offsets in the file.
absl::StatusOr<SegmentFooter> DecodeSegmentFooter(const SegmentTail& tail, std::string_view bytes);

}  // namespace skald
