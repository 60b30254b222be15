#include "storage/block/block_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/error.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

using ::testing::HasSubstr;

constexpr ColumnSet kAll = {.times = true, .lines = true, .metadata = true};

std::vector<SegmentStream> Streams(size_t n) {
  std::vector<SegmentStream> streams;
  for (size_t i = 0; i < n; ++i) {
    streams.push_back(
        {StreamId(static_cast<uint32_t>(100 + i)), i % 2 == 0 ? "a" : "b", fmt::format("{{n=\"{}\"}}", i)});
  }
  return streams;
}

BlockPiece Whole(uint32_t stream, const Rows& rows) {
  return {stream, &rows, 0, static_cast<uint32_t>(rows.size())};
}

struct WantRow {
  int64_t t_ns;
  std::string line;
  SampleMetadata metadata;
};

std::vector<WantRow> RowsOf(const std::vector<BlockPiece>& pieces) {
  std::vector<WantRow> out;
  for (const BlockPiece& piece : pieces) {
    for (uint32_t i = piece.row_begin; i < piece.row_end; ++i) {
      out.push_back({piece.rows->time_ns[i], std::string(piece.rows->line(i)), MetadataOf(*piece.rows, i)});
    }
  }
  return out;
}

void ExpectRows(const Rows& got, const std::vector<WantRow>& want, ColumnSet columns = kAll) {
  ASSERT_EQ(got.time_ns.size(), columns.times ? want.size() : 0);
  ASSERT_EQ(got.line_end.size(), columns.lines ? want.size() : 0);
  if (!columns.lines) {
    EXPECT_EQ(got.text.size(), 0u);
  }
  if (!columns.metadata) {
    EXPECT_TRUE(got.metadata.empty());
  }
  for (size_t i = 0; i < want.size(); ++i) {
    if (columns.times) {
      ASSERT_EQ(got.time_ns[i], want[i].t_ns) << i;
    }
    if (columns.lines) {
      ASSERT_EQ(got.line(i), want[i].line) << i;
      ASSERT_EQ(got.text.data()[got.line_end[i]], '\n') << i;
    }
    if (columns.metadata) {
      ASSERT_EQ(MetadataOf(got, i), want[i].metadata) << i;
    }
  }
  for (const MetadataColumn& column : got.metadata) ASSERT_EQ(column.index.size(), want.size());
}

// Encodes, checks the header against the rows, decodes with each set of columns.
std::string CheckRoundTrip(const std::vector<SegmentStream>& streams, const std::vector<BlockPiece>& pieces) {
  std::string bytes = "xyz";  // what stands before must stay
  const BlockHeader header = EncodeBlock(streams, pieces, &bytes);
  EXPECT_EQ(header.location.offset, 3u);
  bytes.erase(0, 3);
  EXPECT_EQ(header.location.size, bytes.size());
  const std::vector<WantRow> want = RowsOf(pieces);
  EXPECT_EQ(header.rows, want.size());
  uint32_t row = 0;
  for (const BlockSlice& slice : header.slices) {
    EXPECT_EQ(slice.row_begin, row);
    uint64_t line_bytes = 0, level_rows = 0, level_bytes = 0;
    for (; row < slice.row_end; ++row) line_bytes += want[row].line.size();
    EXPECT_EQ(slice.line_bytes, line_bytes);
    EXPECT_EQ(slice.min_ns, want[slice.row_begin].t_ns);
    EXPECT_EQ(slice.max_ns, want[slice.row_end - 1].t_ns);
    for (const LevelCount& level : slice.levels) {
      uint32_t rows = 0;
      for (uint32_t i = slice.row_begin; i < slice.row_end; ++i) {
        const auto found = want[i].metadata.find("detected_level");
        rows += (found == want[i].metadata.end() ? "" : found->second) == level.level ? 1 : 0;
      }
      EXPECT_EQ(level.rows, rows) << level.level;
      level_rows += level.rows;
      level_bytes += level.line_bytes;
    }
    EXPECT_EQ(level_rows, slice.rows());
    EXPECT_EQ(level_bytes, line_bytes);
  }
  EXPECT_EQ(row, want.size());

  static Rows scratch;  // dirty from the rounds before, on purpose
  for (int mask = 0; mask < 8; ++mask) {
    const ColumnSet columns = {
        .times = (mask & 1) != 0, .lines = (mask & 2) != 0, .metadata = (mask & 4) != 0};
    EXPECT_EQ(DecodeBlock(bytes, columns, &scratch), absl::OkStatus());
    ExpectRows(scratch, want, columns);
    // Only the wanted bytes.
    const auto front = DecodeBlockFront(std::string_view(bytes).substr(0, header.location.header_size));
    EXPECT_TRUE(front.ok()) << front.status();
    if (!front.ok()) return bytes;
    const auto [begin, end] = WantedBytes(*front, columns);
    const std::string part = bytes.substr(begin, end - begin);
    EXPECT_EQ(DecodeBlockColumns(*front, part, begin, columns, &scratch), absl::OkStatus());
    ExpectRows(scratch, want, columns);
  }
  EXPECT_EQ(DecodeBlock(bytes, kAll, &scratch), absl::OkStatus());

  std::vector<SegmentStream> saved;
  std::vector<BlockSlice> slices;
  EXPECT_EQ(DecodeBlockDirectory(*DecodeBlockFront(bytes), bytes, &saved, &slices), absl::OkStatus());
  EXPECT_EQ(slices.size(), header.slices.size());
  for (size_t i = 0; i < std::min(slices.size(), header.slices.size()); ++i) {
    const SegmentStream& stream = streams[header.slices[i].stream];
    EXPECT_EQ(saved[i].id, stream.id);
    EXPECT_EQ(saved[i].tenant, stream.tenant);
    EXPECT_EQ(saved[i].labels, stream.labels);
    EXPECT_EQ(slices[i].row_end, header.slices[i].row_end);
    EXPECT_EQ(slices[i].max_ns, header.slices[i].max_ns);
    EXPECT_EQ(slices[i].line_bytes, header.slices[i].line_bytes);
  }
  return bytes;
}

TEST(BlockCodecTest, OneStream) {
  const Rows rows = SampleRows(1100, 1);
  const std::string bytes = CheckRoundTrip(Streams(1), {Whole(0, rows)});
  EXPECT_LT(bytes.size() * 2, rows.text.size());
}

TEST(BlockCodecTest, PartsOfRowsAndSeveralPiecesOfAStream) {
  const Rows rows = SampleRows(300, 2);
  const Rows later = SampleRows(50, 3);
  Rows shifted;
  for (size_t i = 0; i < later.size(); ++i) {
    AppendRow(&shifted, later.time_ns[i] + 10'000'000'000, later.line(i),
              {{"pod", "p" + std::to_string(i % 3)}});
  }
  CheckRoundTrip(Streams(3),
                 {{1, &rows, 10, 20}, {1, &rows, 20, 21}, {1, &shifted, 0, 50}, {0, &rows, 299, 300}});
}

TEST(BlockCodecTest, ManyTinyStreams) {
  std::vector<Rows> rows(700);
  std::vector<BlockPiece> pieces;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t k = 0; k <= i % 3; ++k) {
      AppendRow(&rows[i], static_cast<int64_t>(1000 * (i % 7) + k), fmt::format("line {} of {}", k, i),
                i % 2 == 0 ? SampleMetadata{{"detected_level", "info"}}
                           : SampleMetadata{{fmt::format("k{}", i % 5), "v"}});
    }
    pieces.push_back(Whole(static_cast<uint32_t>(i), rows[i]));
  }
  CheckRoundTrip(Streams(rows.size()), pieces);
}

TEST(BlockCodecTest, OddRows) {
  std::vector<Rows> all(8);
  all[0].Append(0, "");  // one empty line
  all[1].Append(std::numeric_limits<int64_t>::min(), "first");
  all[1].Append(std::numeric_limits<int64_t>::max(), "last");
  for (int i = 0; i < 5; ++i) all[2].Append(42, i % 2 == 0 ? "tie" : "other");  // in order of arrival
  all[3].Append(5, "several\nlines\n\n");
  all[3].Append(6, "\n");
  all[4].Append(7, std::string("\0\xff\x80\n\0", 5));
  for (int64_t i = 0; i < 100; ++i) all[5].Append(i * 1'000'000'000, "");  // whole seconds, nothing else
  for (int i = 0; i < 3; ++i) all[6].Append(-5'000'000 + i * 1000, "before 1970, microseconds");
  AppendRow(&all[7], 1, "x", {{"", "empty name"}, {"empty value", ""}});
  for (const Rows& rows : all) CheckRoundTrip(Streams(1), {Whole(0, rows)});
  std::vector<BlockPiece> pieces;
  for (size_t i = 0; i < all.size(); ++i) pieces.push_back(Whole(static_cast<uint32_t>(i), all[i]));
  CheckRoundTrip(Streams(all.size()), pieces);
}

TEST(BlockCodecTest, DictionariesOfEachWidth) {
  for (const uint32_t values : {1u, 200u, 255u, 256u, 65'535u, 65'536u}) {
    Rows rows;
    MetadataColumn column;
    column.name = "trace";
    for (uint32_t k = 0; k < values; ++k) {
      column.value_bytes += std::to_string(k);
      column.value_end.push_back(static_cast<uint32_t>(column.value_bytes.size()));
    }
    for (uint32_t i = 0; i < values + 10; ++i) {
      rows.Append(i, "x");
      column.index.push_back((i * 7919) % (values + 1));
    }
    rows.metadata.push_back(std::move(column));
    std::string bytes;
    EncodeBlock(Streams(1), {Whole(0, rows)}, &bytes);
    Rows back;
    ASSERT_EQ(DecodeBlock(bytes, kAll, &back), absl::OkStatus()) << values;
    ASSERT_EQ(back.metadata.size(), 1u);
    for (size_t i = 0; i < rows.size(); ++i) {
      const uint32_t got = back.metadata[0].index[i], want = rows.metadata[0].index[i];
      ASSERT_EQ(got == 0, want == 0) << i;
      if (want > 0) {
        ASSERT_EQ(back.metadata[0].value(got - 1), rows.metadata[0].value(want - 1)) << i;
      }
    }
  }
}

TEST(BlockCodecTest, LevelIsTiny) {
  const Rows rows = SampleRows(1100, 4);
  std::string bytes;
  EncodeBlock(Streams(1), {Whole(0, rows)}, &bytes);
  const auto front = DecodeBlockFront(bytes);
  ASSERT_TRUE(front.ok());
  for (const Section& section : front->sections) {
    if (section.kind == SectionKind::kMetadata) {
      EXPECT_LT(section.stored_size, rows.size());
    }
  }
  Rows constant;
  for (int i = 0; i < 1000; ++i) AppendRow(&constant, i, "line", {{"detected_level", "info"}});
  bytes.clear();
  EncodeBlock(Streams(1), {Whole(0, constant)}, &bytes);
  EXPECT_LT(bytes.size(), 200u);
}

TEST(BlockCodecTest, RandomRows) {
  std::mt19937 random(11);
  for (int round = 0; round < 150; ++round) {
    const size_t streams = 1 + random() % 6;
    std::vector<Rows> rows(streams);
    std::vector<BlockPiece> pieces;
    for (size_t s = 0; s < streams; ++s) {
      int64_t t = static_cast<int64_t>(random()) * (round % 3 == 0 ? 1'000'000 : 1) - (1 << 30);
      const size_t count = 1 + random() % 60;
      for (size_t i = 0; i < count; ++i) {
        t += random() % 4 == 0 ? 0 : static_cast<int64_t>(random() % 5000) * (round % 3 == 0 ? 1'000'000 : 1);
        std::string line(random() % 50, 'a');
        for (char& c : line) c = static_cast<char>(random() % (round % 2 == 0 ? 3 : 256));
        SampleMetadata metadata;
        for (int m = 0; m < 3; ++m) {
          if (random() % 2 == 0) metadata[fmt::format("m{}", m)] = std::to_string(random() % (m * 20 + 2));
        }
        if (random() % 3 > 0) metadata["detected_level"] = random() % 2 == 0 ? "info" : "odd";
        AppendRow(&rows[s], t, line, metadata);
      }
      const auto begin = static_cast<uint32_t>(random() % count);
      const auto middle = begin + static_cast<uint32_t>(random() % (count - begin));
      const auto ordinal = static_cast<uint32_t>(s);
      if (middle > begin) pieces.push_back({ordinal, &rows[s], begin, middle});
      pieces.push_back({ordinal, &rows[s], middle, static_cast<uint32_t>(count)});
    }
    CheckRoundTrip(Streams(streams), pieces);
    if (HasFatalFailure()) return;
  }
}

std::string SmallBlock(std::vector<Rows>* rows, std::vector<WantRow>* want) {
  rows->resize(2);
  for (int i = 0; i < 12; ++i) {
    AppendRow(&(*rows)[0], 1'000'000 + i * i, fmt::format("level=info msg=\"request completed\" n={}", i),
              {{"detected_level", i % 3 == 0 ? "warn" : "info"}, {"pod", "p"}});
  }
  (*rows)[1].Append(5, "alone");
  const std::vector<BlockPiece> pieces = {Whole(0, (*rows)[0]), Whole(1, (*rows)[1])};
  *want = RowsOf(pieces);
  std::string bytes;
  EncodeBlock(Streams(2), pieces, &bytes);
  return bytes;
}

TEST(BlockCodecTest, EachFlippedByteIsFoundOrDoesNotMatter) {
  std::vector<Rows> rows;
  std::vector<WantRow> want;
  const std::string bytes = SmallBlock(&rows, &want);
  const BlockFront sound = *DecodeBlockFront(bytes);
  const uint32_t directory_at = sound.sections.back().offset;
  Rows back;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const absl::Status status = DecodeBlock(damaged, kAll, &back);
      if (i >= directory_at) {  // rows do not depend on it
        ASSERT_EQ(status, absl::OkStatus());
        ExpectRows(back, want);
        std::vector<SegmentStream> streams;
        std::vector<BlockSlice> slices;
        ASSERT_TRUE(absl::IsDataLoss(DecodeBlockDirectory(sound, damaged, &streams, &slices)));
        continue;
      }
      ASSERT_TRUE(absl::IsDataLoss(status)) << i;
      ASSERT_EQ(back.size() + back.text.size() + back.metadata.size(), 0u);
      // Damage costs the columns it is in, no others.
      for (const ColumnSet columns :
           {ColumnSet{.times = true}, ColumnSet{.lines = true}, ColumnSet{.metadata = true}}) {
        const absl::Status part = DecodeBlock(damaged, columns, &back);
        const auto [begin, end] = WantedBytes(sound, columns);
        if (i < sound.header_size) {
          ASSERT_FALSE(part.ok());
        }
        if (i >= sound.header_size && (i < begin || i >= end)) {
          ASSERT_EQ(part, absl::OkStatus()) << i;
        }
        if (part.ok()) ExpectRows(back, want, columns);
      }
    }
  }
}

TEST(BlockCodecTest, EachTruncationIsAnError) {
  std::vector<Rows> rows;
  std::vector<WantRow> want;
  const std::string bytes = SmallBlock(&rows, &want);
  const uint32_t directory_at = DecodeBlockFront(bytes)->sections.back().offset;
  Rows back;
  for (size_t n = 0; n < directory_at; ++n) {
    ASSERT_TRUE(absl::IsDataLoss(DecodeBlock(std::string_view(bytes).substr(0, n), kAll, &back))) << n;
  }
}

// With the checksums made right again, the decoder's own checks are all that is left.
TEST(BlockCodecTest, DamageBehindGoodChecksumsKeepsInvariants) {
  std::vector<Rows> rows;
  std::vector<WantRow> want;
  const std::string bytes = SmallBlock(&rows, &want);
  const BlockFront sound = *DecodeBlockFront(bytes);
  std::mt19937 random(9);
  Rows back;
  int decoded = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string damaged = bytes;
    for (uint32_t k = 0; k <= random() % 2; ++k) {
      damaged[12 + random() % (damaged.size() - 12)] = static_cast<char>(random());
    }
    // The sections' checksums stand in the header, in order, each before the next section's fields.
    size_t at = 0;
    for (const Section& section : sound.sections) {
      std::string old(4, '\0');
      std::memcpy(old.data(), &section.crc, 4);
      at = bytes.find(old, at);
      ASSERT_LT(at, sound.header_size);
      const uint32_t crc = Crc32c(std::string_view(damaged).substr(section.offset, section.stored_size));
      std::memcpy(damaged.data() + at, &crc, 4);
    }
    uint32_t header_size;
    std::memcpy(&header_size, damaged.data() + 12, 4);
    const uint32_t crc =
        Crc32c(std::string_view(damaged).substr(12, std::min<size_t>(header_size, damaged.size()) - 12));
    if (header_size >= 12) std::memcpy(damaged.data() + 8, &crc, 4);
    if (const auto front = DecodeBlockFront(damaged); front.ok()) {
      std::vector<SegmentStream> streams;
      std::vector<BlockSlice> slices;
      DecodeBlockDirectory(*front, damaged, &streams, &slices).IgnoreError();
    }
    if (!DecodeBlock(damaged, kAll, &back).ok()) continue;
    ++decoded;
    ASSERT_EQ(back.time_ns.size(), back.line_end.size());
    for (size_t i = 0; i < back.size(); ++i) ASSERT_LT(back.line_end[i], back.text.size());
    for (const MetadataColumn& column : back.metadata) {
      ASSERT_EQ(column.index.size(), back.size());
      for (const uint32_t k : column.index) ASSERT_LE(k, column.value_count());
      if (column.value_count() > 0) {
        ASSERT_EQ(column.value_end.back(), column.value_bytes.size());
      }
    }
  }
  EXPECT_GT(decoded, 1000);
}

TEST(BlockCodecTest, ErrorsSayWhere) {
  std::vector<Rows> rows;
  std::vector<WantRow> want;
  std::string bytes = SmallBlock(&rows, &want);
  const BlockFront front = *DecodeBlockFront(bytes);
  for (const Section& section : front.sections) {
    if (section.kind != SectionKind::kText) continue;
    bytes[section.offset] ^= 1;
    Rows back;
    EXPECT_EQ(MessageOf(DecodeBlock(bytes, kAll, &back)),
              fmt::format("section text: crc mismatch at offset {}", section.offset));
  }
  EXPECT_THAT(std::string(MessageOf(DecodeBlockFront("SkaldBlkxxxxxxxxxxxx").status())),
              HasSubstr("header of"));
  EXPECT_THAT(std::string(MessageOf(DecodeBlockFront("nothing of that kind").status())),
              HasSubstr("no block begins"));
}

}  // namespace
}  // namespace skald
