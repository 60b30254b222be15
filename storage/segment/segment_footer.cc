#include "storage/segment/segment_footer.h"

#include <limits>

#include "base/coding.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald {
namespace {

constexpr uint64_t kMaxFooterBytes = uint64_t{1} << 30;

absl::Status CheckVersion(uint32_t version) {
  if (version == kSegmentVersion) return absl::OkStatus();
  return FailedPrecondition("segment version {} is not known to this build, which writes {}", version,
                            kSegmentVersion);
}

}  // namespace

std::string EncodeSegmentHead(const SegmentProperties& properties) {
  std::string fields;
  PutFixed<uint32_t>(&fields, kSegmentVersion);
  PutFixed<uint32_t>(&fields, properties.shard);
  PutFixed<uint32_t>(&fields, properties.shard_count);
  PutFixed<uint64_t>(&fields, Raw(properties.covered));
  std::string out(kSegmentMagic);
  out += fields;
  PutFixed<uint32_t>(&out, Crc32c(fields));
  return out;
}

absl::StatusOr<SegmentProperties> DecodeSegmentHead(std::string_view bytes) {
  if (bytes.size() < kSegmentHeadSize)
    return DataLoss("segment head is cut off after {} bytes", bytes.size());
  if (!bytes.starts_with(kSegmentMagic)) return DataLoss("segment head: wrong magic at offset 0");
  const std::string_view fields =
      bytes.substr(kSegmentMagic.size(), kSegmentHeadSize - kSegmentMagic.size() - 4);
  ByteReader in(bytes.substr(kSegmentMagic.size(), kSegmentHeadSize - kSegmentMagic.size()));
  const auto version = in.Fixed<uint32_t>();
  SegmentProperties properties;
  properties.shard = in.Fixed<uint32_t>();
  properties.shard_count = in.Fixed<uint32_t>();
  properties.covered = Lsn(in.Fixed<uint64_t>());
  if (in.Fixed<uint32_t>() != Crc32c(fields)) return DataLoss("segment head: crc mismatch at offset 0");
  RETURN_IF_ERROR(CheckVersion(version));
  return properties;
}

std::string EncodeSegmentEnd(const SegmentFooter& footer, uint64_t footer_offset) {
  std::string raw;
  PutVarint(&raw, footer.properties.shard);
  PutVarint(&raw, footer.properties.shard_count);
  PutVarint(&raw, Raw(footer.properties.covered));
  PutSignedVarint(&raw, footer.min_ns);
  PutSignedVarint(&raw, footer.max_ns);
  PutVarint(&raw, footer.rows);
  PutVarint(&raw, footer.line_bytes);
  PutVarint(&raw, footer.streams.size());
  for (const SegmentStream& stream : footer.streams) {
    PutVarint(&raw, Raw(stream.id));
    PutText(&raw, stream.tenant);
    PutText(&raw, stream.labels);
  }
  PutVarint(&raw, footer.blocks.size());
  for (const BlockHeader& block : footer.blocks) EncodeBlockHeader(block, &raw);

  std::string out;
  const Codec codec = AppendCompressed(raw, &out);
  std::string tail;
  PutFixed<uint64_t>(&tail, footer_offset);
  PutFixed<uint64_t>(&tail, out.size());
  PutFixed<uint64_t>(&tail, raw.size());
  PutFixed<uint32_t>(&tail, static_cast<uint32_t>(codec));
  PutFixed<uint32_t>(&tail, Crc32c(out));
  PutFixed<uint32_t>(&tail, kSegmentVersion);
  out += tail;
  PutFixed<uint32_t>(&out, Crc32c(tail));
  out.append(kSegmentMagic);
  return out;
}

absl::StatusOr<SegmentTail> DecodeSegmentTail(std::string_view bytes, uint64_t file_size) {
  if (bytes.size() < kSegmentTailSize || file_size < kSegmentHeadSize + kSegmentTailSize) {
    return DataLoss("{} bytes are too few for a segment", file_size);
  }
  const uint64_t at = file_size - kSegmentTailSize;
  if (!bytes.ends_with(kSegmentMagic))
    return DataLoss("segment tail: wrong magic at offset {}", file_size - 8);
  ByteReader in(bytes);
  SegmentTail tail;
  tail.footer_offset = in.Fixed<uint64_t>();
  tail.footer_size = in.Fixed<uint64_t>();
  tail.raw_size = in.Fixed<uint64_t>();
  const auto codec = in.Fixed<uint32_t>();
  tail.footer_crc = in.Fixed<uint32_t>();
  const auto version = in.Fixed<uint32_t>();
  if (in.Fixed<uint32_t>() != Crc32c(bytes.substr(0, 36)))
    return DataLoss("segment tail: crc mismatch at offset {}", at);
  RETURN_IF_ERROR(CheckVersion(version));
  if (tail.footer_offset < kSegmentHeadSize || tail.footer_offset > at ||
      tail.footer_size != at - tail.footer_offset) {
    return DataLoss("segment tail: footer of {} bytes at {} does not end at {}", tail.footer_size,
                    tail.footer_offset, at);
  }
  if (codec > 0xff || tail.raw_size > kMaxFooterBytes ||
      !PlausibleRawSize(static_cast<uint8_t>(codec), tail.footer_size, tail.raw_size)) {
    return DataLoss("segment tail: footer codec {} cannot make {} bytes of {}", codec, tail.raw_size,
                    tail.footer_size);
  }
  tail.codec = static_cast<uint8_t>(codec);
  return tail;
}

absl::StatusOr<SegmentFooter> DecodeSegmentFooter(const SegmentTail& tail, std::string_view bytes) {
  if (bytes.size() != tail.footer_size)
    return DataLoss("segment footer: {} bytes of {}", bytes.size(), tail.footer_size);
  if (Crc32c(bytes) != tail.footer_crc)
    return DataLoss("segment footer: crc mismatch at offset {}", tail.footer_offset);
  TextBuffer raw;
  raw.resize(tail.raw_size);
  if (!Decompress(tail.codec, bytes, raw.data(), tail.raw_size))
    return DataLoss("segment footer does not decompress");

  ByteReader in(raw.view());
  SegmentFooter footer;
  const uint64_t shard = in.Varint();
  const uint64_t shard_count = in.Varint();
  footer.properties.covered = Lsn(in.Varint());
  footer.min_ns = in.SignedVarint();
  footer.max_ns = in.SignedVarint();
  footer.rows = in.Varint();
  footer.line_bytes = in.Varint();
  const uint64_t streams = in.Varint();
  if (!in.ok() || shard > std::numeric_limits<uint32_t>::max() ||
      shard_count > std::numeric_limits<uint32_t>::max()) {
    return DataLoss("segment footer: malformed totals");
  }
  if (streams > in.remaining() / 3)
    return DataLoss("segment footer: {} streams in {} bytes", streams, in.remaining());
  footer.properties.shard = static_cast<uint32_t>(shard);
  footer.properties.shard_count = static_cast<uint32_t>(shard_count);
  footer.streams.resize(streams);
  for (SegmentStream& stream : footer.streams) {
    const uint64_t id = in.Varint();
    stream.tenant = in.Text();
    stream.labels = in.Text();
    if (!in.ok() || id > std::numeric_limits<uint32_t>::max())
      return DataLoss("segment footer: malformed stream");
    stream.id = StreamId(static_cast<uint32_t>(id));
  }
  const uint64_t blocks = in.Varint();
  if (!in.ok() || blocks > in.remaining() / 15) {
    return DataLoss("segment footer: {} blocks in {} bytes", blocks, in.remaining());
  }
  footer.blocks.resize(blocks);
  uint64_t previous_end = kSegmentHeadSize;
  for (BlockHeader& block : footer.blocks) {
    RETURN_IF_ERROR(DecodeBlockHeader(&in, static_cast<uint32_t>(streams), &block));
    const BlockLocation& location = block.location;
    if (location.offset < previous_end || location.offset > tail.footer_offset ||
        location.size > tail.footer_offset - location.offset) {
      return DataLoss("segment footer: block of {} bytes at {} is out of place", location.size,
                      location.offset);
    }
    previous_end = location.offset + location.size;
  }
  if (in.remaining() > 0) return DataLoss("segment footer: {} bytes too many", in.remaining());
  return footer;
}

}  // namespace skald
