#include "storage/head.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "storage/block/rows_merge.h"
#include "storage/limits.h"
#include "storage/testing/sample_rows.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;

std::vector<std::string> Dump(const Rows& rows) {
  std::vector<std::string> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string text = fmt::format("{} {}", rows.time_ns[i], rows.line(i));
    for (const MetadataColumn& column : rows.metadata) {
      if (column.index[i] != 0) text += fmt::format(" {}={}", column.name, column.value(column.index[i] - 1));
    }
    out.push_back(std::move(text));
  }
  return out;
}

TEST(RowsMerge, InOrderOfTimeTiesByPartMetadataJoined) {
  Rows a;
  AppendRow(&a, 1, "a1", {{"k", "x"}});
  AppendRow(&a, 5, "a5", {});
  Rows b;
  AppendRow(&b, 1, "b1", {{"j", "y"}, {"k", "z"}});
  AppendRow(&b, 3, "b3", {{"k", "x"}});
  Rows c;
  AppendRow(&c, 5, "c5", {{"j", "y"}});
  const Rows* parts[] = {&a, &b, &c};
  const Rows merged = MergeByTime(parts);
  EXPECT_EQ(Dump(merged),
            (std::vector<std::string>{"1 a1 k=x", "1 b1 j=y k=z", "3 b3 k=x", "5 a5", "5 c5 j=y"}));
  ASSERT_EQ(merged.metadata.size(), 2u);
  EXPECT_EQ(merged.metadata[0].name, "j");
  EXPECT_EQ(merged.metadata[0].value_count(), 1u);
  EXPECT_EQ(merged.metadata[1].value_count(), 2u);
}

TEST(RowsMerge, AgreesWithSortingAtRandom) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Rows> parts(1 + random() % 6);
    std::vector<std::pair<int64_t, std::string>> want;
    int n = 0;
    for (Rows& part : parts) {
      int64_t t = static_cast<int64_t>(random() % 20) - 10;
      for (size_t i = random() % 20; i > 0; --i) {
        t += random() % 3;
        std::string line = "line" + std::to_string(n++);
        SampleMetadata metadata;
        if (random() % 2) metadata["m" + std::to_string(random() % 3)] = std::to_string(random() % 4);
        AppendRow(&part, t, line, metadata);
        want.emplace_back(t, Dump(part).back());
      }
    }
    std::stable_sort(want.begin(), want.end(),
                     [](const auto& x, const auto& y) { return x.first < y.first; });
    std::vector<const Rows*> pointers;
    for (const Rows& part : parts) pointers.push_back(&part);
    const std::vector<std::string> got = Dump(MergeByTime(pointers));
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], want[i].second) << round;
  }
}

// Against comparing everything with everything, with runs of equal times short and long.
TEST(RowsMerge, FindsRepetitionsAsComparingAllDoes) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const auto make = [&](size_t rows, int times) {
      Rows out;
      std::vector<int64_t> t;
      for (size_t i = 0; i < rows; ++i) t.push_back(random() % times);
      std::sort(t.begin(), t.end());
      for (const int64_t time : t) {
        SampleMetadata metadata;
        if (random() % 3 == 0) metadata["m"] = std::to_string(random() % 2);
        if (random() % 3 == 0) metadata["n"] = "";
        AppendRow(&out, time, std::string(1 + random() % 2, 'x'), metadata);
      }
      return out;
    };
    const int times = round % 3 == 0 ? 1 : round % 3 == 1 ? 5 : 50;
    const Rows rows = make(random() % 40, times);
    const Rows one = make(random() % 40, times);
    const Rows two = make(random() % 40, times);
    const Rows* earlier[] = {&one, &two};
    const std::vector<std::string> all = Dump(rows);
    std::set<std::string> seen;
    for (const Rows* part : earlier) {
      for (const std::string& text : Dump(*part)) seen.insert(text);
    }
    std::vector<uint32_t> want;
    std::vector<std::string> kept;
    for (uint32_t i = 0; i < all.size(); ++i) {
      if (!seen.insert(all[i]).second) {
        want.push_back(i);
      } else {
        kept.push_back(all[i]);
      }
    }
    ASSERT_EQ(FindRepeated(rows, earlier), want) << round;
    ASSERT_EQ(Dump(Without(rows, want)), kept);
  }
}

class HeadTest : public ::testing::Test {
 protected:
  HeadTest() {
    auto info = std::make_shared<StreamInfo>();
    info->id = StreamId{1};
    info->key = StreamKey("t", R"({app="a"})");
    info->tenant_size = 1;
    head_.info = info;
  }
  HeadUpdate Append(std::vector<TestLine> lines, uint64_t block_bytes = 256 << 10) {
    HeadUpdate update = PrepareAppend(head_, MakeRows(std::move(lines)), block_bytes);
    head_.chunks = update.chunks;
    head_.sealed.insert(head_.sealed.end(), update.sealed.begin(), update.sealed.end());
    memory_ += update.memory_delta;
    return update;
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> out;
    for (const auto& chunk : head_.chunks) {
      for (const std::string& text : Dump(*chunk->rows)) out.push_back(text);
    }
    for (const auto& sealed : head_.sealed) {
      Rows rows;
      EXPECT_TRUE(DecodeBlock(sealed->bytes, {true, true, true}, &rows).ok());
      EXPECT_EQ(rows.size(), sealed->header.rows);
      for (const std::string& text : Dump(rows)) out.push_back(text);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  int64_t HeldMemory() const {
    int64_t bytes = 0;
    for (const auto& chunk : head_.chunks) bytes += static_cast<int64_t>(chunk->memory_bytes);
    for (const auto& sealed : head_.sealed) bytes += static_cast<int64_t>(sealed->memory_bytes);
    return bytes;
  }

  StreamHead head_;
  int64_t memory_ = 0;
};

TEST_F(HeadTest, RepetitionsAreDroppedWithinAndAcross) {
  EXPECT_EQ(Append({{1, "a"}, {1, "a"}, {2, "b"}}).duplicate_rows, 1u);
  EXPECT_EQ(Append({{2, "b"}, {2, "c"}}).duplicate_rows, 1u);
  EXPECT_EQ(Append({{1, "a"}, {2, "c"}}).added_rows, 0u);
  EXPECT_EQ(Append({{0, "a"}}).duplicate_rows, 0u);
  EXPECT_EQ(Lines(), (std::vector<std::string>{"0 a", "1 a", "2 b", "2 c"}));
}

TEST_F(HeadTest, OneLinePushesMakeFewChunks) {
  size_t most = 0;
  for (int i = 0; i < 20000; ++i) {
    Append({{i, "line of some forty bytes, number " + std::to_string(i)}}, 1 << 30);
    most = std::max(most, head_.chunks.size());
  }
  EXPECT_LT(most, 20'000u * 40 / kMergeChunksBelowBytes * 3 + 20);
  EXPECT_EQ(Lines().size(), 20000u);
  EXPECT_EQ(memory_, HeldMemory());
  EXPECT_LT(memory_, 20000 * 75);  // text, 12 bytes a row and little else
}

TEST_F(HeadTest, FullHeadsAreSealedSortedAndInEvenBlocks) {
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    std::vector<TestLine> lines;
    for (int j = 0; j < 10; ++j)
      lines.push_back(
          {static_cast<int64_t>(random() % 1000), fmt::format("{} {} {}", i, j, std::string(80, 'x'))});
    Append(std::move(lines), 16 << 10);
  }
  EXPECT_GT(head_.sealed.size(), 8u);
  for (const auto& sealed : head_.sealed) {
    EXPECT_LE(sealed->header.text_bytes, 24u << 10);
    EXPECT_GE(sealed->header.text_bytes, 8u << 10);
    Rows rows;
    ASSERT_TRUE(DecodeBlock(sealed->bytes, {true, true, true}, &rows).ok());
    EXPECT_TRUE(std::is_sorted(rows.time_ns.begin(), rows.time_ns.end()));
  }
  EXPECT_EQ(Lines().size(), 2000u);
  EXPECT_EQ(memory_, HeldMemory());
}

TEST_F(HeadTest, OneLargePushIsCutIntoBlocks) {
  std::vector<TestLine> lines;
  for (int i = 0; i < 10000; ++i) lines.push_back({i, std::string(100, 'y') + std::to_string(i)});
  Append(std::move(lines), 64 << 10);
  EXPECT_NEAR(static_cast<double>(head_.sealed.size()), 10000 * 105 / 65536.0, 1.5);
  EXPECT_TRUE(head_.chunks.empty());
  EXPECT_EQ(Lines().size(), 10000u);
  Append({{20000, std::string(1 << 20, 'z')}, {20001, "w"}}, 64 << 10);  // a line longer than a block
  EXPECT_EQ(Lines().size(), 10002u);
}

TEST_F(HeadTest, BlocksEndAtMidnightButNotForScatteredLines) {
  std::vector<TestLine> lines;
  for (int i = -50; i < 50; ++i) lines.push_back({3 * kDayNs + i, std::string(100, 'a') + std::to_string(i)});
  Append(std::move(lines), 8 << 10);
  ASSERT_EQ(head_.sealed.size(), 2u);
  EXPECT_EQ(head_.sealed[0]->header.max_ns, 3 * kDayNs - 1);
  EXPECT_EQ(head_.sealed[1]->header.min_ns, 3 * kDayNs);
  head_.sealed.clear();
  lines.clear();
  for (int i = 0; i < 100; ++i) lines.push_back({i * kDayNs, std::string(100, 'a')});
  Append(std::move(lines), 8 << 10);
  EXPECT_EQ(head_.sealed.size(), 1u);
}

}  // namespace
}  // namespace skald
