#include "storage/segment/block_filler.h"

#include <utility>

#include "base/status_macros.h"
#include "storage/head.h"

namespace skald {

absl::Status BlockFiller::Add(std::string_view tenant, std::vector<BlockPiece> pieces, Rows* merged) {
  uint64_t bytes = 0;
  for (const BlockPiece& piece : pieces) bytes += TextBytes(piece);
  // A block is of one tenant, so that a tenant's data can be deleted without touching another's.
  if (!pending_.empty() && (tenant != tenant_ || pending_bytes_ + bytes > block_text_bytes_))
    RETURN_IF_ERROR(Write());
  tenant_ = tenant;
  pending_bytes_ += bytes;
  if (merged->size() > 0) {
    kept_.push_back(std::move(*merged));
    for (BlockPiece& piece : pieces) piece.rows = &kept_.back();
  }
  pending_.insert(pending_.end(), pieces.begin(), pieces.end());
  return absl::OkStatus();
}

absl::Status BlockFiller::Write() {
  if (pending_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(writer_->AddBlock(pending_, effort_));
  pending_.clear();
  kept_.clear();
  pending_bytes_ = 0;
  return absl::OkStatus();
}

}  // namespace skald
