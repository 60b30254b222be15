#include "storage/segment/segment_writer.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace skald {

SegmentWriter::SegmentWriter(std::unique_ptr<BlobWriter> blob, const SegmentProperties& properties)
    : blob_(std::move(blob)) {
  footer_.properties = properties;
}

absl::StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(BlobStore* blobs,
                                                                     const std::string& name,
                                                                     const SegmentProperties& properties) {
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> blob, blobs->Create(name));
  RETURN_IF_ERROR(blob->Append(EncodeSegmentHead(properties)));
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(blob), properties));
}

uint32_t SegmentWriter::AddStream(StreamId id, std::string_view tenant, std::string_view labels) {
  footer_.streams.push_back({id, std::string(tenant), std::string(labels)});
  return static_cast<uint32_t>(footer_.streams.size() - 1);
}

absl::Status SegmentWriter::AddBlock(const std::vector<BlockPiece>& pieces, Effort effort) {
  block_.clear();
  BlockHeader header = EncodeBlock(footer_.streams, pieces, &block_, effort);
  return AddEncodedBlock(std::move(header), block_);
}

absl::Status SegmentWriter::AddEncodedBlock(BlockHeader header, std::string_view block) {
  header.location.offset = blob_->size();
  RETURN_IF_ERROR(blob_->Append(block));
  footer_.min_ns = footer_.blocks.empty() ? header.min_ns : std::min(footer_.min_ns, header.min_ns);
  footer_.max_ns = footer_.blocks.empty() ? header.max_ns : std::max(footer_.max_ns, header.max_ns);
  footer_.rows += header.rows;
  footer_.line_bytes += header.text_bytes - header.rows;
  footer_.blocks.push_back(std::move(header));
  return absl::OkStatus();
}

absl::StatusOr<SegmentFooter> SegmentWriter::Finish() {
  RETURN_IF_ERROR(blob_->Append(EncodeSegmentEnd(footer_, blob_->size())));
  RETURN_IF_ERROR(blob_->Commit());
  return std::move(footer_);
}

}  // namespace skald
