#include "storage/block/block_entry.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "storage/block/level_count.h"
#include "storage/testing/sample_rows.h"

namespace skald {
namespace {

void ExpectEqual(const BlockEntry& got, const BlockEntry& want) {
  EXPECT_EQ(got.location.offset, want.location.offset);
  EXPECT_EQ(got.location.size, want.location.size);
  EXPECT_EQ(got.location.header_size, want.location.header_size);
  EXPECT_EQ(got.block_rows, want.block_rows);
  EXPECT_EQ(got.block_text_bytes, want.block_text_bytes);
  EXPECT_EQ(got.slice.row_begin, want.slice.row_begin);
  EXPECT_EQ(got.slice.row_end, want.slice.row_end);
  EXPECT_EQ(got.slice.min_ns, want.slice.min_ns);
  EXPECT_EQ(got.slice.max_ns, want.slice.max_ns);
  EXPECT_EQ(got.slice.line_bytes, want.slice.line_bytes);
  ASSERT_EQ(got.slice.levels.size(), want.slice.levels.size());
  for (size_t i = 0; i < want.slice.levels.size(); ++i) {
    EXPECT_EQ(got.slice.levels[i].level, want.slice.levels[i].level);
    EXPECT_EQ(got.slice.levels[i].rows, want.slice.levels[i].rows);
    EXPECT_EQ(got.slice.levels[i].line_bytes, want.slice.levels[i].line_bytes);
  }
}

BlockEntry Typical() {
  BlockEntry entry;
  entry.location = {12'345'678, 70'000, 120};
  entry.block_rows = 1000;
  entry.block_text_bytes = 250'000;
  entry.slice = {
      0, 0, 1000, 1'700'000'000'000'000'000, 1'700'000'060'000'000'000, 249'000, {{"info", 1000, 249'000}}};
  return entry;
}

TEST(BlockEntryTest, RoundTripsOneAfterTheOther) {
  std::vector<BlockEntry> entries = {Typical(), Typical(), Typical()};
  entries[1].slice.levels = {{"", 1, 0}, {"error", 9, 4000}, {"my own", 90, 5000}, {"warn", 900, 240'000}};
  entries[2].location = {uint64_t{1} << 40, ~uint32_t{0}, 99};
  entries[2].slice = {
      0, 999,         1000, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
      0, {{"", 1, 0}}};
  std::string bytes;
  for (const BlockEntry& entry : entries) EncodeBlockEntry(entry, &bytes);
  ByteReader in(bytes);
  for (const BlockEntry& want : entries) {
    BlockEntry got;
    ASSERT_EQ(DecodeBlockEntry(&in, &got), absl::OkStatus());
    ExpectEqual(got, want);
  }
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(BlockEntryTest, IsCompact) {
  std::string bytes;
  EncodeBlockEntry(Typical(), &bytes);
  EXPECT_LE(bytes.size(), 40u);
}

TEST(BlockEntryTest, DamageIsAnErrorOrAnEntryWithinBounds) {
  BlockEntry entry = Typical();
  entry.slice.levels = {{"", 1, 0}, {"own", 99, 9000}, {"warn", 900, 240'000}};
  std::string bytes;
  EncodeBlockEntry(entry, &bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    ByteReader in(std::string_view(bytes).substr(0, n));
    BlockEntry got;
    EXPECT_FALSE(DecodeBlockEntry(&in, &got).ok()) << n;
  }
  std::mt19937 random(5);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = bytes;
    for (uint32_t k = 0; k <= random() % 3; ++k)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    ByteReader in(damaged);
    BlockEntry got;
    if (!DecodeBlockEntry(&in, &got).ok()) continue;
    ASSERT_LT(got.slice.row_begin, got.slice.row_end);
    ASSERT_LE(got.slice.row_end, got.block_rows);
    ASSERT_LE(got.slice.min_ns, got.slice.max_ns);
    uint64_t rows = 0, line_bytes = 0;
    for (const LevelCount& level : got.slice.levels) {
      rows += level.rows;
      line_bytes += level.line_bytes;
    }
    ASSERT_EQ(rows, got.slice.rows());
    ASSERT_EQ(line_bytes, got.slice.line_bytes);
  }
}

TEST(LevelCountTest, Counts) {
  Rows rows;
  AppendRow(&rows, 1, "aa", {{"detected_level", "warn"}});
  AppendRow(&rows, 2, "bbb", {});
  AppendRow(&rows, 3, "", {{"detected_level", "error"}});
  AppendRow(&rows, 4, "cccc", {{"detected_level", "warn"}, {"pod", "x"}});
  std::vector<LevelCount> levels;
  AddLevels(rows, 0, 4, &levels);
  ASSERT_EQ(levels.size(), 3u);
  EXPECT_EQ(levels[0].level, "");
  EXPECT_EQ(levels[0].line_bytes, 3u);
  EXPECT_EQ(levels[1].level, "error");
  EXPECT_EQ(levels[1].rows, 1u);
  EXPECT_EQ(levels[2].level, "warn");
  EXPECT_EQ(levels[2].rows, 2u);
  EXPECT_EQ(levels[2].line_bytes, 6u);
  AddLevels(rows, 3, 4, &levels);  // adds
  EXPECT_EQ(levels[2].rows, 3u);
  Rows plain;
  plain.Append(1, "xyz");
  AddLevels(plain, 0, 1, &levels);
  EXPECT_EQ(levels[0].rows, 2u);
  // Rows with an error are told apart from all others.
  Rows failed;
  AppendRow(&failed, 1, "a", {{"__error__", "x"}, {"detected_level", "warn"}});
  AppendRow(&failed, 2, "bb", {{"detected_level", "warn"}});
  AppendRow(&failed, 3, "ccc", {});
  Slice slice;
  AddLevels(failed, 1, 3, &slice.levels);
  EXPECT_FALSE(slice.HasErrors());
  AddLevels(failed, 0, 1, &slice.levels);
  EXPECT_TRUE(slice.HasErrors());
  ASSERT_EQ(slice.levels.size(), 3u);
  EXPECT_EQ(slice.levels[1].level, "__error__");
  EXPECT_EQ(slice.levels[1].rows, 1u);
}

}  // namespace
}  // namespace skald
