#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>

#include "base/coding.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "storage/block/block_codec.h"
#include "storage/block/block_format.h"
#include "storage/block/level_count.h"
#include "text/gram_filter.h"
#include "text/gram_sample.h"

namespace skald {
namespace {

using block_format::IndexMode;

// Buffers of the thread that outlive a block. Not kept when one giant block blew them up.
struct EncodeScratch {
  TextBuffer text;
  std::string raw;
  std::string sections;
  std::string summary;  // the sections that stand first
  GramSetBuilder grams;
  GramSampleBuilder gram_sample;
  BlockPatternsBuilder patterns;
};
constexpr size_t kKeptScratch = size_t{8} << 20;

EncodeScratch& ThreadScratch() {
  thread_local EncodeScratch scratch;
  if (scratch.text.capacity() > kKeptScratch) scratch.text = TextBuffer();
  if (scratch.raw.capacity() > kKeptScratch) scratch.raw = std::string();
  if (scratch.sections.capacity() > kKeptScratch) scratch.sections = std::string();
  scratch.text.clear();
  scratch.raw.clear();
  scratch.sections.clear();
  scratch.summary.clear();
  return scratch;
}

// Appends n varints, next() giving them in turn; faster than PutVarint one by one.
template <typename Next>
void PutVarints(size_t n, std::string* out, Next next) {
  char bytes[512];
  size_t size = 0;
  for (size_t i = 0; i < n; ++i) {
    if (size > sizeof(bytes) - 10) {
      out->append(bytes, size);
      size = 0;
    }
    uint64_t value = next();
    while (value > 127) {
      bytes[size++] = static_cast<char>(value | 128);
      value >>= 7;
    }
    bytes[size++] = static_cast<char>(value);
  }
  out->append(bytes, size);
}

class Encoder {
 public:
  Encoder(const std::vector<SegmentStream>& streams, const std::vector<BlockPiece>& pieces, Effort effort)
      : streams_(streams), pieces_(pieces), effort_(effort), scratch_(ThreadScratch()) {}

  BlockHeader Encode(std::string* out) {
    MakeSlices();
    EncodeTimes();
    EncodeLengths();
    EncodeMetadata();
    EncodeText();
    EncodeDirectory();
    EncodePatterns();
    EncodeTimeCounts();
    EncodeGrams();

    std::string fields;  // all of the front header behind its size
    PutFixed<uint8_t>(&fields, Version());
    PutVarint(&fields, header_.rows);
    PutVarint(&fields, header_.text_bytes);
    PutSignedVarint(&fields, header_.min_ns);
    PutVarint(&fields, static_cast<uint64_t>(header_.max_ns) - static_cast<uint64_t>(header_.min_ns));
    PutVarint(&fields, summary_.size() + sections_.size());
    for (const std::vector<Section>* list : {&summary_, &sections_}) {
      for (const Section& section : *list) {
        PutFixed<uint8_t>(&fields, static_cast<uint8_t>(section.kind));
        PutFixed<uint8_t>(&fields, section.codec);
        PutVarint(&fields, section.stored_size);
        PutVarint(&fields, section.raw_size);
        PutFixed<uint32_t>(&fields, section.crc);
      }
    }
    const size_t header_size = block_format::kFixedHeaderSize + fields.size();
    const size_t size = header_size + scratch_.summary.size() + scratch_.sections.size();
    SKALD_CHECK(size <= std::numeric_limits<uint32_t>::max());
    header_.location = {out->size(), static_cast<uint32_t>(size), static_cast<uint32_t>(header_size)};

    std::string sized;
    PutFixed<uint32_t>(&sized, static_cast<uint32_t>(header_size));
    sized += fields;
    out->append(kBlockMagic);
    PutFixed<uint32_t>(out, Crc32c(sized));
    out->append(sized);
    out->append(scratch_.summary);
    out->append(scratch_.sections);
    return std::move(header_);
  }

 private:
  uint8_t Version() const {
    if (!summary_.empty() && summary_.back().kind == SectionKind::kGramSample)
      return block_format::kVersionWithSample;
    if (effort_ == Effort::kSmall) return block_format::kVersionCompacted;
    return summary_.empty() ? block_format::kVersion : block_format::kVersionWithSummary;
  }

  void MakeSlices() {
    SKALD_CHECK(!pieces_.empty());
    uint64_t text_bytes = 0;
    for (const BlockPiece& piece : pieces_) {
      const Rows& rows = *piece.rows;
      SKALD_CHECK(piece.stream < streams_.size() && piece.row_begin < piece.row_end &&
                  piece.row_end <= rows.size());
      SKALD_CHECK(
          std::is_sorted(rows.time_ns.begin() + piece.row_begin, rows.time_ns.begin() + piece.row_end));
      const int64_t first_ns = rows.time_ns[piece.row_begin];
      const int64_t last_ns = rows.time_ns[piece.row_end - 1];
      if (header_.slices.empty() || header_.slices.back().stream != piece.stream) {
        BlockSlice& slice = header_.slices.emplace_back();
        slice.stream = piece.stream;
        slice.row_begin = slice.row_end = header_.rows;
        slice.min_ns = slice.max_ns = first_ns;
      }
      BlockSlice& slice = header_.slices.back();
      SKALD_CHECK(first_ns >= slice.max_ns);
      slice.max_ns = last_ns;
      slice.row_end += piece.row_end - piece.row_begin;
      const uint64_t line_bytes = rows.line_bytes(piece.row_begin, piece.row_end);
      slice.line_bytes += line_bytes;
      AddLevels(rows, piece.row_begin, piece.row_end, &slice.levels);
      header_.rows = slice.row_end;
      text_bytes += line_bytes + (piece.row_end - piece.row_begin);
    }
    SKALD_CHECK(text_bytes <= kMaxRowsText);
    header_.text_bytes = static_cast<uint32_t>(text_bytes);
    header_.min_ns = header_.slices[0].min_ns;
    header_.max_ns = header_.slices[0].max_ns;
    for (const BlockSlice& slice : header_.slices) {
      header_.min_ns = std::min(header_.min_ns, slice.min_ns);
      header_.max_ns = std::max(header_.max_ns, slice.max_ns);
    }
  }

  void AddSection(SectionKind kind, std::string_view raw) {
    const size_t at = scratch_.sections.size();
    Section section;
    section.kind = kind;
    section.codec = static_cast<uint8_t>(kind == SectionKind::kText
                                             ? AppendCompressedText(raw, &scratch_.sections, effort_)
                                             : AppendCompressed(raw, &scratch_.sections, effort_));
    const std::string_view stored = std::string_view(scratch_.sections).substr(at);
    section.stored_size = static_cast<uint32_t>(stored.size());
    section.raw_size = static_cast<uint32_t>(raw.size());
    section.crc = Crc32c(stored);
    sections_.push_back(section);
    scratch_.raw.clear();
  }

  // The coarsest unit that all times are multiples of: senders rarely mean nanoseconds.
  int TimeUnit() const {
    int unit = block_format::kTimeUnits - 1;
    for (const BlockPiece& piece : pieces_) {
      for (uint32_t i = piece.row_begin; i < piece.row_end && unit > 0; ++i) {
        while (piece.rows->time_ns[i] % block_format::kTimeUnitNs[unit] != 0) --unit;
      }
    }
    return unit;
  }

  void EncodeTimes() {
    const int unit = TimeUnit();
    const int64_t unit_ns = block_format::kTimeUnitNs[unit];
    std::string& raw = scratch_.raw;
    PutFixed<uint8_t>(&raw, static_cast<uint8_t>(unit));
    uint64_t previous = 0;
    for (const BlockPiece& piece : pieces_) {
      const int64_t* t = piece.rows->time_ns.data() + piece.row_begin;
      PutVarints(piece.row_end - piece.row_begin, &raw, [&] {
        const auto units = static_cast<uint64_t>(unit == 0 ? *t : *t / unit_ns);
        ++t;
        const uint64_t delta = units - previous;
        previous = units;
        return ZigZag(static_cast<int64_t>(delta));
      });
    }
    AddSection(SectionKind::kTimes, raw);
  }

  void EncodeLengths() {
    for (const BlockPiece& piece : pieces_) {
      uint32_t row = piece.row_begin;
      uint32_t begin = piece.rows->line_begin(row);
      const uint32_t* ends = piece.rows->line_end.data();
      PutVarints(piece.row_end - piece.row_begin, &scratch_.raw, [&]() -> uint64_t {
        const uint32_t length = ends[row] - begin;
        begin = ends[row++] + 1;
        return length;
      });
    }
    AddSection(SectionKind::kLengths, scratch_.raw);
  }

  static std::string_view TextOf(const BlockPiece& piece) {
    const uint32_t begin = piece.rows->line_begin(piece.row_begin);
    return piece.rows->text.view().substr(begin, piece.rows->line_end[piece.row_end - 1] + 1 - begin);
  }

  void EncodeText() {
    if (pieces_.size() == 1) return AddSection(SectionKind::kText, TextOf(pieces_[0]));
    scratch_.text.reserve(header_.text_bytes);
    for (const BlockPiece& piece : pieces_) scratch_.text.append(TextOf(piece));
    AddSection(SectionKind::kText, scratch_.text.view());
  }

  // One section a key, the pieces' dictionaries merged.
  void EncodeMetadata() {
    std::map<std::string_view, bool> names;
    for (const BlockPiece& piece : pieces_) {
      for (const MetadataColumn& column : piece.rows->metadata) names[column.name] = true;
    }
    for (const auto& [name, unused] : names) EncodeKey(name);
  }

  void EncodeKey(std::string_view name) {
    std::vector<std::string_view> values;
    std::vector<uint32_t> index(header_.rows, 0);
    absl::flat_hash_map<std::string_view, uint32_t, std::hash<std::string_view>> ordinals;
    std::vector<uint32_t> remap;  // a piece's index to the block's; 0 = not met yet
    size_t row = 0;
    for (const BlockPiece& piece : pieces_) {
      const size_t count = piece.row_end - piece.row_begin;
      if (const MetadataColumn* column = piece.rows->FindMetadata(name); column != nullptr) {
        remap.assign(column->value_count() + 1, 0);
        for (size_t i = 0; i < count; ++i) {
          const uint32_t k = column->index[piece.row_begin + i];
          if (k == 0) continue;
          if (remap[k] == 0) {
            const auto [at, added] =
                ordinals.try_emplace(column->value(k - 1), static_cast<uint32_t>(values.size()) + 1);
            if (added) values.push_back(at->first);
            remap[k] = at->second;
          }
          index[row + i] = remap[k];
        }
      }
      row += count;
    }
    if (values.empty()) return;  // the key stands on other rows of the piece only
    std::string& raw = scratch_.raw;
    PutText(&raw, name);
    PutVarint(&raw, values.size());
    for (const std::string_view value : values) PutVarint(&raw, value.size());
    for (const std::string_view value : values) raw.append(value);
    PutIndex(index, values.size());
    AddSection(SectionKind::kMetadata, raw);
  }

  void PutIndex(const std::vector<uint32_t>& index, size_t values) {
    std::string& raw = scratch_.raw;
    size_t runs = 1;
    for (size_t i = 1; i < index.size(); ++i) runs += index[i] != index[i - 1] ? 1 : 0;
    const IndexMode mode = runs * 8 <= index.size() || index.size() < 4 ? IndexMode::kRuns
                           : values <= 0xff                             ? IndexMode::kU8
                           : values <= 0xffff                           ? IndexMode::kU16
                                                                        : IndexMode::kU32;
    PutFixed<uint8_t>(&raw, static_cast<uint8_t>(mode));
    switch (mode) {
      case IndexMode::kRuns:
        for (size_t i = 0; i < index.size();) {
          size_t end = i + 1;
          while (end < index.size() && index[end] == index[i]) ++end;
          PutVarint(&raw, index[i]);
          PutVarint(&raw, end - i);
          i = end;
        }
        return;
      case IndexMode::kU8:
        return PutNarrow<uint8_t>(index);
      case IndexMode::kU16:
        return PutNarrow<uint16_t>(index);
      case IndexMode::kU32:
        return PutNarrow<uint32_t>(index);
    }
  }

  template <typename T>
  void PutNarrow(const std::vector<uint32_t>& index) {
    const size_t at = scratch_.raw.size();
    scratch_.raw.resize(at + index.size() * sizeof(T));
    char* p = scratch_.raw.data() + at;
    for (const uint32_t k : index) {
      const T narrow = static_cast<T>(k);
      std::memcpy(p, &narrow, sizeof(T));
      p += sizeof(T);
    }
  }

  void EncodeDirectory() {
    std::string& raw = scratch_.raw;
    PutVarint(&raw, header_.slices.size());
    for (const BlockSlice& slice : header_.slices) {
      const SegmentStream& stream = streams_[slice.stream];
      PutVarint(&raw, Raw(stream.id));
      PutText(&raw, stream.tenant);
      PutText(&raw, stream.labels);
      EncodeSlice(slice, header_.min_ns, &raw);
    }
    AddSection(SectionKind::kDirectory, raw);
  }

  void EncodePatterns() {
    if (header_.text_bytes < block_format::kMinGramsText) return;
    BlockPatternsBuilder& builder = scratch_.patterns;
    builder.Clear();
    const BlockPiece* before = nullptr;
    for (const BlockPiece& piece : pieces_) {
      if (before == nullptr || before->stream != piece.stream) builder.BeginSlice();
      builder.Add(*piece.rows, piece.row_begin, piece.row_end);
      before = &piece;
    }
    EncodeBlockPatterns(builder.Take(), &scratch_.raw);
    const size_t others = scratch_.sections.size();
    AddSection(SectionKind::kPatterns, scratch_.raw);
    if (sections_.back().stored_size > others / block_format::kPatternsPart) {
      sections_.pop_back();
      scratch_.sections.resize(others);
    }
  }

  // Where the whole block is one slice: its rows and bytes over time, as fine as may be.
  void EncodeTimeCounts() {
    if (header_.slices.size() != 1) return;
    const auto end_of = [](int64_t t_ns,
                           int64_t width_ns) {  // the multiple of the width at or after t, by its number
      const int64_t number = t_ns / width_ns;
      return t_ns % width_ns > 0 ? number + 1 : number;
    };
    const size_t most =
        std::min<size_t>(block_format::kMaxTimeCounts, header_.rows / block_format::kRowsPerTimeCount);
    size_t width = 0;
    uint64_t count = 0;
    for (; width < std::size(block_format::kCountWidthNs); ++width) {
      const int64_t width_ns = block_format::kCountWidthNs[width];
      count = static_cast<uint64_t>(end_of(header_.max_ns, width_ns) - end_of(header_.min_ns, width_ns)) + 1;
      if (count <= most) break;
    }
    if (width == std::size(block_format::kCountWidthNs)) return;
    const int64_t width_ns = block_format::kCountWidthNs[width];
    const int64_t first = end_of(header_.min_ns, width_ns);
    // Times near the ends of what 64 bits hold are not worth the care they would take.
    constexpr int64_t kFar = int64_t{1} << 62;
    if (header_.min_ns < -kFar || header_.max_ns > kFar) return;
    std::string& raw = scratch_.raw;
    PutFixed<uint8_t>(&raw, static_cast<uint8_t>(width));
    PutSignedVarint(&raw, first);
    int64_t end_ns = first * width_ns;
    uint64_t rows = 0;
    uint64_t line_bytes = 0;
    for (const BlockPiece& piece : pieces_) {
      const std::vector<int64_t>& times = piece.rows->time_ns;
      for (uint32_t row = piece.row_begin; row < piece.row_end;) {
        uint32_t until = row;
        while (until < piece.row_end && times[until] <= end_ns) ++until;
        rows += until - row;
        line_bytes += piece.rows->line_bytes(row, until);
        row = until;
        if (row == piece.row_end) break;
        PutVarint(&raw, rows);
        PutVarint(&raw, line_bytes);
        rows = line_bytes = 0;
        end_ns += width_ns;
      }
    }
    PutVarint(&raw, rows);
    PutVarint(&raw, line_bytes);
    AddSummary(SectionKind::kTimeCounts);
  }

  void EncodeGrams() {
    if (header_.text_bytes < block_format::kMinGramsText) return;
    const size_t room = scratch_.sections.size() / block_format::kGramsPart;
    std::string& raw = scratch_.raw;
    PutFixed<uint8_t>(&raw, 0);
    PutFixed<uint8_t>(&raw, 0);
    // What compaction makes small has little room, for as many grams.
    const bool sampled = effort_ == Effort::kSmall && header_.text_bytes >= GramSampleBuilder::kMinText;
    bool fits = room > raw.size();
    if (fits && sampled) {
      scratch_.gram_sample.Start();
      raw[1] = static_cast<char>(AddGrams(&scratch_.gram_sample));
      raw[0] = static_cast<char>(scratch_.gram_sample.Finish(room - raw.size(), &raw) - 1);
    } else if (fits) {
      scratch_.grams.Start(header_.text_bytes);
      raw[1] = static_cast<char>(AddGrams(&scratch_.grams));
      int log2_bits = 0;
      fits = scratch_.grams.Finish(room - raw.size(), &log2_bits, &raw);
      raw[0] = static_cast<char>(log2_bits);
    }
    if (fits) return AddSummary(sampled ? SectionKind::kGramSample : SectionKind::kGrams);
    raw.clear();
  }

  // The flags of the section.
  template <typename Builder>
  uint8_t AddGrams(Builder* grams) const {
    bool backslashes = false;
    for (const BlockPiece& piece : pieces_) {
      const std::string_view text = TextOf(piece);
      grams->Add(text);
      backslashes |= text.find('\\') != std::string_view::npos;
      for (const MetadataColumn& column : piece.rows->metadata) {
        // Of a dictionary that has values of other rows too these come along.
        for (size_t k = 0; k < column.value_count(); ++k) grams->Add(column.value(k));
      }
    }
    return backslashes ? block_format::kGramsFlagBackslash : 0;
  }

  void AddSummary(SectionKind kind) {
    Section section;
    section.kind = kind;
    section.codec = static_cast<uint8_t>(Codec::kRaw);
    section.stored_size = section.raw_size = static_cast<uint32_t>(scratch_.raw.size());
    section.crc = Crc32c(scratch_.raw);
    summary_.push_back(section);
    scratch_.summary.append(scratch_.raw);
    scratch_.raw.clear();
  }

  const std::vector<SegmentStream>& streams_;
  const std::vector<BlockPiece>& pieces_;
  const Effort effort_;
  EncodeScratch& scratch_;
  BlockHeader header_;
  std::vector<Section> summary_;
  std::vector<Section> sections_;
};

}  // namespace

BlockHeader EncodeBlock(const std::vector<SegmentStream>& streams, const std::vector<BlockPiece>& pieces,
                        std::string* out, Effort effort) {
  return Encoder(streams, pieces, effort).Encode(out);
}

}  // namespace skald
