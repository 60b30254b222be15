// The unit of storage: rows of one or several streams, sorted by stream and then time, as columns that are
// stored, checksummed and decoded apart. A block carries its own front header and the labels of its streams,
// so that it can be read and saved from a segment whose footer is lost. storage/FORMAT.md describes it byte
// for byte.
#pragma once

#include <absl/container/inlined_vector.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/compress.h"
#include "base/types.h"
#include "proto/rows.h"
#include "storage/block/block_entry.h"
#include "storage/block/block_patterns.h"
#include "storage/log_source.h"

namespace skald {

// A stream as segments know it: what the label index is rebuilt from.
struct SegmentStream {
  StreamId id{0};
  std::string tenant;
  std::string labels;  // Labels::ToString()
};

// Rows [row_begin, row_end) of *rows, all of one stream. Not empty.
struct BlockPiece {
  uint32_t stream = 0;  // ordinal in the segment's streams
  const Rows* rows = nullptr;
  uint32_t row_begin = 0;
  uint32_t row_end = 0;
};

// Appends one block to *out and returns its header, whose location is relative to what out was before. Pieces
// of one stream stand together, in order of time (ties as they came); a stream stands in one run of pieces. A
// piece beyond `streams`, descending times within a stream or more than kMaxRowsText bytes of text are broken
// invariants of the caller.
BlockHeader EncodeBlock(const std::vector<SegmentStream>& streams, const std::vector<BlockPiece>& pieces,
                        std::string* out, Effort effort = Effort::kFast);

// Stored numbers: never renumbered.
enum class SectionKind : uint8_t {
  kTimes = 1,
  kLengths = 2,
  kMetadata = 3,
  kText = 4,
  kDirectory = 5,
  kTimeCounts = 6,
  kGrams = 7,
  kPatterns = 8,
  kGramSample = 9
};

// "times", "lengths", ... for error texts.
std::string_view SectionName(SectionKind kind);

struct Section {
  SectionKind kind{};
  uint8_t codec = 0;
  uint32_t offset = 0;  // from the block's beginning
  uint32_t stored_size = 0;
  uint32_t raw_size = 0;
  uint32_t crc = 0;  // CRC32C of the stored bytes
};

// What the front header says.
struct BlockFront {
  uint32_t header_size = 0;
  uint32_t size = 0;  // of the whole block
  uint32_t rows = 0;
  uint32_t text_bytes = 0;
  int64_t min_ns = 0;
  int64_t max_ns = 0;
  absl::InlinedVector<Section, 8> sections;
};

inline constexpr std::string_view kBlockMagic = "SkaldBlk";

// bytes: from the block's beginning on, at least its front header. DataLoss if it is none or damaged.
absl::StatusOr<BlockFront> DecodeBlockFront(std::string_view bytes);

// [begin, end) within the block that holds all wanted sections; empty if nothing is wanted.
std::pair<uint32_t, uint32_t> WantedBytes(const BlockFront& front, ColumnSet want);

// Decodes the wanted columns into *rows, whose capacity is reused; others are left empty. bytes are the
// block's from bytes_offset on and hold at least WantedBytes. DataLoss ("section text: crc mismatch at offset
// 1234", offsets from the block's beginning) leaves *rows empty.
absl::Status DecodeBlockColumns(const BlockFront& front, std::string_view bytes, uint32_t bytes_offset,
                                ColumnSet want, Rows* rows);

// The same for a whole block in memory.
absl::Status DecodeBlock(std::string_view bytes, ColumnSet want, Rows* rows);

// The summary sections, which stand right behind the front header; end is the offset behind them (the
// header's own size if there are none).
uint32_t SummaryEnd(const BlockFront& front);
// bytes: the block's beginning, at least SummaryEnd bytes.
absl::StatusOr<BlockSummary> DecodeBlockSummary(const BlockFront& front, std::string_view bytes);

// [begin, end) of the patterns section within the block; empty if there is none.
std::pair<uint32_t, uint32_t> PatternsBytes(const BlockFront& front);
// bytes: just that section.
absl::StatusOr<BlockPatterns> DecodePatterns(const BlockFront& front, std::string_view bytes);

// The slices and streams of a block from its own directory section; slice.stream is an ordinal in *streams.
// block: the whole.
absl::Status DecodeBlockDirectory(const BlockFront& front, std::string_view block,
                                  std::vector<SegmentStream>* streams, std::vector<BlockSlice>* slices);

}  // namespace skald
