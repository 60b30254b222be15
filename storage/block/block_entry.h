// What is known of a stored block without reading it, and its encodings: for a segment's footer (all slices
// of all blocks) and for the label index (one stream's slice of one block). storage/FORMAT.md describes them
// byte for byte.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/types.h"
#include "storage/log_source.h"

namespace skald {

// Where a block lies in its segment.
struct BlockLocation {
  uint64_t offset = 0;
  uint32_t size = 0;         // stored bytes: front header and all sections
  uint32_t header_size = 0;  // of the front header, which is the block's beginning
};

// Rows [row_begin, row_end) of a block: all that it holds of one stream.
struct BlockSlice {
  uint32_t stream = 0;  // ordinal in the segment's stream directory; not part of a BlockEntry's encoding
  uint32_t row_begin = 0;
  uint32_t row_end = 0;
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  uint64_t line_bytes = 0;         // without separators
  std::vector<LevelCount> levels;  // never empty; sorted by level; sums to the slice's rows and line_bytes

  uint32_t rows() const { return row_end - row_begin; }
};

struct BlockHeader {
  BlockLocation location;
  uint32_t rows = 0;
  uint32_t text_bytes = 0;  // decoded text with its separators
  int64_t min_ns = 0;       // both inclusive
  int64_t max_ns = 0;
  std::vector<BlockSlice> slices;  // in order of rows, without gaps: together they are all rows
};

// One stream's slice of a block with all that is needed to select and read it: a value of the label index.
struct BlockEntry {
  BlockLocation location;
  uint32_t block_rows = 0;
  uint32_t block_text_bytes = 0;
  BlockSlice slice;
};

BlockEntry MakeBlockEntry(const BlockHeader& header, const BlockSlice& slice);

// Some 30 bytes with one level. Entries may be written one after the other: each knows its end.
void EncodeBlockEntry(const BlockEntry& entry, std::string* out);
// DataLoss if the bytes are no entry. *in stands after the entry then, or anywhere on errors.
absl::Status DecodeBlockEntry(ByteReader* in, BlockEntry* entry);

void EncodeBlockHeader(const BlockHeader& header, std::string* out);
// Bounds checked: slices cover exactly the rows, streams are below `streams`.
absl::Status DecodeBlockHeader(ByteReader* in, uint32_t streams, BlockHeader* header);

// Building stones of the above, and of a block's own directory. The slice's row_begin and stream are the
// caller's; times are written as their difference to base_ns (the block's first, never above the slice's).
void EncodeSlice(const BlockSlice& slice, int64_t base_ns, std::string* out);
absl::Status DecodeSlice(ByteReader* in, uint32_t row_begin, uint32_t max_rows, int64_t base_ns,
                         BlockSlice* slice);

}  // namespace skald
