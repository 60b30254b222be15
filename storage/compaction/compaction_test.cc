// Compaction, retention and deletes: what a reader sees before and after, and what is left on the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/testing/manual_clock.h"
#include "base/testing/temp_dir.h"
#include "storage/compaction/compaction_plan.h"
#include "storage/deletes/delete_view.h"
#include "storage/deletes/retention.h"
#include "storage/filenames.h"
#include "storage/segment/segment_reader.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;
constexpr int64_t kBaseNs = 20'000 * kDayNs;

TEST(CompactionPlanTest, JoinsSegmentsOfAboutOneSize) {
  constexpr uint64_t kMiB = 1 << 20;
  struct Segment {
    uint64_t id, mib;
    int day = 0;
    uint32_t level = 0;
    int days = 1;
    uint32_t shard = 0;
    int hour = 0;
  };
  const struct {
    std::string name;
    std::vector<Segment> segments;
    bool closed;
    std::vector<std::vector<uint64_t>> want;
  } rows[] = {
      {"nothing", {}, true, {}},
      {"one that was flushed is encoded anew", {{1, 5}}, true, {{1}}},
      {"one that was compacted stays", {{1, 5, 0, 1}}, true, {}},
      {"one that is written to stays", {{1, 5}}, false, {}},
      {"equals", {{3, 5}, {1, 5}, {2, 5}}, true, {{1, 2, 3}}},
      {"not over days or shards", {{1, 5}, {2, 5, 1}, {3, 5, 0, 0, 1, 1}}, true, {{1}, {2}, {3}}},
      {"those over several days together", {{1, 5, 0, 1, 3}, {2, 5, 1, 1, 2}}, true, {{1, 2}}},
      {"a large one waits for others", {{1, 100, 0, 1}, {2, 3}, {3, 3}}, true, {{2, 3}}},
      {"large ones join each other, and what lies between them",
       {{1, 100, 0, 1, 1, 0, 1}, {2, 1, 0, 1, 1, 0, 2}, {3, 110, 0, 1, 1, 0, 3}},
       true,
       {{1, 2, 3}}},
      {"equals on both sides of a large one",
       {{1, 5, 0, 1, 1, 0, 1}, {2, 50, 0, 1, 1, 0, 2}, {3, 5, 0, 1, 1, 0, 3}},
       true,
       {}},
      {"neighbours in time, whatever their ids",
       {{1, 5, 0, 1, 1, 0, 1}, {2, 50, 0, 1, 1, 0, 3}, {3, 5, 0, 1, 1, 0, 2}},
       true,
       {{1, 3}}},
      {"a step of double size", {{1, 1}, {2, 2}, {3, 6}, {4, 18}}, true, {{1, 2, 3, 4}}},
      {"not beyond a merge's bytes", {{1, 300, 0, 1}, {2, 300, 0, 1}}, true, {}},
      {"few while open", {{1, 5}, {2, 5}, {3, 5}, {4, 5}, {5, 5}, {6, 5}, {7, 5}}, false, {}},
      {"many while open",
       {{1, 5}, {2, 5}, {3, 5}, {4, 5}, {5, 5}, {6, 5}, {7, 5}, {8, 5}},
       false,
       {{1, 2, 3, 4, 5, 6, 7, 8}}},
  };
  for (const auto& row : rows) {
    std::vector<SegmentInfo> infos;
    for (const Segment& s : row.segments) {
      SegmentInfo& info = infos.emplace_back();
      info.id = SegmentId{s.id};
      info.bytes = s.mib * kMiB;
      info.min_ns = kBaseNs + s.day * kDayNs + s.hour * kDayNs / 24;
      info.max_ns = info.min_ns + (s.days - 1) * kDayNs + 1000;
      info.level = s.level;
      info.shard = s.shard;
    }
    std::vector<std::vector<uint64_t>> got;
    for (const auto& merge : PlanMerges(infos, [&](const SegmentClass&) { return row.closed; }, {})) {
      auto& ids = got.emplace_back();
      for (const SegmentInfo& info : merge) ids.push_back(Raw(info.id));
    }
    EXPECT_THAT(got, ::testing::UnorderedElementsAreArray(row.want)) << row.name;
  }
}

class CompactionTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { ClearFailpoints(); }

  StoreOptions Options() const {
    StoreOptions options;
    options.directory = dir_.path() + "/data";
    options.shards = 2;
    options.block_text_bytes = 2048;
    options.compact_block_text_bytes = 8192;
    options.clock = &clock_;
    options.max_disk_bytes = max_disk_bytes_;
    return options;
  }
  void Open() {
    store_ = nullptr;
    auto store = Store::Open(Options());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    store_->SetRetention(rules_);
  }
  void Append(const Labels& labels, std::vector<TestLine> lines) {
    const absl::Status status = store_->AppendAndWait(MakeBatch(labels, std::move(lines)));
    ASSERT_TRUE(status.ok()) << status;
  }
  void Flush() { ASSERT_TRUE(store_->Flush().ok()); }
  void Compact() {
    const absl::Status status = store_->Compact();
    ASSERT_TRUE(status.ok()) << status;
    // No file is left behind, none is missing.
    EXPECT_EQ(Files().size(), store_->Stats().segments);
    uint64_t bytes = 0;
    for (const std::string& file : Files()) bytes += *FileSize(file);
    EXPECT_EQ(bytes, store_->Stats().segment_bytes);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() + "/data/segments"))
      out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
  }
  ReadResult Read() { return ReadAll(*store_, {}); }
  void LoseIndex() {
    store_ = nullptr;
    std::filesystem::remove_all(dir_.path() + "/data/index");
    Open();
  }
  // Whether some file below the data directory holds the text as it is.
  bool OnDisk(const std::string& text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path() + "/data")) {
      if (!entry.is_regular_file()) continue;
      if (ReadWholeFile(entry.path().string())->find(text) != std::string::npos) return true;
    }
    return false;
  }

  TempDir dir_;
  ManualClock clock_{kBaseNs + 10 * kDayNs};
  uint64_t max_disk_bytes_ = 0;
  std::shared_ptr<const RetentionRules> rules_;
  std::unique_ptr<Store> store_;
};

ActiveDelete Delete(std::vector<Matcher> matchers, int64_t start_ns, int64_t end_ns, std::string word = "") {
  ActiveDelete out;
  out.matchers = std::move(matchers);
  out.start_ns = start_ns;
  out.end_ns = end_ns;
  if (!word.empty()) {
    out.filter = [word](const Labels&, const Rows& rows, uint32_t begin, uint32_t end,
                        std::vector<uint32_t>* matched) {
      for (uint32_t row = begin; row < end; ++row) {
        if (rows.line(row).find(word) != std::string_view::npos) matched->push_back(row);
      }
    };
  }
  return out;
}

// Streams large and small, in and out of order, with repetitions, over some days.
TEST_F(CompactionTest, ReadersSeeTheSame) {
  std::mt19937 random(7);
  for (int round = 0; round < 12; ++round) {
    for (int s = 0; s < 30; ++s) {
      std::vector<TestLine> lines;
      const int count = s < 3 ? 60 : static_cast<int>(random() % 3);
      for (int i = 0; i < count; ++i) {
        const int64_t day = s == 5 ? static_cast<int64_t>(random() % 40) : static_cast<int64_t>(random() % 2);
        // Few distinct times and lines, so that some are exact repetitions.
        const int64_t t = kBaseNs + day * kDayNs + static_cast<int64_t>(random() % 400) * kNsPerSecond +
                          (s == 1 ? round * 500 * kNsPerSecond : 0);
        lines.push_back({t, fmt::format("line {} of a text that is long enough", random() % 5)});
      }
      if (lines.empty()) continue;
      Append({{"app", std::to_string(s)}, {"odd", s % 2 == 1 ? "yes" : "no"}}, std::move(lines));
    }
    if (round < 11) Flush();
  }
  const ReadResult before = Read();
  EXPECT_GT(before.repetitions, 0u);
  const uint64_t segments = store_->Stats().segments;
  // One that was selected before stays readable.
  auto held = store_->Select("t", {Match("app", "0")}, {});
  ASSERT_TRUE(held.ok());
  Flush();
  Compact();
  const ReadResult after = Read();
  EXPECT_EQ(after.rows, before.rows);
  EXPECT_EQ(after.repetitions, 0u);
  EXPECT_LT(after.blocks, before.blocks / 4);
  EXPECT_LT(store_->Stats().segments, segments / 3);
  for (const auto& block : held->blocks) {
    Rows scratch;
    EXPECT_TRUE(block->Read({true, true, true}, &scratch, nullptr).ok());
  }
  // There is nothing left to do.
  const uint64_t merges = store_->Stats().compactions;
  Compact();
  EXPECT_EQ(store_->Stats().compactions, merges);
  Open();
  EXPECT_EQ(Read().rows, before.rows);
  LoseIndex();
  EXPECT_EQ(Read().rows, before.rows);
  // What comes later joins.
  Append({{"app", "0"}, {"odd", "no"}}, {{kBaseNs, "late"}});
  Flush();
  Compact();
  EXPECT_EQ(Read().rows.size(), before.rows.size() + 1);
}

TEST_F(CompactionTest, LargeStreamsHaveLargeBlocksAndSmallOnesShare) {
  for (int round = 0; round < 10; ++round) {
    std::vector<TestLine> lines;
    for (int i = 0; i < 100; ++i) {
      lines.push_back(
          {kBaseNs + (round * 100 + i) * kNsPerSecond,
           fmt::format("{} some text so that the line has about eighty bytes of it in all {}", i, round)});
    }
    Append({{"app", "large"}}, std::move(lines));
    AppendBatch batch;
    batch.tenant = "t";
    for (int s = 0; s < 200; ++s)
      batch.streams.push_back(
          {{{"small", std::to_string(s)}}, MakeRows({{kBaseNs + round, "one line"}}), ""});
    ASSERT_TRUE(store_->AppendAndWait(std::move(batch)).ok());
    Flush();
  }
  const ReadResult before = Read();
  Compact();
  auto large = store_->Select("t", {Match("app", "large")}, {});
  ASSERT_TRUE(large.ok());
  EXPECT_THAT(large->blocks.size(), ::testing::AllOf(::testing::Ge(8u), ::testing::Le(11u)));
  for (const auto& block : large->blocks) {
    EXPECT_GT(block->text_bytes(), 6000u);
    EXPECT_LE(block->text_bytes(), 9000u);
  }
  auto small = store_->Select("t", {Match("small", "", MatchOp::kNotEqual)}, {});
  ASSERT_TRUE(small.ok());
  EXPECT_LE(small->blocks.size(), 8u);
  EXPECT_EQ(Read().rows, before.rows);
}

TEST_F(CompactionTest, ReadersAndWritersMayGoOnMeanwhile) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> written{0};
  std::thread writer([&] {
    for (uint64_t i = 0; !stop; ++i) {
      Append({{"app", std::to_string(i % 5)}},
             {{kBaseNs + static_cast<int64_t>(i), fmt::format("line {}", i)}});
      written = i + 1;
      if (i % 50 == 49) Flush();
    }
  });
  for (int i = 0; i < 40; ++i) {
    const uint64_t at_least = written;
    ASSERT_TRUE(store_->Compact().ok());
    const ReadResult got = Read();
    EXPECT_GE(got.rows.size(), at_least);
    EXPECT_EQ(got.damaged_blocks, 0u);
    EXPECT_EQ(std::adjacent_find(got.rows.begin(), got.rows.end()), got.rows.end());
  }
  stop = true;
  writer.join();
  EXPECT_EQ(Read().rows.size(), written);
}

TEST_F(CompactionTest, DamageStaysWhereItIs) {
  for (int round = 0; round < 3; ++round) {
    Append({{"app", "a"}}, {{kBaseNs + round * kNsPerSecond, fmt::format("round {}", round)}});
    Flush();
  }
  const std::vector<std::string> files = Files();
  ASSERT_EQ(files.size(), 3u);
  store_ = nullptr;
  std::string bytes = *ReadWholeFile(files[1]);
  bytes[bytes.find("round 1")] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(files[1], bytes).ok());
  Open();
  EXPECT_EQ(Read().damaged_blocks, 1u);
  ASSERT_TRUE(store_->Compact().ok());
  EXPECT_EQ(Files().size(), 2u);
  const ReadResult got = Read();
  EXPECT_EQ(got.damaged_blocks, 1u) << "an answer says that it misses something";
  EXPECT_EQ(got.rows.size(), 2u);
}

TEST_F(CompactionTest, FailuresLeaveEverythingAsItWas) {
  for (int round = 0; round < 3; ++round) {
    Append({{"app", "a"}}, {{kBaseNs + round * kNsPerSecond, fmt::format("round {}", round)}});
    Flush();
  }
  const ReadResult before = Read();
  for (const char* step :
       {"compact.before_segment", "blob.append", "blob.sync", "blob.rename", "blob.sync_directory",
        "compact.before_finish", "compact.after_segment", "compact.before_commit", "index.commit"}) {
    SetFailpoint(step, [] { return Unavailable("injected"); });
    EXPECT_FALSE(store_->Compact().ok()) << step;
    ClearFailpoints();
    EXPECT_EQ(Read().rows, before.rows) << step;
  }
  Compact();
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(Read().rows, before.rows);
}

class Rules final : public RetentionRules {
 public:
  int64_t PeriodNs(std::string_view tenant, const Labels& stream) const override {
    if (tenant != "t") return 0;
    if (stream.Get("keep") == "ever") return 0;
    return (stream.Get("keep") == "short" ? 2 : 5) * kDayNs;
  }
  int64_t ShortestNs() const override { return 2 * kDayNs; }
  int64_t LongestNs(std::string_view) const override { return 0; }
};

TEST_F(CompactionTest, RetentionByAgeAndStream) {
  rules_ = std::make_shared<Rules>();
  store_->SetRetention(rules_);
  for (int day = 0; day < 8; ++day) {
    const int64_t t = clock_.now_ns - day * kDayNs - kDayNs / 2;
    Append({{"keep", "short"}}, {{t, fmt::format("short {}", day)}});
    Append({{"keep", "long"}}, {{t, fmt::format("long {}", day)}});
    Append({{"keep", "ever"}}, {{t, fmt::format("ever {}", day)}});
    Flush();
  }
  Compact();
  Compact();
  std::vector<std::string> lines;
  for (const std::string& row : Read().rows) lines.push_back(row.substr(row.find("} ") + 2));
  EXPECT_THAT(lines, ::testing::UnorderedElementsAre("short 0", "short 1", "long 0", "long 1", "long 2",
                                                     "long 3", "long 4", "ever 0", "ever 1", "ever 2",
                                                     "ever 3", "ever 4", "ever 5", "ever 6", "ever 7"));
  EXPECT_EQ(store_->Stats().retired_rows, 9u);
  clock_.now_ns += 30 * kDayNs;
  Compact();
  EXPECT_EQ(Read().rows.size(), 8u);
  EXPECT_EQ(store_->Stats().retired_rows, 16u);
  // What the log brings back of them ends again.
  LoseIndex();
  Flush();
  Compact();
  EXPECT_EQ(Read().rows.size(), 8u);
}

TEST_F(CompactionTest, RetentionBySize) {
  for (int day = 0; day < 8; ++day) {
    std::vector<TestLine> lines;
    std::mt19937 random(static_cast<uint32_t>(day));
    for (int i = 0; i < 100; ++i)
      lines.push_back(
          {clock_.now_ns - day * kDayNs + i, fmt::format("day {} {:08x}{:08x}", day, random(), random())});
    Append({{"app", "a"}}, std::move(lines));
    Flush();
  }
  Compact();
  EXPECT_EQ(Read().rows.size(), 800u);
  max_disk_bytes_ = store_->Stats().segment_bytes / 2;
  Open();
  Compact();
  EXPECT_LE(store_->Stats().segment_bytes, max_disk_bytes_);
  const ReadResult got = Read();
  EXPECT_GE(got.rows.size(), 300u);
  EXPECT_LE(got.rows.size(), 400u);
  for (const std::string& row : got.rows) EXPECT_EQ(row.find("day 7"), std::string::npos) << row;
}

TEST_F(CompactionTest, PurgeRemovesLinesFromTheDisk) {
  for (int round = 0; round < 4; ++round) {
    for (const char* app : {"a", "b"}) {
      std::vector<TestLine> lines;
      for (int i = 0; i < 20; ++i) {
        lines.push_back({kBaseNs + (round * 20 + i) * kNsPerSecond,
                         fmt::format("{} {}-secret-{} {}", app, app, round, i % 2 == 0 ? "even" : "odd")});
      }
      Append({{"app", app}}, std::move(lines));
    }
    if (round < 3) Flush();
    if (round == 1) Compact();
  }
  ASSERT_TRUE(OnDisk("a-secret-3"));
  const size_t rows = Read().rows.size();
  ASSERT_EQ(rows, 160u);
  // Even lines of a stream, in a part of the time.
  const ActiveDelete even =
      Delete({Match("app", "a")}, kBaseNs + 10 * kNsPerSecond, kBaseNs + 69 * kNsPerSecond, "even");
  auto removed = store_->Purge("t", "one", even);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, 30u);
  EXPECT_EQ(store_->Stats().purged_rows, 30u);
  EXPECT_EQ(Read().rows.size(), rows - 30);
  // Again: nothing more to remove, the same receipt.
  EXPECT_EQ(*store_->Purge("t", "one", even), 30u);
  // Another tenant's lines are not meant.
  EXPECT_EQ(*store_->Purge("u", "two", Delete({Match("app", "a")}, kMinTimeNs, kMaxTimeNs)), 0u);
  // A whole stream.
  EXPECT_EQ(*store_->Purge("t", "three", Delete({Match("app", "a")}, kMinTimeNs, kMaxTimeNs)), 50u);
  EXPECT_EQ(Read().rows.size(), 80u);
  EXPECT_FALSE(OnDisk("a-secret"));
  EXPECT_TRUE(OnDisk("b-secret"));
  Compact();
  LoseIndex();
  EXPECT_EQ(Read().rows.size(), 80u);
  EXPECT_EQ(*store_->Purge("t", "four", Delete({Match("app", "b")}, kMinTimeNs, kMaxTimeNs)), 80u);
  EXPECT_EQ(Read().rows.size(), 0u);
  LoseIndex();
  EXPECT_EQ(Read().rows.size(), 0u);
}

TEST_F(CompactionTest, PurgeFailsWhereItCannotRead) {
  Append({{"app", "a"}}, {{kBaseNs, "secret"}});
  Flush();
  store_ = nullptr;
  const std::string file = Files().front();
  std::string bytes = *ReadWholeFile(file);
  bytes[bytes.size() - 60] ^= 1;  // of the footer
  ASSERT_TRUE(WriteFileAtomically(file, bytes).ok());
  Open();
  EXPECT_FALSE(store_->Purge("t", "one", Delete({Match("app", "a")}, kMinTimeNs, kMaxTimeNs)).ok());
}

// Needles are as well told apart by what is known of blocks after compaction as before: the blocks have half
// the bits for twice the text then.
TEST(CompactedSummariesTest, BlocksWithoutANeedleAreKnown) {
  const TempDir dir;
  StoreOptions options;
  options.directory = dir.path() + "/data";
  options.shards = 1;
  const auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  std::mt19937_64 random(1);
  const std::string needle = "req-7f3a9c51e0d84b26";
  int64_t t = kBaseNs;
  for (int batch = 0; batch < 32; ++batch) {
    std::vector<TestLine> lines;
    for (int i = 0; i < 1000; ++i, t += kNsPerSecond / 4) {
      lines.push_back(
          {t,
           fmt::format(
               R"({{"level":"info","msg":"order {} stored","id":"req-{:016x}","took_ms":{},"path":"/v1/orders/{}"}})",
               random() % 100'000, random(), random() % 900, random() % 5000)});
    }
    if (batch == 17) lines[500].line += needle;
    ASSERT_TRUE((*store)->AppendAndWait(MakeBatch({{"app", "a"}}, std::move(lines))).ok());
  }
  const auto blocks_that_may_hold = [&](std::string_view text) {
    GramNeed need;
    need.AddAlternative(text);
    const auto selection = (*store)->Select("t", {Match("app", "a")}, {});
    EXPECT_TRUE(selection.ok());
    EXPECT_GE(selection->blocks.size(), 6u);
    size_t may_hold = 0;
    for (const auto& block : selection->blocks) {
      const auto summary = block->Summary();
      may_hold += summary == nullptr || summary->MayHold(need) ? 1 : 0;
    }
    return may_hold;
  };
  for (const bool compacted : {false, true}) {
    ASSERT_TRUE((compacted ? (*store)->Compact() : (*store)->Flush()).ok());
    EXPECT_LE(blocks_that_may_hold("req-no-such-request"), 1u) << compacted;
    EXPECT_GE(blocks_that_may_hold(needle), 1u) << compacted;
    EXPECT_LE(blocks_that_may_hold(needle), compacted ? 2u : 8u) << compacted;
    EXPECT_GE(blocks_that_may_hold("stored"), 6u) << compacted;
  }
}

}  // namespace
}  // namespace skald
