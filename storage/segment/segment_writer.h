// Writes one segment: head, blocks, footer, tail. Not thread-safe; belongs to one flush or compaction.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/block/block_codec.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_footer.h"

namespace skald {

class SegmentWriter {
 public:
  // blobs must outlive the writer. Nothing is visible before Finish; a writer destroyed earlier leaves
  // nothing.
  static absl::StatusOr<std::unique_ptr<SegmentWriter>> Create(BlobStore* blobs, const std::string& name,
                                                               const SegmentProperties& properties);

  // Adds a stream to the directory and returns its ordinal, which pieces name. Each stream once.
  uint32_t AddStream(StreamId id, std::string_view tenant, std::string_view labels);

  // Encodes and writes one block; see EncodeBlock for what pieces must be. Rows are not kept.
  absl::Status AddBlock(const std::vector<BlockPiece>& pieces, Effort effort = Effort::kFast);

  // Writes a block that EncodeBlock made before, as it is. header: what EncodeBlock answered, its slices'
  // streams replaced by ordinals of this segment; its offset is of no matter.
  absl::Status AddEncodedBlock(BlockHeader header, std::string_view block);

  uint64_t size() const { return blob_->size(); }
  const SegmentFooter& footer() const { return footer_; }

  // Writes footer and tail and commits. OK: the segment is durable under its name. Returns what a reader
  // would find as its footer; the writer is of no more use after it.
  absl::StatusOr<SegmentFooter> Finish();

 private:
  SegmentWriter(std::unique_ptr<BlobWriter> blob, const SegmentProperties& properties);

  const std::unique_ptr<BlobWriter> blob_;
  SegmentFooter footer_;
  std::string block_;  // the block being encoded; kept for its capacity
};

}  // namespace skald
