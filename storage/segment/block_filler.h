// Collects the rows of streams with little text into blocks that they share.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "storage/block/block_codec.h"
#include "storage/segment/segment_writer.h"

namespace skald {

// Not thread-safe; belongs to one flush or compaction. Write before the segment is finished.
class BlockFiller {
 public:
  BlockFiller(SegmentWriter* writer, uint64_t block_text_bytes, Effort effort = Effort::kFast)
      : writer_(writer), block_text_bytes_(block_text_bytes), effort_(effort) {}

  // pieces of one stream; if *merged is not empty they all point to it, and it is taken over.
  absl::Status Add(std::string_view tenant, std::vector<BlockPiece> pieces, Rows* merged);
  // What is collected.
  absl::Status Write();

 private:
  SegmentWriter* const writer_;
  const uint64_t block_text_bytes_;
  const Effort effort_;
  std::string tenant_;
  std::vector<BlockPiece> pending_;
  std::deque<Rows> kept_;  // stable addresses
  uint64_t pending_bytes_ = 0;
};

}  // namespace skald
