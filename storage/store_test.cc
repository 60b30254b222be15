#include "storage/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "proto/rows_codec.h"
#include "storage/filenames.h"
#include "storage/testing/sample_rows.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;
constexpr int64_t kBase = 20'000 * kDayNs;

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    options_.directory = dir_.path() + "/data";
    options_.shards = 2;
  }
  ~StoreTest() override { ClearFailpoints(); }

  void Open() {
    store_.reset();
    auto opened = Store::Open(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
  }
  void Push(const Labels& labels, std::vector<TestLine> lines) {
    const absl::Status status = store_->AppendAndWait(MakeBatch(labels, std::move(lines)));
    ASSERT_TRUE(status.ok()) << status;
  }
  std::vector<std::string> Rows(std::vector<Matcher> matchers = {}, TimeRange range = {}) {
    return ReadAll(*store_, matchers, range).rows;
  }
  std::vector<std::string> SegmentFiles() const {
    return *ListDirectory(SegmentDirectory(options_.directory));
  }

  TempDir dir_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, LinesAreThereBeforeAndAfterFlushAndRestart) {
  Open();
  Push({{"app", "a"}}, {{2, "two"}, {1, "one"}});
  Push({{"app", "b"}}, {{3, "three"}});
  const std::vector<std::string> want{R"(1 {app="a"} one)", R"(2 {app="a"} two)", R"(3 {app="b"} three)"};
  EXPECT_EQ(Rows(), want);
  EXPECT_EQ(store_->Stats().appended_rows, 3u);
  EXPECT_EQ(store_->Stats().head_rows, 3u);
  EXPECT_EQ(store_->ActiveStreams("t"), 2u);
  EXPECT_EQ(store_->ActiveStreams("other"), 0u);
  EXPECT_TRUE(store_->HasActiveStream("t", {{"app", "a"}}));
  EXPECT_FALSE(store_->HasActiveStream("t", {{"app", "c"}}));
  Open();
  EXPECT_EQ(store_->Stats().replayed_rows, 3u);
  EXPECT_EQ(Rows(), want);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->Stats().head_rows, 0u);
  EXPECT_EQ(store_->Stats().head_bytes, 0u);
  EXPECT_EQ(store_->ActiveStreams("t"), 0u);
  EXPECT_GE(store_->Stats().segments, 1u);
  EXPECT_EQ(Rows(), want);
  Open();
  EXPECT_EQ(store_->Stats().replayed_rows, 0u);
  EXPECT_EQ(Rows(), want);
  EXPECT_EQ(Rows({Match("app", "a")}).size(), 2u);
  EXPECT_EQ(Rows({}, {2, 3}), (std::vector<std::string>{want[1]}));
  EXPECT_TRUE(ReadAll(*store_, {}, {}, "other").rows.empty());
  ASSERT_TRUE(store_->Flush().ok());  // nothing to do
}

TEST_F(StoreTest, MetadataAndLevelsSurvive) {
  Open();
  auto rows = std::make_shared<skald::Rows>();
  AppendRow(rows.get(), 1, "a", {{"detected_level", "error"}, {"trace_id", "x1"}});
  AppendRow(rows.get(), 2, "bb", {{"detected_level", "info"}});
  AppendRow(rows.get(), 3, "ccc", {{"detected_level", "error"}});
  AppendBatch batch;
  batch.tenant = "t";
  batch.streams.push_back({{{"app", "a"}}, rows, ""});
  EncodeRows(*rows, &batch.streams[0].encoded);
  ASSERT_TRUE(store_->AppendAndWait(std::move(batch)).ok());
  for (int round = 0; round < 3; ++round) {
    auto selection = store_->Select("t", {}, {});
    ASSERT_TRUE(selection.ok());
    ASSERT_EQ(selection->blocks.size(), 1u);
    const Slice& slice = selection->blocks[0]->slices()[0];
    ASSERT_EQ(slice.levels.size(), 2u);
    EXPECT_EQ(slice.levels[0].level, "error");
    EXPECT_EQ(slice.levels[0].line_bytes, 4u);
    EXPECT_EQ(slice.line_bytes, 6u);
    EXPECT_FALSE(slice.overlaps);
    skald::Rows scratch;
    auto read = selection->blocks[0]->Read({true, true, true}, &scratch, nullptr);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ((*read)->FindMetadata("trace_id")->value(0), "x1");
    EXPECT_EQ((*read)->FindMetadata("trace_id")->index[1], 0u);
    if (round == 0) Open();
    if (round == 1) {
      ASSERT_TRUE(store_->Flush().ok());
    }
  }
}

TEST_F(StoreTest, SeriesNamesAndValues) {
  Open();
  Push({{"app", "a"}, {"env", "prod"}}, {{kBase, "x"}});
  Push({{"app", "b"}}, {{kBase + 3 * kDayNs, "y"}});
  auto series = store_->Series("t", {Match("app", ".*", MatchOp::kRegex)}, {});
  ASSERT_EQ(series->size(), 2u);
  EXPECT_EQ((*series)[0].labels->ToString(), R"({app="a", env="prod"})");
  EXPECT_THAT(*store_->LabelNames("t", {}, {}), ElementsAre("app", "env"));
  EXPECT_THAT(*store_->LabelNames("t", {Match("app", "b")}, {}), ElementsAre("app"));
  EXPECT_THAT(*store_->LabelValues("t", "app", {}, {}), ElementsAre("a", "b"));
  EXPECT_THAT(*store_->LabelValues("t", "app", {Match("env", "prod")}, {}), ElementsAre("a"));
  EXPECT_THAT(*store_->LabelValues("t", "app", {}, {kBase + kDayNs, kMaxTimeNs}), ElementsAre("b"));
  EXPECT_THAT(*store_->LabelValues("other", "app", {}, {}), ElementsAre());
  EXPECT_EQ(store_->StoredSeries("t", {}, {}, kMaxTimeNs)->size(), 0u);
  // In memory alone, but long silent at the range's end.
  EXPECT_EQ(store_->StoredSeries("t", {}, {kBase, kBase + 2 * kDayNs}, kDayNs)->size(), 1u);
  EXPECT_EQ(store_->StoredSeries("t", {}, {kBase, kBase + kDayNs}, kDayNs)->size(), 0u);
  EXPECT_EQ(store_->StoredSeries("t", {}, {kBase, kBase + 5 * kDayNs}, kDayNs)->size(), 2u);
  EXPECT_EQ(store_->StoredSeries("t", {}, {kBase + kDayNs, kBase + 2 * kDayNs}, kDayNs)->size(), 0u);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->StoredSeries("t", {}, {}, kMaxTimeNs)->size(), 2u);
  EXPECT_EQ(store_->StoredSeries("t", {}, {kBase + kDayNs, kMaxTimeNs}, kMaxTimeNs)->size(), 1u);
}

TEST_F(StoreTest, ResentBatchesAreStoredOnceAlsoAfterTheLogIsGone) {
  options_.wal_file_bytes = 300;
  Open();
  for (uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(
        store_->AppendAndWait(MakeBatch({{"app", "a"}}, {{static_cast<int64_t>(i), "line"}}, "agent", i))
            .ok());
  }
  ASSERT_TRUE(store_->AppendAndWait(MakeBatch({{"app", "a"}}, {{4, "other"}}, "agent", 4)).ok());
  EXPECT_EQ(store_->Stats().duplicate_batches, 1u);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_LE(store_->Stats().wal_files, 2u);
  AppendBatch empty;
  empty.tenant = "t";
  empty.agent_id = "agent";
  empty.sequence = BatchSeq{11};
  ASSERT_TRUE(store_->AppendAndWait(std::move(empty)).ok());
  Open();
  EXPECT_EQ(store_->LastSequence("t", "agent"), BatchSeq{11});
  ASSERT_TRUE(store_->AppendAndWait(MakeBatch({{"app", "a"}}, {{9, "other"}}, "agent", 9)).ok());
  EXPECT_EQ(Rows().size(), 10u);
}

TEST_F(StoreTest, RepeatedEntriesAreDroppedOrMarkedAsOverlapping) {
  Open();
  Push({{"app", "a"}}, {{1, "x"}, {2, "y"}});
  Push({{"app", "a"}}, {{2, "y"}, {3, "z"}});
  EXPECT_EQ(store_->Stats().duplicate_rows, 1u);
  ASSERT_TRUE(store_->Flush().ok());
  Push({{"app", "a"}}, {{3, "z"}, {4, "w"}});
  Push({{"app", "b"}}, {{3, "z"}});
  const ReadResult result = ReadAll(*store_, {});
  EXPECT_EQ(result.rows.size(), 5u);
  EXPECT_EQ(result.repetitions, 1u);
  auto selection = store_->Select("t", {Match("app", "b")}, {});
  EXPECT_FALSE(selection->blocks[0]->slices()[0].overlaps);
}

TEST_F(StoreTest, AnyOrderOverYearsIsFoundByTime) {
  options_.block_text_bytes = 4096;
  Open();
  std::mt19937 random(1);
  std::vector<std::pair<int64_t, std::string>> all;
  for (int i = 0; i < 60; ++i) {
    std::vector<TestLine> lines;
    for (int j = 0; j < 20; ++j) {
      const int64_t t = static_cast<int64_t>(random() % (3 * 365)) * kDayNs + static_cast<int64_t>(random());
      lines.push_back({t, fmt::format("line {} {}", i, j)});
      all.emplace_back(t, fmt::format(R"({} {{app="{}"}} line {} {})", t, i % 3, i, j));
    }
    Push({{"app", std::to_string(i % 3)}}, std::move(lines));
    if (i % 20 == 13) {
      ASSERT_TRUE(store_->Flush().ok());
    }
  }
  const auto check = [&] {
    for (int round = 0; round < 30; ++round) {
      const int64_t begin = static_cast<int64_t>(random() % (3 * 365)) * kDayNs;
      const TimeRange range{begin, begin + static_cast<int64_t>(random() % 400) * kDayNs};
      std::vector<std::string> want;
      for (const auto& [t, text] : all) {
        if (range.Contains(t)) want.push_back(text);
      }
      std::sort(want.begin(), want.end());
      ASSERT_EQ(Rows({}, range), want);
    }
    ASSERT_EQ(Rows().size(), all.size());
  };
  check();
  Open();
  check();
  EXPECT_LE(store_->Stats().segments, 2u * 3 * 16);
}

TEST_F(StoreTest, DaysGoToSegmentsOfTheirOwn) {
  options_.shards = 1;
  Open();
  Push({{"app", "a"}}, {{kBase, "x"}, {kBase + kDayNs, "y"}, {kBase + 2 * kDayNs, "z"}});
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->Stats().segments, 3u);
  EXPECT_EQ(Rows({}, {kBase + kDayNs, kBase + 2 * kDayNs}).size(), 1u);
}

TEST_F(StoreTest, SmallHeadsFlushByThemselvesAndTheLogIsDeleted) {
  options_.head_memory_bytes = 256 << 10;
  options_.wal_file_bytes = 64 << 10;
  options_.block_text_bytes = 8 << 10;
  Open();
  std::mt19937 random(2);
  size_t rows = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<TestLine> lines;
    for (int j = 0; j < 40; ++j) {
      std::string line = fmt::format("{} {} ", i, j);
      for (int k = 0; k < 10; ++k) line += fmt::format("{:08x}", random());  // does not compress
      lines.push_back({kBase + i * 100 + j, line});
    }
    rows += lines.size();
    Push({{"app", std::to_string(i % 10)}}, std::move(lines));
    ASSERT_LE(store_->Stats().head_bytes, options_.head_memory_bytes * 2 + (64 << 10));
  }
  EXPECT_GT(store_->Stats().segments, 3u);
  EXPECT_EQ(Rows().size(), rows);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_LE(store_->Stats().wal_files, 3u);
  EXPECT_EQ(Rows().size(), rows);
}

TEST_F(StoreTest, OldHeadsAreFlushed) {
  options_.head_max_age_ms = 300;
  Open();
  Push({{"app", "a"}}, {{1, "x"}});
  for (int i = 0; i < 100 && store_->Stats().segments == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(store_->Stats().segments, 1u);
  EXPECT_EQ(Rows().size(), 1u);
}

// Readers see each row once at every moment of many flushes.
TEST_F(StoreTest, ReadersSeeEachRowOnceDuringFlushes) {
  options_.block_text_bytes = 2048;
  Open();
  std::atomic<int> acknowledged{0};
  std::atomic<bool> stop{false};
  constexpr int kBatches = 300;
  std::thread reader([&] {
    while (!stop) {
      const int before = acknowledged;
      const ReadResult result = ReadAll(*store_, {});
      const int after = acknowledged;
      EXPECT_EQ(result.repetitions, 0u);
      EXPECT_GE(result.rows.size(), static_cast<size_t>(before) * 10);
      EXPECT_LE(result.rows.size(), static_cast<size_t>(after + 1) * 10);
    }
  });
  std::thread flusher([&] {
    while (!stop) EXPECT_TRUE(store_->Flush().ok());
  });
  for (int i = 0; i < kBatches; ++i) {
    AppendBatch batch;
    batch.tenant = "t";
    for (int s = 0; s < 5; ++s) {
      const int64_t t = kBase + i * 10;
      batch.streams.push_back({{{"app", std::to_string(s)}},
                               MakeRows({{t, fmt::format("a{}", i)}, {t + 1, fmt::format("b{}", i)}}),
                               ""});
    }
    EXPECT_TRUE(store_->AppendAndWait(std::move(batch)).ok());
    ++acknowledged;
  }
  stop = true;
  reader.join();
  flusher.join();
  EXPECT_EQ(Rows().size(), kBatches * 10u);
  EXPECT_GT(store_->Stats().segments, 2u);
}

TEST_F(StoreTest, BlocksOutliveTheStoreAndDeletedFiles) {
  Open();
  Push({{"app", "a"}}, {{1, "stored"}});
  ASSERT_TRUE(store_->Flush().ok());
  Push({{"app", "a"}}, {{2, "in memory"}});
  auto selection = store_->Select("t", {}, {});
  ASSERT_EQ(selection->blocks.size(), 2u);
  store_.reset();
  std::filesystem::remove_all(options_.directory);
  for (const auto& block : selection->blocks) {
    skald::Rows scratch;
    auto rows = block->Read({true, true, true}, &scratch, nullptr);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ((*rows)->size(), 1u);
  }
}

TEST_F(StoreTest, DamagedBlockCostsItsOwnRowsOnly) {
  options_.shards = 1;
  options_.block_text_bytes = 4096;
  Open();
  for (int i = 0; i < 40; ++i) {
    std::vector<TestLine> lines;
    for (int j = 0; j < 10; ++j)
      lines.push_back({kBase + i * 10 + j, fmt::format("{} {} {}", i, j, std::string(80, 'x'))});
    Push({{"app", "a"}}, std::move(lines));
  }
  ASSERT_TRUE(store_->Flush().ok());
  const ReadResult whole = ReadAll(*store_, {});
  ASSERT_EQ(whole.rows.size(), 400u);
  ASSERT_GT(whole.blocks, 4u);
  store_.reset();
  const std::string path = SegmentDirectory(options_.directory) + "/" + SegmentFiles()[0];
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(0, std::ios::end);
    const auto middle = file.tellg() / 3;
    file.seekg(middle);
    const char c = static_cast<char>(file.get() ^ 0x55);
    file.seekp(middle);
    file.put(c);
  }
  Open();
  const ReadResult damaged = ReadAll(*store_, {});
  EXPECT_EQ(damaged.damaged_blocks, 1u);
  EXPECT_EQ(store_->Stats().damaged_blocks, 1u);
  EXPECT_GE(damaged.rows.size(), 400u - 70);
  EXPECT_LT(damaged.rows.size(), 400u);
  EXPECT_TRUE(std::includes(whole.rows.begin(), whole.rows.end(), damaged.rows.begin(), damaged.rows.end()));
}

TEST_F(StoreTest, MissingSegmentFileIsDamageNotFailure) {
  Open();
  Push({{"app", "a"}}, {{1, "x"}});
  ASSERT_TRUE(store_->Flush().ok());
  Push({{"app", "a"}}, {{2, "y"}});
  ASSERT_TRUE(store_->Flush().ok());
  store_.reset();
  std::filesystem::remove(SegmentDirectory(options_.directory) + "/" + SegmentFiles()[0]);
  Open();
  const ReadResult result = ReadAll(*store_, {});
  EXPECT_EQ(result.rows.size(), 1u);
  EXPECT_EQ(result.damaged_blocks, 1u);
}

TEST_F(StoreTest, IndexIsRebuiltWhenDeletedOrDamaged) {
  options_.block_text_bytes = 2048;
  Open();
  std::mt19937 random(4);
  const auto push_some = [&](int from) {
    for (int i = from; i < from + 30; ++i) {
      std::vector<TestLine> lines;
      for (int j = 0; j < 10; ++j) {
        lines.push_back({kBase + static_cast<int64_t>(random() % 40) * kDayNs + i * 100 + j,
                         fmt::format("line {} {}", i, j)});
      }
      Push({{"app", std::to_string(i % 4)}, {"env", i % 2 ? "prod" : "dev"}}, std::move(lines));
    }
  };
  push_some(0);
  ASSERT_TRUE(store_->Flush().ok());
  push_some(100);
  ASSERT_TRUE(store_->Flush().ok());
  push_some(200);  // in the log only
  const auto answers = [&] {
    std::vector<std::vector<std::string>> out;
    out.push_back(Rows());
    out.push_back(Rows({Match("env", "prod"), Match("app", "1")}));
    for (int day = 0; day < 40; day += 7)
      out.push_back(Rows({}, {kBase + day * kDayNs, kBase + (day + 1) * kDayNs}));
    out.push_back(*store_->LabelValues("t", "app", {}, {kBase + 3 * kDayNs, kBase + 4 * kDayNs}));
    out.push_back(*store_->LabelNames("t", {}, {}));
    return out;
  };
  const auto want = answers();
  ASSERT_EQ(want[0].size(), 900u);

  store_.reset();
  std::filesystem::remove_all(IndexDirectory(options_.directory));
  Open();
  EXPECT_EQ(answers(), want);
  EXPECT_EQ(ReadAll(*store_, {}).repetitions, 0u);

  store_.reset();
  for (const auto& file : std::filesystem::directory_iterator(IndexDirectory(options_.directory))) {
    const std::string name = file.path().filename().string();
    if (name.starts_with("MANIFEST") || name == "CURRENT" || name.ends_with(".log"))
      std::ofstream(file.path(), std::ios::trunc) << "junk";
  }
  Open();
  EXPECT_EQ(answers(), want);
  EXPECT_TRUE(FileExists(BadIndexDirectory(options_.directory, 1)));

  // And with a segment whose end is gone: its blocks are saved.
  ASSERT_TRUE(store_->Flush().ok());
  const std::vector<std::string> all = Rows();
  store_.reset();
  std::filesystem::remove_all(IndexDirectory(options_.directory));
  const std::string path = SegmentDirectory(options_.directory) + "/" + SegmentFiles()[0];
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 20);
  Open();
  EXPECT_EQ(Rows(), all);
}

TEST_F(StoreTest, FailedFlushKeepsServingAndSucceedsLater) {
  Open();
  Push({{"app", "a"}}, {{1, "x"}});
  SetFailpoint("flush.before_finish", [] { return ResourceExhausted("disk full"); });
  EXPECT_EQ(store_->Flush().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Rows().size(), 1u);
  Push({{"app", "a"}}, {{2, "y"}});
  EXPECT_EQ(Rows().size(), 2u);
  EXPECT_GE(store_->Stats().flush_failures, 1u);
  ClearFailpoints();
  absl::Status status;
  for (int i = 0; i < 100 && !(status = store_->Flush()).ok(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Rows().size(), 2u);
  Open();
  EXPECT_EQ(Rows().size(), 2u);
}

// The commit fails after segments are written: a retry replaces them.
TEST_F(StoreTest, FlushIsRepeatedAfterItsSegmentsWereWritten) {
  options_.shards = 1;
  Open();
  Push({{"app", "a"}}, {{kBase, "x"}, {kBase + kDayNs, "y"}});
  std::atomic<int> hits{0};
  SetFailpoint("flush.before_commit",
               [&] { return ++hits <= 2 ? Unavailable("injected") : absl::OkStatus(); });
  for (int i = 0; i < 100 && !store_->Flush().ok(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(hits, 3);
  EXPECT_EQ(Rows().size(), 2u);
  EXPECT_EQ(SegmentFiles().size(), 2u);
}

TEST_F(StoreTest, MemoryHasACeilingWhenFlushesFail) {
  options_.head_memory_bytes = 128 << 10;
  Open();
  SetFailpoint("flush.before_segment", [] { return ResourceExhausted("disk full"); });
  absl::Status status;
  std::mt19937 random(9);
  size_t stored = 0;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    std::string line(4000, '\0');
    for (char& c : line) c = static_cast<char>('a' + random() % 26);
    status = store_->AppendAndWait(MakeBatch({{"app", std::to_string(i % 4)}}, {{i, line}}));
    stored += status.ok() ? 1 : 0;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("disk full"));
  EXPECT_LT(store_->Stats().head_bytes, 400u << 10);
  EXPECT_EQ(Rows().size(), stored);
  ClearFailpoints();
  for (int i = 0; i < 200 && !store_->Flush().ok(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Push({{"app", "0"}}, {{5000, "again"}});
  EXPECT_EQ(Rows().size(), stored + 1);
}

TEST_F(StoreTest, IndexThatCannotBeWrittenHoldsBatchesBackAndLosesNone) {
  Open();
  std::atomic<int> hits{0};
  SetFailpoint("index.register",
               [&] { return ++hits < 3 ? ResourceExhausted("disk full") : absl::OkStatus(); });
  Push({{"app", "a"}}, {{1, "x"}});
  EXPECT_EQ(hits, 3);
  EXPECT_EQ(Rows().size(), 1u);
}

TEST_F(StoreTest, DiskFullRefusesAndGoesOn) {
  const std::string mount_point = dir_.path() + "/small";
  std::filesystem::create_directories(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=24m") != 0) {
    GTEST_SKIP() << "mounting a small file system is not permitted here";
  }
  struct Unmount {
    std::string at;
    ~Unmount() { ::umount2(at.c_str(), MNT_DETACH); }
  } unmount{mount_point};
  options_.directory = mount_point + "/data";
  Open();
  const std::string filler = mount_point + "/filler";
  std::mt19937 random(8);
  const auto make_line = [&] {
    std::string line(10'000, '\0');
    for (char& c : line) c = static_cast<char>(random());
    return line;
  };
  // Leave some hundred KiB.
  {
    std::ofstream out(filler, std::ios::binary);
    std::vector<char> chunk(64 << 10, 'f');
    while (std::filesystem::space(mount_point).free > (600 << 10) &&
           out.write(chunk.data(), static_cast<std::streamsize>(chunk.size())).flush()) {
    }
  }
  std::vector<std::string> stored;
  absl::Status status;
  uint64_t sequence = 0;
  int i = 0;
  for (; i < 300; ++i) {
    status = store_->AppendAndWait(MakeBatch({{"app", "a"}}, {{i, make_line()}}, "agent", sequence + 1));
    if (!status.ok()) break;
    ++sequence;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_GT(sequence, 3u);
  EXPECT_EQ(Rows().size(), sequence);  // still serving
  EXPECT_FALSE(store_->Flush().ok());
  EXPECT_EQ(Rows().size(), sequence);
  std::filesystem::remove(filler);
  for (int tries = 0; tries < 50; ++tries) {
    status = store_->AppendAndWait(MakeBatch({{"app", "a"}}, {{i, make_line()}}, "agent", sequence + 1));
    if (status.ok()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(status.ok()) << status;
  for (int tries = 0; tries < 100 && !(status = store_->Flush()).ok(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Rows().size(), sequence + 1);
  Open();
  EXPECT_EQ(Rows().size(), sequence + 1);
  EXPECT_EQ(store_->LastSequence("t", "agent"), BatchSeq{sequence + 1});
  store_.reset();
}

TEST_F(StoreTest, ManyQuietStreams) {
  options_.head_memory_bytes = 64 << 20;
  Open();
  constexpr int kStreams = 20'000;
  const uint64_t before = ResidentBytes();
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 3; ++round) {
    for (int at = 0; at < kStreams; at += 500) {
      AppendBatch batch;
      batch.tenant = "t";
      for (int i = at; i < at + 500; ++i) {
        batch.streams.push_back({{{"app", "web"}, {"namespace", "shop"}, {"pod", fmt::format("web-{}", i)}},
                                 MakeRows({{kBase + round, fmt::format("line {} of pod {}", round, i)}}),
                                 ""});
      }
      ASSERT_TRUE(store_->AppendAndWait(std::move(batch)).ok());
    }
  }
  const uint64_t heads = store_->Stats().head_bytes;
  const uint64_t grown = ResidentBytes() - before;
  RecordProperty("head_bytes", static_cast<int>(heads));
  std::printf("20000 streams: head_bytes=%zu resident growth=%zu after %.2f s\n", static_cast<size_t>(heads),
              static_cast<size_t>(grown),
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  EXPECT_LT(heads, uint64_t{kStreams} * 2500);
  EXPECT_EQ(store_->ActiveStreams("t"), kStreams);
  EXPECT_EQ(Rows({Match("pod", "web-777")}).size(), 3u);
  ASSERT_TRUE(store_->Flush().ok());
  // They share blocks: far fewer blocks than streams, and few files.
  EXPECT_LE(SegmentFiles().size(), 4u);
  const ReadResult all = ReadAll(*store_, {Match("namespace", "shop")});
  EXPECT_EQ(all.rows.size(), 3u * kStreams);
  EXPECT_LT(all.blocks, 100u);
  EXPECT_EQ(Rows({Match("pod", "web-777")}).size(), 3u);
  EXPECT_EQ(store_->ActiveStreams("t"), 0u);
}

TEST_F(StoreTest, TenantsAreApart) {
  Open();
  AppendBatch batch = MakeBatch({{"app", "a"}}, {{1, "x"}});
  batch.tenant = "u";
  ASSERT_TRUE(store_->AppendAndWait(std::move(batch)).ok());
  Push({{"app", "a"}}, {{1, "y"}});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Rows(), (std::vector<std::string>{R"(1 {app="a"} y)"}));
    EXPECT_EQ(ReadAll(*store_, {}, {}, "u").rows, (std::vector<std::string>{R"(1 {app="a"} x)"}));
    ASSERT_TRUE(store_->Flush().ok());
  }
}

TEST_F(StoreTest, BadBatchesAndOptionsAreNamed) {
  Open();
  EXPECT_EQ(store_->AppendAndWait(AppendBatch{}).code(), absl::StatusCode::kInvalidArgument);
  AppendBatch batch;
  batch.tenant = "t";
  batch.streams.push_back({{{"app", "a"}}, std::make_shared<skald::Rows>(), ""});
  EXPECT_EQ(store_->AppendAndWait(std::move(batch)).code(), absl::StatusCode::kInvalidArgument);
  StoreOptions bad = options_;
  bad.block_text_bytes = 1;
  EXPECT_EQ(Store::Open(bad).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StoreTest, DirectoryErrorsSayWhatToDo) {
  Open();
  auto second = Store::Open(options_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(second.status())), HasSubstr("another process"));
  store_.reset();
  StoreOptions file = options_;
  file.directory = dir_.path() + "/file";
  std::ofstream(file.directory) << "x";
  EXPECT_FALSE(Store::Open(file).ok());
  StoreOptions deep = options_;
  deep.directory = dir_.path() + "/a/b/c";
  EXPECT_TRUE(Store::Open(deep).ok());
  StoreOptions forbidden = options_;
  forbidden.directory = "/proc/skald-cannot-be-here";
  const absl::Status status = Store::Open(forbidden).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("/proc/skald-cannot-be-here"));
  std::ofstream(MetaFileName(options_.directory)) << "skald store 9\n";
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, ShardsStayAsTheyWereMade) {
  options_.shards = 3;
  Open();
  Push({{"app", "a"}}, {{1, "x"}});
  ASSERT_TRUE(store_->Flush().ok());
  Push({{"app", "b"}}, {{1, "x"}});
  options_.shards = 1;
  Open();
  EXPECT_EQ(Rows().size(), 2u);
  EXPECT_THAT(*ReadWholeFile(MetaFileName(options_.directory)), HasSubstr("shards 3"));
  store_.reset();
  std::filesystem::remove(MetaFileName(options_.directory));
  Open();
  EXPECT_EQ(Rows().size(), 2u);
  EXPECT_THAT(*ReadWholeFile(MetaFileName(options_.directory)), HasSubstr("shards 3"));
}

TEST_F(StoreTest, ManySendersAtOnce) {
  Open();
  std::vector<std::thread> senders;
  for (int s = 0; s < 8; ++s) {
    senders.emplace_back([&, s] {
      const std::string agent = "agent" + std::to_string(s);
      for (uint64_t i = 1; i <= 50; ++i) {
        EXPECT_TRUE(store_
                        ->AppendAndWait(MakeBatch({{"app", std::to_string(s)}},
                                                  {{static_cast<int64_t>(i), "x"}}, agent, i))
                        .ok());
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(Rows().size(), 400u);
  EXPECT_LE(store_->Stats().wal_syncs, 400u);
}

}  // namespace
}  // namespace skald
