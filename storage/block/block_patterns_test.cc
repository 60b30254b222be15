#include "storage/block/block_patterns.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "storage/block/block_codec.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
const std::vector<SegmentStream> kStreams = {{StreamId(1), "t", "{a=\"b\"}"},
                                             {StreamId(2), "t", "{a=\"c\"}"}};

BlockPiece Piece(uint32_t stream, const Rows& rows) {
  return {stream, &rows, 0, static_cast<uint32_t>(rows.size())};
}

// (bucket, pattern, level) -> rows.
using Counts = std::map<std::tuple<int64_t, std::string, std::string>, uint32_t>;
Counts CountsOf(const BlockPatterns& patterns, const BlockPatterns::Slice& slice) {
  Counts out;
  for (const BlockPatterns::Count& c : slice.counts) {
    const BlockPatterns::Series& series = patterns.series[c.series];
    out[{c.bucket, patterns.texts[series.pattern], patterns.levels[series.level]}] += c.rows;
  }
  return out;
}

BlockPatterns Stored(const std::vector<BlockPiece>& pieces, std::string* bytes) {
  bytes->clear();
  EncodeBlock(kStreams, pieces, bytes);
  const absl::StatusOr<BlockFront> front = DecodeBlockFront(*bytes);
  EXPECT_TRUE(front.ok());
  const auto [begin, end] = PatternsBytes(*front);
  absl::StatusOr<BlockPatterns> out =
      DecodePatterns(*front, std::string_view(*bytes).substr(begin, end - begin));
  EXPECT_TRUE(out.ok()) << out.status();
  return *std::move(out);
}

TEST(BlockPatternsTest, CountsByTimeAndLevel) {
  Rows rows;
  AppendRow(&rows, -1, "took 1 ms", {{"detected_level", "info"}});
  AppendRow(&rows, 0, "took 2 ms", {{"detected_level", "info"}});
  AppendRow(&rows, 10 * kSecond - 1, "took 3 ms", {{"detected_level", "info"}});
  AppendRow(&rows, 10 * kSecond, "took 4 ms", {{"detected_level", "warn"}});
  AppendRow(&rows, 10 * kSecond, "disk full", {});
  AppendRow(&rows, 95 * kSecond, "took 5 ms", {{"detected_level", "info"}});
  BlockPatternsBuilder builder;
  for (int round = 0; round < 2; ++round) {
    builder.Clear();
    builder.BeginSlice();
    builder.Add(rows, 0, 2);
    builder.Add(rows, 2, 6);
    const BlockPatterns got = builder.Take();
    ASSERT_EQ(got.slices.size(), 1);
    EXPECT_EQ(got.slices[0].rows, 6);
    EXPECT_EQ(CountsOf(got, got.slices[0]), (Counts{{{-1, "took <_> ms", "info"}, 1},
                                                    {{0, "took <_> ms", "info"}, 2},
                                                    {{1, "took <_> ms", "warn"}, 1},
                                                    {{1, "disk full", ""}, 1},
                                                    {{9, "took <_> ms", "info"}, 1}}));
  }
}

TEST(BlockPatternsTest, StoredWithTheBlock) {
  const Rows first = SampleRows(900, 1);
  const Rows second = SampleRows(500, 2);
  std::string bytes;
  const BlockPatterns got = Stored({{0, &first, 0, 300}, {0, &first, 300, 900}, Piece(1, second)}, &bytes);
  ASSERT_EQ(got.slices.size(), 2);
  EXPECT_EQ(got.slices[0].rows, 900);
  EXPECT_EQ(got.slices[1].row_begin, 900);
  EXPECT_EQ(got.slices[1].rows, 500);
  EXPECT_EQ(got.Find(0), &got.slices[0]);
  EXPECT_EQ(got.Find(900), &got.slices[1]);
  EXPECT_EQ(got.Find(1), nullptr);
  BlockPatternsBuilder builder;
  builder.Clear();
  builder.BeginSlice();
  builder.Add(first, 0, 900);
  builder.BeginSlice();
  builder.Add(second, 0, 500);
  const BlockPatterns want = builder.Take();
  EXPECT_EQ(got.texts, want.texts);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(CountsOf(got, got.slices[i]), CountsOf(want, want.slices[i]));
  // The other columns do not mind.
  Rows back;
  ASSERT_TRUE(DecodeBlock(bytes, {.times = true, .lines = true, .metadata = true}, &back).ok());
  EXPECT_EQ(back.size(), 1400);
}

TEST(BlockPatternsTest, NoneWhereTheyWouldTakeTooMuch) {
  std::string bytes;
  Rows small;
  small.Append(1, "one line");
  EXPECT_TRUE(Stored({Piece(0, small)}, &bytes).slices.empty());
  Rows odd;  // each line of a kind of its own
  std::mt19937 random(1);
  for (int i = 0; i < 60; ++i) {
    std::string line;
    for (int k = 0; k < 60; ++k) line += static_cast<char>('a' + random() % 26);
    odd.Append(i * kSecond, line);
  }
  EXPECT_TRUE(Stored({Piece(0, odd)}, &bytes).slices.empty());
}

TEST(BlockPatternsTest, DamagedBytesAreRefusedOrAddUp) {
  const Rows rows = SampleRows(400, 3);
  BlockPatternsBuilder builder;
  builder.Clear();
  builder.BeginSlice();
  builder.Add(rows, 0, 400);
  std::string raw;
  EncodeBlockPatterns(builder.Take(), &raw);
  BlockPatterns out;
  ASSERT_TRUE(DecodeBlockPatterns(raw, 400, &out));
  EXPECT_FALSE(DecodeBlockPatterns(raw, 399, &out));
  EXPECT_FALSE(DecodeBlockPatterns(raw, 401, &out));
  EXPECT_FALSE(DecodeBlockPatterns("", 400, &out));
  std::mt19937 random(5);
  for (size_t i = 0; i < raw.size(); ++i) {
    EXPECT_FALSE(DecodeBlockPatterns(std::string_view(raw).substr(0, i), 400, &out)) << i;
    std::string bad = raw;
    bad[i] = static_cast<char>(bad[i] ^ (1 + random() % 255));
    if (!DecodeBlockPatterns(bad, 400, &out)) continue;
    uint32_t sum = 0;
    for (const auto& slice : out.slices) sum += slice.rows;
    EXPECT_EQ(sum, 400);
  }
}

}  // namespace
}  // namespace skald
