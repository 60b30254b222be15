#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/types.h"
#include "storage/block/block_codec.h"
#include "storage/block/block_format.h"
#include "storage/block/block_summary_cache.h"
#include "text/gram_sample.h"

namespace skald {
namespace {

const std::vector<SegmentStream> kStreams = {{StreamId(1), "t", "{a=\"b\"}"},
                                             {StreamId(2), "t", "{a=\"c\"}"}};

BlockPiece Whole(uint32_t stream, const Rows& rows) {
  return {stream, &rows, 0, static_cast<uint32_t>(rows.size())};
}

Rows RandomRows(std::mt19937_64* random, size_t count, int64_t start_ns, int64_t span_ns) {
  Rows rows;
  std::vector<int64_t> times;
  for (size_t i = 0; i < count; ++i)
    times.push_back(start_ns + static_cast<int64_t>((*random)() % static_cast<uint64_t>(span_ns)));
  std::sort(times.begin(), times.end());
  for (size_t i = 0; i < count; ++i) {
    const auto n = static_cast<uint32_t>((*random)());
    rows.Append(times[i], fmt::format(R"(Level={} msg="order {:x} stored" took={}ms)", n % 7, n, n % 977));
  }
  return rows;
}

BlockSummary SummaryOf(const std::vector<BlockPiece>& pieces, std::string* bytes,
                       Effort effort = Effort::kFast) {
  bytes->clear();
  const BlockHeader header = EncodeBlock(kStreams, pieces, bytes, effort);
  const absl::StatusOr<BlockFront> front = DecodeBlockFront(*bytes);
  EXPECT_TRUE(front.ok()) << front.status();
  const uint32_t end = SummaryEnd(*front);
  EXPECT_GE(end, header.location.header_size);
  EXPECT_LE(end - header.location.header_size, (bytes->size() - header.location.header_size) * 8 / 100 + 700);
  absl::StatusOr<BlockSummary> summary = DecodeBlockSummary(*front, std::string_view(*bytes).substr(0, end));
  EXPECT_TRUE(summary.ok()) << summary.status();
  return *std::move(summary);
}

bool MayHold(const BlockSummary& summary, std::string_view literal) {
  GramNeed need;
  need.AddAlternative(literal);
  return summary.MayHold(need);
}

TEST(BlockSummaryTest, CountsAreThoseOfTheRows) {
  std::mt19937_64 random(1);
  std::string bytes;
  for (int round = 0; round < 300; ++round) {
    const int64_t start_ns =
        static_cast<int64_t>(random() % 2'000'000'000'000'000'000) - 500'000'000'000'000'000;
    int64_t span_ns = 1;
    for (uint64_t e = random() % 17; e > 0; --e) span_ns *= 10;
    const Rows rows = RandomRows(&random, 1 + random() % 600, start_ns, span_ns);
    const TimeCounts times = SummaryOf({Whole(0, rows)}, &bytes).times;
    if (times.counts.empty()) {
      // Too few rows, or more time than the widest counts cover.
      EXPECT_TRUE(rows.size() < 16 || span_ns > 10'000'000'000'000'000 / 128 * 2)
          << rows.size() << " " << span_ns;
      continue;
    }
    ASSERT_EQ(times.first_end_ns % times.width_ns, 0);
    size_t row = 0;
    int64_t end_ns = times.first_end_ns;
    ASSERT_GT(rows.time_ns[0], end_ns - times.width_ns);
    for (const TimeCounts::Count& count : times.counts) {
      const size_t begin = row;
      while (row < rows.size() && rows.time_ns[row] <= end_ns) ++row;
      ASSERT_EQ(count.rows, row - begin);
      ASSERT_EQ(count.line_bytes, rows.line_bytes(begin, row));
      end_ns += times.width_ns;
    }
    ASSERT_EQ(row, rows.size());
  }
}

TEST(BlockSummaryTest, PiecesCountTogetherAndStreamsNotAtAll) {
  std::mt19937_64 random(2);
  const Rows first = RandomRows(&random, 100, 0, kNsPerSecond * 60);
  const Rows second = RandomRows(&random, 100, kNsPerSecond * 60, kNsPerSecond * 60);
  std::string bytes;
  uint64_t rows = 0;
  for (const TimeCounts::Count& count : SummaryOf({Whole(0, first), Whole(0, second)}, &bytes).times.counts)
    rows += count.rows;
  EXPECT_EQ(rows, 200u);
  EXPECT_TRUE(SummaryOf({Whole(0, first), Whole(1, second)}, &bytes).times.counts.empty());
}

TEST(BlockSummaryTest, GramsNeverMissWhatStandsInALine) {
  std::mt19937_64 random(4);
  std::string bytes;
  int refused = 0;
  for (int round = 0; round < 40; ++round) {
    const Rows rows = RandomRows(&random, 200 + random() % 3000, 0, kNsPerSecond * 100);
    const BlockSummary summary = SummaryOf({Whole(0, rows)}, &bytes);
    ASSERT_FALSE(summary.grams.empty());
    EXPECT_FALSE(summary.backslashes);
    for (int i = 0; i < 200; ++i) {
      const std::string_view line = rows.line(random() % rows.size());
      const std::string_view literal = line.substr(random() % line.size(), random() % 40);
      ASSERT_TRUE(MayHold(summary, literal)) << literal;
      const std::string absent = fmt::format("order {:x}", random());
      refused += MayHold(summary, absent) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 40 * 200 / 2);
}

// What compaction writes has few bytes for many grams: a sample of them.
TEST(BlockSummaryTest, SampledGramsNeverMissEither) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 6; ++round) {
    Rows rows;
    for (int i = 0; rows.text.size() < 480'000; ++i) {
      rows.Append(i, fmt::format(R"({{"msg":"order stored","user":{},"path":"/v1/orders/{}","id":"{:08x}"}})",
                                 random() % 100'000, random() % 5000, static_cast<uint32_t>(random())));
    }
    std::string bytes;
    const BlockSummary summary = SummaryOf({Whole(0, rows)}, &bytes, Effort::kSmall);
    ASSERT_EQ(summary.grams_log2_bits, kSampledGrams);
    EXPECT_LE(summary.grams.size(), bytes.size() * 6 / 100 + 16);
    int maybe = 0;
    for (int i = 0; i < 2000; ++i) {
      const std::string_view line = rows.line(random() % rows.size());
      ASSERT_TRUE(MayHold(summary, line.substr(random() % line.size(), random() % 60)));
      maybe += MayHold(summary, fmt::format("no-such-{:016x}", random())) ? 1 : 0;
    }
    EXPECT_LT(maybe, 2000 / 4);
    EXPECT_FALSE(MayHold(summary, "req-no-such-request, nor anything like it"));
  }
}

TEST(BlockSummaryTest, MetadataValuesAndBackslashes) {
  std::mt19937_64 random(5);
  Rows rows = RandomRows(&random, 500, 0, kNsPerSecond);
  rows.Append(kNsPerSecond, "a\\b");
  MetadataColumn column;
  column.name = "trace_id";
  column.value_bytes = "zzzz-trace-one";
  column.value_end = {static_cast<uint32_t>(column.value_bytes.size())};
  column.index.assign(rows.size(), 0);
  column.index[7] = 1;
  rows.metadata.push_back(column);
  std::string bytes;
  const BlockSummary summary = SummaryOf({Whole(0, rows)}, &bytes);
  EXPECT_TRUE(summary.backslashes);
  EXPECT_TRUE(MayHold(summary, "zzzz-trace-one"));
  EXPECT_FALSE(MayHold(summary, "qqqq-wwww-yyyy-vvvv"));
}

// Damage to a summary is found, and costs the summary alone.
TEST(BlockSummaryTest, EachFlippedByteIsFound) {
  std::mt19937_64 random(6);
  const Rows rows = RandomRows(&random, 300, 0, kNsPerSecond * 100);
  std::string bytes;
  SummaryOf({Whole(0, rows)}, &bytes);
  const BlockFront front = *DecodeBlockFront(bytes);
  const uint32_t end = SummaryEnd(front);
  ASSERT_GT(end, front.header_size);
  for (uint32_t i = front.header_size; i < end; ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(DecodeBlockSummary(front, damaged).ok()) << i;
    Rows out;
    EXPECT_TRUE(DecodeBlock(damaged, {.times = true, .lines = true, .metadata = true}, &out).ok()) << i;
  }
}

TEST(BlockSummaryCacheTest, KeepsWithinItsBytes) {
  constexpr size_t kBytes = 1 << 20;
  BlockSummaryCache cache(kBytes);
  const uint64_t reader = cache.NewReader();
  EXPECT_NE(reader, cache.NewReader());
  const auto make = [] {
    BlockSummary summary;
    summary.grams.assign(4096, 'x');
    return std::make_shared<const BlockSummary>(std::move(summary));
  };
  for (uint64_t i = 0; i < 2000; ++i) {
    const BlockSummaryCache::Key key{reader, i * 80'000};
    EXPECT_EQ(cache.Find(key), nullptr);
    cache.Insert(key, make());
    EXPECT_NE(cache.Find(key), nullptr);
    EXPECT_LE(cache.bytes(), kBytes);
  }
  int kept = 0;
  for (uint64_t i = 0; i < 2000; ++i) kept += cache.Find({reader, i * 80'000}) != nullptr ? 1 : 0;
  EXPECT_GT(kept, 150);
}

}  // namespace
}  // namespace skald
