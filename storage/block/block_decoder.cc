#include <algorithm>
#include <cstring>
#include <limits>

#include "base/coding.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "storage/block/block_codec.h"
#include "storage/block/block_format.h"
#include "text/gram_sample.h"

namespace skald {
namespace {

using block_format::IndexMode;

constexpr size_t kKeptScratch = size_t{8} << 20;

// Calls take(value) for n varints from *p on; take says whether it goes on. False for malformed or missing
// bytes, or when take stopped.
template <typename Take>
bool GetVarints(const char** p, const char* end, size_t n, Take take) {
  const char* at = *p;
  for (size_t i = 0; i < n; ++i) {
    uint64_t value = 0;
    int shift = 0;
    while (true) {
      if (at == end || shift > 63) return false;
      const auto byte = static_cast<unsigned char>(*at++);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) break;
      shift += 7;
    }
    if (!take(value)) return false;
  }
  *p = at;
  return true;
}

bool IsWanted(SectionKind kind, ColumnSet want) {
  switch (kind) {
    case SectionKind::kTimes:
      return want.times;
    case SectionKind::kLengths:
    case SectionKind::kText:
      return want.lines;
    case SectionKind::kMetadata:
      return want.metadata;
    case SectionKind::kDirectory:
    case SectionKind::kTimeCounts:
    case SectionKind::kGrams:
    case SectionKind::kGramSample:
    case SectionKind::kPatterns:
      return false;
  }
  return false;  // a kind of a later build
}

absl::Status Malformed(const Section& section) {
  return DataLoss("section {} at offset {} is malformed", SectionName(section.kind), section.offset);
}

// The section's stored bytes, checked. bytes are the block's from bytes_offset on.
absl::StatusOr<std::string_view> Stored(const Section& section, std::string_view bytes,
                                        uint32_t bytes_offset) {
  if (section.offset < bytes_offset || section.offset - bytes_offset > bytes.size() ||
      section.stored_size > bytes.size() - (section.offset - bytes_offset)) {
    return DataLoss("section {} at offset {} is cut off", SectionName(section.kind), section.offset);
  }
  const std::string_view stored = bytes.substr(section.offset - bytes_offset, section.stored_size);
  if (Crc32c(stored) != section.crc) {
    return DataLoss("section {}: crc mismatch at offset {}", SectionName(section.kind), section.offset);
  }
  return stored;
}

// The section's raw bytes: the stored ones, or decompressed into *scratch.
absl::StatusOr<std::string_view> RawBytes(const Section& section, std::string_view bytes,
                                          uint32_t bytes_offset, TextBuffer* scratch) {
  ASSIGN_OR_RETURN(const std::string_view stored, Stored(section, bytes, bytes_offset));
  if (static_cast<Codec>(section.codec) == Codec::kRaw) return stored;
  scratch->clear();
  scratch->resize(section.raw_size);
  if (!Decompress(section.codec, stored, scratch->data(), section.raw_size)) return Malformed(section);
  return scratch->view();
}

bool DecodeTimes(std::string_view raw, uint32_t count, std::vector<int64_t>* time_ns) {
  if (raw.empty() || static_cast<unsigned char>(raw[0]) >= block_format::kTimeUnits) return false;
  const auto unit = static_cast<uint64_t>(block_format::kTimeUnitNs[static_cast<unsigned char>(raw[0])]);
  time_ns->resize(count);  // not cleared before: resize() writes only what is new to the vector
  int64_t* out = time_ns->data();
  uint64_t units = 0;
  const char* p = raw.data() + 1;
  const char* end = raw.data() + raw.size();
  const bool sound = GetVarints(&p, end, count, [&](uint64_t value) {
    units += static_cast<uint64_t>(UnZigZag(value));
    *out++ = static_cast<int64_t>(units * unit);
    return true;
  });
  return sound && p == end;
}

bool DecodeLengths(std::string_view raw, uint32_t count, uint32_t text_bytes,
                   std::vector<uint32_t>* line_end) {
  line_end->resize(count);
  uint32_t* out = line_end->data();
  uint64_t end_of_line = 0;
  const char* p = raw.data();
  const char* end = raw.data() + raw.size();
  const bool sound = GetVarints(&p, end, count, [&](uint64_t length) {
    if (length >= text_bytes - end_of_line) return false;
    end_of_line += length;
    *out++ = static_cast<uint32_t>(end_of_line);
    ++end_of_line;
    return true;
  });
  return sound && p == end && end_of_line == text_bytes;
}

template <typename T>
bool GetNarrow(ByteReader* in, uint32_t values, std::vector<uint32_t>* index) {
  const std::string_view packed = in->Bytes(index->size() * sizeof(T));
  if (!in->ok()) return false;
  uint32_t largest = 0;
  uint32_t* out = index->data();
  for (size_t i = 0; i < index->size(); ++i) {
    T narrow;
    std::memcpy(&narrow, packed.data() + i * sizeof(T), sizeof(T));
    out[i] = narrow;
    largest = std::max<uint32_t>(largest, narrow);
  }
  return largest <= values;
}

bool DecodeMetadata(std::string_view raw, uint32_t count, MetadataColumn* column) {
  ByteReader in(raw);
  column->name = in.Text();
  const uint64_t values = in.Varint();
  if (!in.ok() || values > in.remaining()) return false;
  column->value_end.resize(values);
  uint64_t end = 0;
  for (uint64_t k = 0; k < values; ++k) {
    const uint64_t size = in.Varint();
    if (!in.ok() || size > in.remaining()) return false;
    end += size;
    if (end > raw.size()) return false;
    column->value_end[k] = static_cast<uint32_t>(end);
  }
  column->value_bytes = in.Bytes(end);
  const auto mode = in.Fixed<uint8_t>();
  if (!in.ok()) return false;
  column->index.resize(count);
  const auto largest = static_cast<uint32_t>(values);
  switch (static_cast<IndexMode>(mode)) {
    case IndexMode::kRuns:
      for (uint64_t row = 0; row < count;) {
        const uint64_t k = in.Varint();
        const uint64_t run = in.Varint();
        if (!in.ok() || k > values || run == 0 || run > count - row) return false;
        std::fill_n(column->index.data() + row, run, static_cast<uint32_t>(k));
        row += run;
      }
      break;
    case IndexMode::kU8:
      if (!GetNarrow<uint8_t>(&in, largest, &column->index)) return false;
      break;
    case IndexMode::kU16:
      if (!GetNarrow<uint16_t>(&in, largest, &column->index)) return false;
      break;
    case IndexMode::kU32:
      if (!GetNarrow<uint32_t>(&in, largest, &column->index)) return false;
      break;
    default:
      return false;
  }
  return in.remaining() == 0;
}

bool DecodeTimeCounts(std::string_view raw, const BlockFront& front, TimeCounts* out) {
  ByteReader in(raw);
  const auto width = in.Fixed<uint8_t>();
  const int64_t first = in.SignedVarint();
  if (!in.ok() || width >= std::size(block_format::kCountWidthNs)) return false;
  out->width_ns = block_format::kCountWidthNs[width];
  if (__builtin_mul_overflow(first, out->width_ns, &out->first_end_ns)) return false;
  uint64_t rows = 0;
  uint64_t line_bytes = 0;
  while (in.remaining() > 0) {
    const uint64_t n = in.Varint();
    const uint64_t bytes = in.Varint();
    rows += n;
    line_bytes += bytes;
    if (!in.ok() || n > front.rows || bytes > front.text_bytes) return false;
    if (out->counts.size() == block_format::kMaxTimeCounts) return false;
    out->counts.push_back({static_cast<uint32_t>(n), static_cast<uint32_t>(bytes)});
  }
  const int64_t span = out->width_ns * static_cast<int64_t>(out->counts.size());
  int64_t last_end = 0;
  return rows == front.rows && line_bytes + rows == front.text_bytes &&
         !__builtin_add_overflow(out->first_end_ns, span, &last_end);
}

// The order of sections in a block: what tells of it comes first.
int PlaceOf(SectionKind kind) {
  switch (kind) {
    case SectionKind::kTimeCounts:
      return 0;
    case SectionKind::kGrams:
    case SectionKind::kGramSample:
      return 1;
    default:
      return 1 + static_cast<int>(kind);
  }
}

absl::Status CheckSections(const BlockFront& front) {
  int times = 0, lengths = 0, text = 0, directory = 0;
  int previous = 0;
  for (const Section& section : front.sections) {
    const int place = PlaceOf(section.kind);
    if (place < previous) return DataLoss("sections are out of order");
    previous = place;
    switch (section.kind) {
      // A row takes a byte of each at least: this bounds what the decoder allocates by rows.
      case SectionKind::kTimes:
        if (section.raw_size <= front.rows) return Malformed(section);
        ++times;
        break;
      case SectionKind::kLengths:
        if (section.raw_size < front.rows) return Malformed(section);
        ++lengths;
        break;
      case SectionKind::kText:
        if (section.raw_size != front.text_bytes) return Malformed(section);
        ++text;
        break;
      case SectionKind::kDirectory:
        ++directory;
        break;
      default:
        break;
    }
  }
  if (times != 1 || lengths != 1 || text != 1 || directory != 1)
    return DataLoss("sections are missing or doubled");
  return absl::OkStatus();
}

absl::Status DecodeColumns(const BlockFront& front, std::string_view bytes, uint32_t bytes_offset,
                           ColumnSet want, Rows* rows) {
  thread_local TextBuffer scratch;
  if (scratch.capacity() > kKeptScratch) scratch = TextBuffer();
  size_t columns = 0;
  for (const Section& section : front.sections) {
    if (!IsWanted(section.kind, want)) continue;
    switch (section.kind) {
      case SectionKind::kTimes: {
        ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, bytes_offset, &scratch));
        if (!DecodeTimes(raw, front.rows, &rows->time_ns)) return Malformed(section);
        break;
      }
      case SectionKind::kLengths: {
        ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, bytes_offset, &scratch));
        if (!DecodeLengths(raw, front.rows, front.text_bytes, &rows->line_end)) return Malformed(section);
        break;
      }
      case SectionKind::kMetadata: {
        ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, bytes_offset, &scratch));
        if (columns == rows->metadata.size()) rows->metadata.emplace_back();
        MetadataColumn& column = rows->metadata[columns];
        if (!DecodeMetadata(raw, front.rows, &column)) return Malformed(section);
        if (columns > 0 && column.name <= rows->metadata[columns - 1].name) return Malformed(section);
        ++columns;
        break;
      }
      case SectionKind::kText: {
        ASSIGN_OR_RETURN(const std::string_view stored, Stored(section, bytes, bytes_offset));
        rows->text.clear();  // nothing to keep when it grows
        rows->text.resize(front.text_bytes);
        if (!Decompress(section.codec, stored, rows->text.data(), front.text_bytes))
          return Malformed(section);
        break;
      }
      default:
        break;
    }
  }
  rows->metadata.resize(columns);
  if (!want.times) rows->time_ns.clear();
  if (!want.lines) {
    rows->line_end.clear();
    rows->text.clear();
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view SectionName(SectionKind kind) {
  switch (kind) {
    case SectionKind::kTimes:
      return "times";
    case SectionKind::kLengths:
      return "lengths";
    case SectionKind::kMetadata:
      return "metadata";
    case SectionKind::kText:
      return "text";
    case SectionKind::kDirectory:
      return "directory";
    case SectionKind::kTimeCounts:
      return "time counts";
    case SectionKind::kGrams:
      return "grams";
    case SectionKind::kGramSample:
      return "gram sample";
    case SectionKind::kPatterns:
      return "patterns";
  }
  return "unknown";
}

absl::StatusOr<BlockFront> DecodeBlockFront(std::string_view bytes) {
  if (bytes.size() < block_format::kFixedHeaderSize)
    return DataLoss("header is cut off after {} bytes", bytes.size());
  if (!bytes.starts_with(kBlockMagic)) return DataLoss("no block begins here");
  ByteReader fixed(bytes.substr(block_format::kHeaderCrcOffset));
  const auto crc = fixed.Fixed<uint32_t>();
  BlockFront front;
  front.header_size = fixed.Fixed<uint32_t>();
  if (front.header_size <= block_format::kFixedHeaderSize || front.header_size > bytes.size()) {
    return DataLoss("header of {} bytes in {}", front.header_size, bytes.size());
  }
  const std::string_view covered =
      bytes.substr(block_format::kHeaderSizeOffset, front.header_size - block_format::kHeaderSizeOffset);
  if (Crc32c(covered) != crc) return DataLoss("header: crc mismatch at offset 0");

  ByteReader in(covered.substr(sizeof(uint32_t)));
  const auto version = in.Fixed<uint8_t>();
  if (version < block_format::kVersion || version > block_format::kVersionWithSample)
    return DataLoss("block version {} is not known", version);
  const uint64_t rows = in.Varint();
  const uint64_t text_bytes = in.Varint();
  front.min_ns = in.SignedVarint();
  front.max_ns = static_cast<int64_t>(static_cast<uint64_t>(front.min_ns) + in.Varint());
  const uint64_t sections = in.Varint();
  if (!in.ok() || rows == 0 || rows > text_bytes || text_bytes > kMaxRowsText ||
      front.max_ns < front.min_ns) {
    return DataLoss("header: {} rows with {} bytes from {} to {}", rows, text_bytes, front.min_ns,
                    front.max_ns);
  }
  if (sections > in.remaining() / 8)
    return DataLoss("header: {} sections in {} bytes", sections, in.remaining());
  front.rows = static_cast<uint32_t>(rows);
  front.text_bytes = static_cast<uint32_t>(text_bytes);
  front.sections.reserve(sections);
  uint64_t offset = front.header_size;
  for (uint64_t i = 0; i < sections; ++i) {
    Section section;
    section.kind = static_cast<SectionKind>(in.Fixed<uint8_t>());
    section.codec = in.Fixed<uint8_t>();
    const uint64_t stored_size = in.Varint();
    const uint64_t raw_size = in.Varint();
    section.crc = in.Fixed<uint32_t>();
    if (!in.ok() || !PlausibleRawSize(section.codec, stored_size, raw_size) ||
        raw_size > std::numeric_limits<uint32_t>::max() ||
        stored_size > std::numeric_limits<uint32_t>::max() - offset) {
      return DataLoss("header: section {} with codec {} of {} bytes from {}", i, section.codec, raw_size,
                      stored_size);
    }
    section.offset = static_cast<uint32_t>(offset);
    section.stored_size = static_cast<uint32_t>(stored_size);
    section.raw_size = static_cast<uint32_t>(raw_size);
    offset += stored_size;
    front.sections.push_back(section);
  }
  if (in.remaining() > 0) return DataLoss("header: {} bytes too many", in.remaining());
  front.size = static_cast<uint32_t>(offset);
  RETURN_IF_ERROR(CheckSections(front));
  return front;
}

std::pair<uint32_t, uint32_t> WantedBytes(const BlockFront& front, ColumnSet want) {
  uint32_t begin = 0, end = 0;
  for (const Section& section : front.sections) {
    if (!IsWanted(section.kind, want)) continue;
    if (end == 0) begin = section.offset;
    end = section.offset + section.stored_size;
  }
  return {begin, end};
}

absl::Status DecodeBlockColumns(const BlockFront& front, std::string_view bytes, uint32_t bytes_offset,
                                ColumnSet want, Rows* rows) {
  const absl::Status status = DecodeColumns(front, bytes, bytes_offset, want, rows);
  if (!status.ok()) rows->clear();
  return status;
}

absl::Status DecodeBlock(std::string_view bytes, ColumnSet want, Rows* rows) {
  absl::StatusOr<BlockFront> front = DecodeBlockFront(bytes);
  if (!front.ok()) {
    rows->clear();
    return front.status();
  }
  return DecodeBlockColumns(*front, bytes, 0, want, rows);
}

uint32_t SummaryEnd(const BlockFront& front) {
  uint32_t end = front.header_size;
  for (const Section& section : front.sections) {
    if (section.kind == SectionKind::kTimeCounts || section.kind == SectionKind::kGrams ||
        section.kind == SectionKind::kGramSample)
      end = section.offset + section.stored_size;
  }
  return end;
}

absl::StatusOr<BlockSummary> DecodeBlockSummary(const BlockFront& front, std::string_view bytes) {
  BlockSummary out;
  TextBuffer scratch;
  for (const Section& section : front.sections) {
    if (section.kind == SectionKind::kTimeCounts) {
      ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, 0, &scratch));
      if (!DecodeTimeCounts(raw, front, &out.times)) return Malformed(section);
    } else if (section.kind == SectionKind::kGrams) {
      ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, 0, &scratch));
      ByteReader in(raw);
      out.grams_log2_bits = in.Fixed<uint8_t>();
      out.backslashes = (in.Fixed<uint8_t>() & block_format::kGramsFlagBackslash) != 0;
      if (!in.ok() || out.grams_log2_bits < 3 || out.grams_log2_bits > 31 ||
          in.remaining() != size_t{1} << (out.grams_log2_bits - 3)) {
        return Malformed(section);
      }
      out.grams = in.Bytes(in.remaining());
    } else if (section.kind == SectionKind::kGramSample) {
      ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, 0, &scratch));
      ByteReader in(raw);
      SampleHead head;
      head.chosen = uint32_t{in.Fixed<uint8_t>()} + 1;
      out.backslashes = (in.Fixed<uint8_t>() & block_format::kGramsFlagBackslash) != 0;
      if (!in.ok() || in.remaining() == 0 || in.remaining() > GramSampleBuilder::kMaxSetBytes)
        return Malformed(section);
      head.bits = static_cast<uint32_t>(in.remaining() * 8);
      out.grams_log2_bits = kSampledGrams;
      out.grams.assign(reinterpret_cast<const char*>(&head), sizeof(head));
      out.grams += in.Bytes(in.remaining());
    }
  }
  return out;
}

std::pair<uint32_t, uint32_t> PatternsBytes(const BlockFront& front) {
  for (const Section& section : front.sections) {
    if (section.kind == SectionKind::kPatterns) return {section.offset, section.offset + section.stored_size};
  }
  return {0, 0};
}

absl::StatusOr<BlockPatterns> DecodePatterns(const BlockFront& front, std::string_view bytes) {
  BlockPatterns out;
  for (const Section& section : front.sections) {
    if (section.kind != SectionKind::kPatterns) continue;
    TextBuffer scratch;
    ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, bytes, section.offset, &scratch));
    if (!DecodeBlockPatterns(raw, front.rows, &out)) return Malformed(section);
  }
  return out;
}

absl::Status DecodeBlockDirectory(const BlockFront& front, std::string_view block,
                                  std::vector<SegmentStream>* streams, std::vector<BlockSlice>* slices) {
  streams->clear();
  slices->clear();
  for (const Section& section : front.sections) {
    if (section.kind != SectionKind::kDirectory) continue;
    TextBuffer scratch;
    ASSIGN_OR_RETURN(const std::string_view raw, RawBytes(section, block, 0, &scratch));
    ByteReader in(raw);
    const uint64_t count = in.Varint();
    if (!in.ok() || count == 0 || count > front.rows || count > in.remaining() / 8) return Malformed(section);
    uint32_t row = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t id = in.Varint();
      SegmentStream& stream = streams->emplace_back();
      stream.tenant = in.Text();
      stream.labels = in.Text();
      if (!in.ok() || id > std::numeric_limits<uint32_t>::max()) return Malformed(section);
      stream.id = StreamId(static_cast<uint32_t>(id));
      BlockSlice& slice = slices->emplace_back();
      slice.stream = static_cast<uint32_t>(i);
      if (!DecodeSlice(&in, row, front.rows - row, front.min_ns, &slice).ok()) return Malformed(section);
      row = slice.row_end;
    }
    if (in.remaining() > 0 || row != front.rows) return Malformed(section);
  }
  return absl::OkStatus();
}

}  // namespace skald
