// A flipped bit anywhere in a data directory: what it costs, and what fsck says and does about it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "base/file.h"
#include "base/testing/temp_dir.h"
#include "storage/filenames.h"
#include "storage/fsck.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kBaseNs = 20'000LL * 24 * 60 * 60 * kNsPerSecond;
// Of a stream in a block, and of a batch.
constexpr size_t kMostRowsOfBlock = 60;

StoreOptions Options(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.shards = 2;
  options.block_text_bytes = 1024;
  options.compact_block_text_bytes = 1024;
  options.wal_file_bytes = 16 << 10;
  return options;
}

// Segments of flushes and of compaction, and lines that are in the log alone.
void Fill(const std::string& directory) {
  auto store = Store::Open(Options(directory));
  ASSERT_TRUE(store.ok()) << store.status();
  int n = 0;
  const auto append = [&](int batches) {
    for (int b = 0; b < batches; ++b) {
      AppendBatch batch;
      batch.tenant = "t";
      for (int s = 0; s < 3; ++s) {
        std::vector<TestLine> lines;
        for (int i = 0; i < 4; ++i, ++n)
          lines.push_back(
              {kBaseNs + n * kNsPerSecond, fmt::format("line {} with some text of its own {}", n, n * 7919)});
        batch.streams.push_back({{{"app", std::to_string(s)}}, MakeRows(std::move(lines)), ""});
      }
      ASSERT_TRUE((*store)->AppendAndWait(std::move(batch)).ok());
    }
  };
  append(20);
  ASSERT_TRUE((*store)->Flush().ok());
  append(10);
  ASSERT_TRUE((*store)->Flush().ok());
  ASSERT_TRUE((*store)->Compact().ok());
  append(10);
  ASSERT_TRUE((*store)->Flush().ok());
  append(5);
  // With another start the index has files besides its log.
  store->reset();
  ASSERT_TRUE(Store::Open(Options(directory)).ok());
}

std::vector<std::string> FilesOf(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    // Texts for people; nobody reads them.
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && entry.file_size() > 0 && !name.starts_with("LOG"))
      out.push_back(std::filesystem::relative(entry.path(), directory).string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(Fill(whole_));
    Copy();
    auto store = Store::Open(Options(broken_));
    ASSERT_TRUE(store.ok()) << store.status();
    rows_ = ReadAll(**store, {}).rows;
    ASSERT_EQ(rows_.size(), 45u * 12);
  }
  void Copy() {
    std::filesystem::remove_all(broken_);
    std::filesystem::copy(whole_, broken_, std::filesystem::copy_options::recursive);
  }
  // The file and bit, for messages.
  std::string Flip(const std::string& name, std::mt19937* random) {
    const std::string path = broken_ + "/" + name;
    std::string bytes = *ReadWholeFile(path);
    const size_t at = (*random)() % bytes.size();
    const int bit = static_cast<int>((*random)() % 8);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    EXPECT_TRUE(WriteFileAtomically(path, bytes).ok());
    return fmt::format("{} byte {} of {} bit {}", name, at, bytes.size(), bit);
  }

  TempDir dir_;
  const std::string whole_ = dir_.path() + "/whole";
  const std::string broken_ = dir_.path() + "/broken";
  std::vector<std::string> rows_;
};

TEST_F(DamageTest, AFlippedBitCostsABlockAtMostAndIsNamed) {
  std::mt19937 random(std::random_device{}());
  const std::vector<std::string> files = FilesOf(whole_);
  std::set<std::string> kinds;
  for (int round = 0; round < 120; ++round) {
    // Each file in turn, however small.
    const std::string& name = files[static_cast<size_t>(round) % files.size()];
    kinds.insert(std::filesystem::path(name).extension().string());
    Copy();
    const std::string what = Flip(name, &random);
    uint64_t known = 0;  // damage that was told of
    ReadResult got;
    for (int start = 0; start < 2; ++start) {
      auto store = Store::Open(Options(broken_));
      ASSERT_TRUE(store.ok()) << what << ": " << store.status();
      const auto selection = (*store)->Select("t", {}, {});
      if (selection.status().code() == absl::StatusCode::kDataLoss) {
        // Damage of the index that shows when it is read: the next start cures it.
        ASSERT_EQ(start, 0) << what << ": " << selection.status();
        continue;
      }
      ASSERT_TRUE(selection.ok()) << what << ": " << selection.status();
      got = ReadAll(**store, {});
      known = got.damaged_blocks + (*store)->Stats().damaged_log_bytes + (*store)->Stats().torn_wal_bytes +
              (*store)->Stats().lost_segment_bytes;
      break;
    }
    EXPECT_TRUE(std::includes(rows_.begin(), rows_.end(), got.rows.begin(), got.rows.end()))
        << what << ": lines that never were";
    EXPECT_GE(got.rows.size() + kMostRowsOfBlock, rows_.size()) << what;
    EXPECT_TRUE(got.rows.size() == rows_.size() || known > 0) << what << ": nobody was told";
  }
  EXPECT_GE(kinds.size(), 4u);
}

TEST_F(DamageTest, FsckFindsNothingInASoundDirectory) {
  Copy();
  std::string said;
  for (const bool repair : {false, true}) {
    const auto report = Fsck(broken_, repair, [&](const std::string& line) { said += line + "\n"; });
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->problems, 0u) << said;
    EXPECT_EQ(report->repaired, 0u) << said;
    EXPECT_EQ(report->rows, 40u * 12);
    EXPECT_GE(report->segments, 3u);
    EXPECT_GE(report->log_records, 5u);
  }
}

TEST_F(DamageTest, FsckRepairs) {
  std::mt19937 random(std::random_device{}());
  std::vector<std::string> files = FilesOf(whole_);
  std::erase_if(files, [](const std::string& name) { return name.starts_with("wal/"); });
  int found = 0;
  for (int round = 0; round < 40; ++round) {
    Copy();
    const std::string what = Flip(files[static_cast<size_t>(round) % files.size()], &random);
    std::string said;
    const auto tell = [&](const std::string& line) { said += line + "\n"; };
    const auto check = Fsck(broken_, false, tell);
    ASSERT_TRUE(check.ok()) << what << ": " << check.status();
    found += check->problems > 0 ? 1 : 0;
    const auto repair = Fsck(broken_, true, tell);
    ASSERT_TRUE(repair.ok()) << what << ": " << repair.status();
    EXPECT_EQ(repair->problems > 0, repair->repaired > 0) << what << "\n" << said;
    EXPECT_GE(repair->problems, check->problems) << what << "\n" << said;
    const auto again = Fsck(broken_, false, tell);
    ASSERT_TRUE(again.ok()) << what << ": " << again.status();
    EXPECT_EQ(again->problems, 0u) << what << "\n" << said;
    auto store = Store::Open(Options(broken_));
    ASSERT_TRUE(store.ok()) << what << ": " << store.status();
    const ReadResult got = ReadAll(**store, {});
    EXPECT_EQ(got.damaged_blocks, 0u) << what;
    EXPECT_TRUE(std::includes(rows_.begin(), rows_.end(), got.rows.begin(), got.rows.end())) << what;
    EXPECT_GE(got.rows.size() + kMostRowsOfBlock, rows_.size()) << what << "\n" << said;
  }
  EXPECT_GT(found, 20);
}

TEST_F(DamageTest, FsckLeavesADirectoryInUseAlone) {
  Copy();
  auto store = Store::Open(Options(broken_));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(Fsck(broken_, true, [](const std::string&) {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const auto second = Store::Open(Options(broken_));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find("another process is using this directory"), std::string::npos);
}

}  // namespace
}  // namespace skald
