#include "storage/block/block_entry.h"

#include <limits>
#include <string_view>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr uint32_t kMaxU32 = std::numeric_limits<uint32_t>::max();

// Levels that are written as one byte, their place here + 1; 0 is followed by the level's text. Stored:
// append only.
constexpr std::string_view kKnownLevels[] = {"",         "debug", "info",  "warn",   "error",
                                             "critical", "fatal", "trace", "unknown"};

void PutLevel(std::string_view level, std::string* out) {
  for (size_t i = 0; i < std::size(kKnownLevels); ++i) {
    if (kKnownLevels[i] == level) return PutVarint(out, i + 1);
  }
  PutVarint(out, 0);
  PutText(out, level);
}

bool GetLevel(ByteReader* in, std::string* level) {
  const uint64_t code = in->Varint();
  if (!in->ok() || code > std::size(kKnownLevels)) return false;
  *level = code == 0 ? in->Text() : kKnownLevels[code - 1];
  return in->ok();
}

uint64_t Distance(int64_t from, int64_t to) {
  return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

// base + distance; false if that is beyond the last time.
bool AddDistance(int64_t base, uint64_t distance, int64_t* sum) {
  *sum = static_cast<int64_t>(static_cast<uint64_t>(base) + distance);
  return Distance(base, std::numeric_limits<int64_t>::max()) >= distance;
}

void PutLocation(const BlockLocation& location, std::string* out) {
  PutVarint(out, location.offset);
  PutVarint(out, location.size);
  PutVarint(out, location.header_size);
}

absl::Status GetLocation(ByteReader* in, BlockLocation* location) {
  location->offset = in->Varint();
  const uint64_t size = in->Varint();
  const uint64_t header_size = in->Varint();
  if (!in->ok() || size > kMaxU32 || header_size > size || location->offset > (uint64_t{1} << 62)) {
    return DataLoss("block entry: no block lies at {} with {} bytes, {} of them header", location->offset,
                    size, header_size);
  }
  location->size = static_cast<uint32_t>(size);
  location->header_size = static_cast<uint32_t>(header_size);
  return absl::OkStatus();
}

// Rows and text bytes of a block; each row has a separator at least.
absl::Status GetTotals(ByteReader* in, uint32_t* rows, uint32_t* text_bytes) {
  const uint64_t n = in->Varint();
  const uint64_t bytes = in->Varint();
  if (!in->ok() || bytes > kMaxRowsText || n == 0 || n > bytes) {
    return DataLoss("block entry: {} rows cannot have {} bytes of text", n, bytes);
  }
  *rows = static_cast<uint32_t>(n);
  *text_bytes = static_cast<uint32_t>(bytes);
  return absl::OkStatus();
}

}  // namespace

BlockEntry MakeBlockEntry(const BlockHeader& header, const BlockSlice& slice) {
  return {header.location, header.rows, header.text_bytes, slice};
}

void EncodeSlice(const BlockSlice& slice, int64_t base_ns, std::string* out) {
  PutVarint(out, slice.row_end - slice.row_begin);
  PutVarint(out, Distance(base_ns, slice.min_ns));
  PutVarint(out, Distance(slice.min_ns, slice.max_ns));
  PutVarint(out, slice.line_bytes);
  PutVarint(out, slice.levels.size());
  for (size_t i = 0; i < slice.levels.size(); ++i) {
    const LevelCount& count = slice.levels[i];
    PutLevel(count.level, out);
    if (i + 1 == slice.levels.size()) break;  // the last has what is left
    PutVarint(out, count.rows);
    PutVarint(out, count.line_bytes);
  }
}

absl::Status DecodeSlice(ByteReader* in, uint32_t row_begin, uint32_t max_rows, int64_t base_ns,
                         BlockSlice* slice) {
  const uint64_t rows = in->Varint();
  const uint64_t from_base = in->Varint();
  const uint64_t span = in->Varint();
  slice->line_bytes = in->Varint();
  const uint64_t levels = in->Varint();
  if (!in->ok()) return DataLoss("slice: cut short");
  if (rows == 0 || rows > max_rows) return DataLoss("slice: {} rows of {}", rows, max_rows);
  if (!AddDistance(base_ns, from_base, &slice->min_ns) || !AddDistance(slice->min_ns, span, &slice->max_ns)) {
    return DataLoss("slice: times beyond the last nanosecond");
  }
  if (slice->line_bytes > kMaxRowsText) return DataLoss("slice: {} bytes of lines", slice->line_bytes);
  if (levels == 0 || levels > rows || levels > in->remaining())
    return DataLoss("slice: {} levels in {} rows", levels, rows);
  slice->row_begin = row_begin;
  slice->row_end = row_begin + static_cast<uint32_t>(rows);
  slice->levels.resize(levels);
  uint64_t rows_left = rows;
  uint64_t bytes_left = slice->line_bytes;
  for (uint64_t i = 0; i < levels; ++i) {
    LevelCount& count = slice->levels[i];
    if (!GetLevel(in, &count.level)) return DataLoss("slice: level {} is malformed", i);
    const bool last = i + 1 == levels;
    const uint64_t level_rows = last ? rows_left : in->Varint();
    const uint64_t level_bytes = last ? bytes_left : in->Varint();
    if (!in->ok() || level_rows == 0 || level_rows > rows_left || level_bytes > bytes_left) {
      return DataLoss("slice: level \"{}\" has more than the slice", count.level);
    }
    count.rows = static_cast<uint32_t>(level_rows);
    count.line_bytes = level_bytes;
    rows_left -= level_rows;
    bytes_left -= level_bytes;
  }
  return absl::OkStatus();
}

void EncodeBlockEntry(const BlockEntry& entry, std::string* out) {
  PutLocation(entry.location, out);
  PutVarint(out, entry.block_rows);
  PutVarint(out, entry.block_text_bytes);
  PutVarint(out, entry.slice.row_begin);
  PutSignedVarint(out, entry.slice.min_ns);
  EncodeSlice(entry.slice, entry.slice.min_ns, out);
}

absl::Status DecodeBlockEntry(ByteReader* in, BlockEntry* entry) {
  RETURN_IF_ERROR(GetLocation(in, &entry->location));
  RETURN_IF_ERROR(GetTotals(in, &entry->block_rows, &entry->block_text_bytes));
  const uint64_t row_begin = in->Varint();
  const int64_t base_ns = in->SignedVarint();
  if (!in->ok() || row_begin >= entry->block_rows) {
    return DataLoss("block entry: begins at row {} of {}", row_begin, entry->block_rows);
  }
  entry->slice.stream = 0;
  const auto begin = static_cast<uint32_t>(row_begin);
  return DecodeSlice(in, begin, entry->block_rows - begin, base_ns, &entry->slice);
}

void EncodeBlockHeader(const BlockHeader& header, std::string* out) {
  PutLocation(header.location, out);
  PutVarint(out, header.rows);
  PutVarint(out, header.text_bytes);
  PutSignedVarint(out, header.min_ns);
  PutVarint(out, Distance(header.min_ns, header.max_ns));
  PutVarint(out, header.slices.size());
  for (const BlockSlice& slice : header.slices) {
    PutVarint(out, slice.stream);
    EncodeSlice(slice, header.min_ns, out);
  }
}

absl::Status DecodeBlockHeader(ByteReader* in, uint32_t streams, BlockHeader* header) {
  RETURN_IF_ERROR(GetLocation(in, &header->location));
  RETURN_IF_ERROR(GetTotals(in, &header->rows, &header->text_bytes));
  header->min_ns = in->SignedVarint();
  const uint64_t span = in->Varint();
  const uint64_t slices = in->Varint();
  if (!in->ok() || !AddDistance(header->min_ns, span, &header->max_ns))
    return DataLoss("block header: malformed times");
  if (slices == 0 || slices > header->rows || slices > in->remaining() / 7) {
    return DataLoss("block header: {} slices of {} rows", slices, header->rows);
  }
  header->slices.resize(slices);
  uint32_t row = 0;
  uint64_t text_bytes = header->rows;
  for (BlockSlice& slice : header->slices) {
    const uint64_t stream = in->Varint();
    if (!in->ok() || stream >= streams) return DataLoss("block header: stream {} of {}", stream, streams);
    slice.stream = static_cast<uint32_t>(stream);
    RETURN_IF_ERROR(DecodeSlice(in, row, header->rows - row, header->min_ns, &slice));
    if (slice.max_ns > header->max_ns)
      return DataLoss("block header: slice of stream {} is later than the block", stream);
    row = slice.row_end;
    text_bytes += slice.line_bytes;
  }
  if (row != header->rows || text_bytes != header->text_bytes) {
    return DataLoss("block header: slices have {} rows and {} bytes, the block {} and {}", row, text_bytes,
                    header->rows, header->text_bytes);
  }
  return absl::OkStatus();
}

}  // namespace skald
