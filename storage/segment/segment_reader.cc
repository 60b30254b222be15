#include "storage/segment/segment_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/block/block_codec.h"

namespace skald {
namespace {

constexpr size_t kKeptScratch = size_t{8} << 20;
constexpr size_t kScanBytes = size_t{256} << 10;

// Bytes that a blob turns out not to have are lost data for who knows that they were written.
absl::Status ReadBytes(const Blob& blob, uint64_t offset, size_t n, TextBuffer* out) {
  out->clear();
  if (offset > blob.size() || n > blob.size() - offset) {
    return DataLoss("{} bytes at {} are beyond the file's {}", n, offset, blob.size());
  }
  out->resize(n);
  const absl::Status status = blob.Read(offset, n, out->data());
  if (absl::IsOutOfRange(status)) return DataLoss("{}", MessageOf(status));
  return status;
}

// Decodes everything a block has; OK if all of it is sound.
absl::Status CheckBlock(std::string_view bytes, BlockHeader* header, std::vector<SegmentStream>* streams,
                        Rows* rows) {
  ASSIGN_OR_RETURN(const BlockFront front, DecodeBlockFront(bytes));
  if (front.size > bytes.size()) return DataLoss("block is cut off");
  RETURN_IF_ERROR(
      DecodeBlockColumns(front, bytes, 0, {.times = true, .lines = true, .metadata = true}, rows));
  RETURN_IF_ERROR(DecodeBlockDirectory(front, bytes, streams, &header->slices));
  header->location.size = front.size;
  header->location.header_size = front.header_size;
  header->rows = front.rows;
  header->text_bytes = front.text_bytes;
  header->min_ns = front.min_ns;
  header->max_ns = front.max_ns;
  return absl::OkStatus();
}

// The block at offset, if a sound one begins there. If only its front header is sound, *block_end still says
// where it ends, so that nothing is looked for inside of it (a line may hold the bytes of a block); otherwise
// it is left alone.
absl::StatusOr<BlockHeader> TryBlock(const Blob& blob, uint64_t offset, uint64_t end, TextBuffer* buffer,
                                     Rows* rows, std::vector<SegmentStream>* streams, uint64_t* block_end) {
  // The front header first, for the block's size: most are far below this.
  size_t n = std::min<uint64_t>(end - offset, 4096);
  RETURN_IF_ERROR(ReadBytes(blob, offset, n, buffer));
  absl::StatusOr<BlockFront> front = DecodeBlockFront(buffer->view());
  if (!front.ok() && n < end - offset && buffer->view().starts_with(kBlockMagic)) {
    n = std::min<uint64_t>(end - offset, size_t{16} << 20);
    RETURN_IF_ERROR(ReadBytes(blob, offset, n, buffer));
    front = DecodeBlockFront(buffer->view());
  }
  if (!front.ok()) return front.status();
  if (front->size > end - offset) return DataLoss("block is cut off");
  *block_end = offset + front->size;
  RETURN_IF_ERROR(ReadBytes(blob, offset, front->size, buffer));
  BlockHeader header;
  RETURN_IF_ERROR(CheckBlock(buffer->view(), &header, streams, rows));
  header.location.offset = offset;
  return header;
}

// Where the next block may begin: the first magic in [offset, end), or end.
absl::StatusOr<uint64_t> FindBlock(const Blob& blob, uint64_t offset, uint64_t end) {
  TextBuffer buffer;
  while (offset + kBlockMagic.size() <= end) {
    const size_t n = std::min<uint64_t>(end - offset, kScanBytes);
    RETURN_IF_ERROR(ReadBytes(blob, offset, n, &buffer));
    const size_t at = buffer.view().find(kBlockMagic);
    if (at != std::string_view::npos) return offset + at;
    offset += n - (kBlockMagic.size() - 1);
  }
  return end;
}

// Bytes that hold a block's header and summary, unless they are larger than they are nearly always.
size_t SummaryGuess(const BlockLocation& location) {
  return std::min<size_t>(location.size, location.header_size + location.size / 16 + 1024);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SegmentReader>> SegmentReader::Open(
    const BlobStore& blobs, const std::string& name, std::shared_ptr<BlockSummaryCache> summaries) {
  ASSIGN_OR_RETURN(std::shared_ptr<const Blob> blob, blobs.Open(name));
  return std::make_shared<const SegmentReader>(std::move(blob), std::move(summaries));
}

SegmentReader::SegmentReader(std::shared_ptr<const Blob> blob, std::shared_ptr<BlockSummaryCache> summaries)
    : blob_(std::move(blob)),
      summaries_(std::move(summaries)),
      number_(summaries_ == nullptr ? 0 : summaries_->NewReader()) {}

absl::StatusOr<SegmentFooter> SegmentReader::ReadFooter() const {
  const auto read = [&]() -> absl::StatusOr<SegmentFooter> {
    if (size() < kSegmentHeadSize + kSegmentTailSize)
      return DataLoss("{} bytes are too few for a segment", size());
    TextBuffer buffer;
    RETURN_IF_ERROR(ReadBytes(*blob_, 0, kSegmentHeadSize, &buffer));
    ASSIGN_OR_RETURN(const SegmentProperties properties, DecodeSegmentHead(buffer.view()));
    RETURN_IF_ERROR(ReadBytes(*blob_, size() - kSegmentTailSize, kSegmentTailSize, &buffer));
    ASSIGN_OR_RETURN(const SegmentTail tail, DecodeSegmentTail(buffer.view(), size()));
    RETURN_IF_ERROR(ReadBytes(*blob_, tail.footer_offset, tail.footer_size, &buffer));
    ASSIGN_OR_RETURN(SegmentFooter footer, DecodeSegmentFooter(tail, buffer.view()));
    if (footer.properties != properties) return DataLoss("segment head and footer do not belong together");
    return footer;
  };
  absl::StatusOr<SegmentFooter> footer = read();
  if (!footer.ok()) return Annotate(footer.status(), fmt::format("segment {}", name()));
  return footer;
}

absl::Status SegmentReader::ReadBlock(const BlockLocation& location, uint32_t expected_rows, ColumnSet want,
                                      Rows* rows, ReadStats* stats) const {
  const absl::Status status = ReadBlockUnnamed(location, expected_rows, want, rows, stats);
  if (status.ok()) return status;
  rows->clear();
  return Annotate(status, fmt::format("segment {} block at {}", name(), location.offset));
}

absl::Status SegmentReader::ReadBlockUnnamed(const BlockLocation& location, uint32_t expected_rows,
                                             ColumnSet want, Rows* rows, ReadStats* stats) const {
  thread_local TextBuffer stored;
  if (stored.capacity() > kKeptScratch) stored = TextBuffer();
  // With lines nearly all of the block is needed: one read. Otherwise the header first, and then what it
  // takes.
  RETURN_IF_ERROR(
      ReadBytes(*blob_, location.offset, want.lines ? location.size : location.header_size, &stored));
  uint64_t taken = stored.size();
  ASSIGN_OR_RETURN(const BlockFront front, DecodeBlockFront(stored.view()));
  if (front.size != location.size || front.header_size != location.header_size ||
      front.rows != expected_rows) {
    return DataLoss("block has {} rows in {} bytes, {} in {} were expected", front.rows, front.size,
                    expected_rows, location.size);
  }
  uint32_t begin = 0;
  if (!want.lines) {
    const auto [first, last] = WantedBytes(front, want);
    begin = first;
    RETURN_IF_ERROR(ReadBytes(*blob_, location.offset + first, last - first, &stored));
    taken += stored.size();
  }
  RETURN_IF_ERROR(DecodeBlockColumns(front, stored.view(), begin, want, rows));
  if (stats != nullptr) {
    ++stats->blocks;
    stats->stored_bytes += taken;
    stats->decoded_rows += front.rows;
    if (want.lines) stats->decoded_bytes += front.text_bytes - front.rows;
  }
  return absl::OkStatus();
}

absl::Status SegmentReader::ReadEncoded(const BlockLocation& location, std::string* bytes) const {
  TextBuffer stored;
  RETURN_IF_ERROR(ReadBytes(*blob_, location.offset, location.size, &stored));
  ASSIGN_OR_RETURN(const BlockFront front, DecodeBlockFront(stored.view()));
  if (front.size != location.size) return DataLoss("another block was expected");
  bytes->assign(stored.view());
  return absl::OkStatus();
}

std::shared_ptr<const BlockSummary> SegmentReader::Summary(const BlockLocation& location, bool* read) const {
  const BlockSummaryCache::Key key{number_, location.offset};
  *read = false;
  if (summaries_ != nullptr) {
    if (std::shared_ptr<const BlockSummary> known = summaries_->Find(key)) return known;
  }
  *read = true;
  absl::StatusOr<BlockSummary> decoded = ReadSummary(location);
  if (!decoded.ok()) return nullptr;
  auto summary = std::make_shared<const BlockSummary>(*std::move(decoded));
  if (summaries_ != nullptr) summaries_->Insert(key, summary);
  return summary;
}

void SegmentReader::ExpectSummary(const BlockLocation& location) const {
  blob_->Expect(location.offset, SummaryGuess(location));
}

absl::StatusOr<BlockSummary> SegmentReader::ReadSummary(const BlockLocation& location) const {
  thread_local TextBuffer stored;
  if (stored.capacity() > kKeptScratch) stored = TextBuffer();
  RETURN_IF_ERROR(ReadBytes(*blob_, location.offset, SummaryGuess(location), &stored));
  ASSIGN_OR_RETURN(const BlockFront front, DecodeBlockFront(stored.view()));
  if (front.size != location.size || front.header_size != location.header_size)
    return DataLoss("another block was expected");
  if (const uint32_t end = SummaryEnd(front); end > stored.size())
    RETURN_IF_ERROR(ReadBytes(*blob_, location.offset, end, &stored));
  return DecodeBlockSummary(front, stored.view());
}

std::shared_ptr<const BlockPatterns> SegmentReader::Patterns(const BlockLocation& location,
                                                             ReadStats* stats) const {
  absl::StatusOr<BlockPatterns> read = ReadPatterns(location, stats);
  if (!read.ok() || read->slices.empty()) return nullptr;
  return std::make_shared<const BlockPatterns>(*std::move(read));
}

absl::StatusOr<BlockPatterns> SegmentReader::ReadPatterns(const BlockLocation& location,
                                                          ReadStats* stats) const {
  TextBuffer stored;
  RETURN_IF_ERROR(ReadBytes(*blob_, location.offset, location.header_size, &stored));
  ASSIGN_OR_RETURN(const BlockFront front, DecodeBlockFront(stored.view()));
  if (front.size != location.size) return DataLoss("another block was expected");
  const auto [begin, end] = PatternsBytes(front);
  RETURN_IF_ERROR(ReadBytes(*blob_, location.offset + begin, end - begin, &stored));
  if (stats != nullptr) stats->stored_bytes += location.header_size + (end - begin);
  return DecodePatterns(front, stored.view());
}

absl::StatusOr<SegmentReader::Salvaged> SegmentReader::Salvage() const {
  Salvaged out;
  TextBuffer buffer;
  if (size() >= kSegmentHeadSize) {
    RETURN_IF_ERROR(ReadBytes(*blob_, 0, kSegmentHeadSize, &buffer));
    if (absl::StatusOr<SegmentProperties> properties = DecodeSegmentHead(buffer.view()); properties.ok()) {
      out.footer.properties = *properties;
      out.head_ok = true;
    } else if (absl::IsFailedPrecondition(properties.status())) {
      return Annotate(properties.status(), fmt::format("segment {}", name()));
    }
  }
  uint64_t end = size();
  if (size() >= kSegmentHeadSize + kSegmentTailSize) {
    RETURN_IF_ERROR(ReadBytes(*blob_, size() - kSegmentTailSize, kSegmentTailSize, &buffer));
    if (absl::StatusOr<SegmentTail> tail = DecodeSegmentTail(buffer.view(), size()); tail.ok())
      end = tail->footer_offset;
  }
  SegmentFooter& footer = out.footer;
  std::map<std::pair<std::string, std::string>, uint32_t> ordinals;  // of (tenant, labels)
  std::vector<SegmentStream> streams;
  Rows rows;
  uint64_t last_end = std::min<uint64_t>(kSegmentHeadSize, end);  // of the last sound block
  uint64_t offset = last_end;
  while (offset < end) {
    uint64_t block_end = 0;
    absl::StatusOr<BlockHeader> block = TryBlock(*blob_, offset, end, &buffer, &rows, &streams, &block_end);
    if (!block.ok()) {
      if (!absl::IsDataLoss(block.status())) return block.status();  // cannot be read just now
      if (block_end > 0) {
        offset = block_end;
      } else {
        ASSIGN_OR_RETURN(offset, FindBlock(*blob_, offset + 1, end));
      }
      continue;
    }
    for (BlockSlice& slice : block->slices) {
      SegmentStream& stream = streams[slice.stream];
      const auto [at, added] = ordinals.try_emplace({stream.tenant, stream.labels}, footer.streams.size());
      if (added) footer.streams.push_back(std::move(stream));
      slice.stream = at->second;
    }
    footer.min_ns = footer.blocks.empty() ? block->min_ns : std::min(footer.min_ns, block->min_ns);
    footer.max_ns = footer.blocks.empty() ? block->max_ns : std::max(footer.max_ns, block->max_ns);
    footer.rows += block->rows;
    footer.line_bytes += block->text_bytes - block->rows;
    out.lost_bytes += offset - last_end;
    offset = last_end = offset + block->location.size;
    footer.blocks.push_back(*std::move(block));
  }
  out.lost_bytes += end - last_end;
  return out;
}

}  // namespace skald
