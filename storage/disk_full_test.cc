// A disk that fills up: lines are refused so that senders try again, questions go on, and lines are taken
// again as soon as there is room. On a small file system of its own where one may be mounted, otherwise with
// a limit on the size of files. And a memory budget that others have used up.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/memory_budget.h"
#include "base/testing/temp_dir.h"
#include "storage/testing/store_fixture.h"

namespace skald {
namespace {

constexpr int64_t kBaseNs = 20'000LL * 24 * 60 * 60 * kNsPerSecond;

bool MayComeAgain(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kUnavailable;
}

class DiskFullTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(disk_);
    mounted_ = ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=32m") == 0;
    if (!mounted_) {
      ::signal(SIGXFSZ, SIG_IGN);
      ::getrlimit(RLIMIT_FSIZE, &before_);
      Limit(4 << 20);
    }
  }
  void TearDown() override {
    store_ = nullptr;
    ClearFailpoints();
    if (mounted_) {
      ::umount2(disk_.c_str(), MNT_DETACH);
    } else {
      ::setrlimit(RLIMIT_FSIZE, &before_);
    }
  }
  void Limit(rlim_t bytes) {
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  void Open(double reserved) {
    StoreOptions options;
    options.directory = disk_ + "/data";
    options.shards = 2;
    options.head_memory_bytes = 2 << 20;
    options.wal_file_bytes = mounted_ ? 4 << 20 : 64 << 20;
    options.reserved_disk = reserved;
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // Noise, which nothing makes smaller.
  absl::Status Append() {
    std::vector<TestLine> lines;
    for (int i = 0; i < 100; ++i) {
      std::string line = fmt::format("{} ", ++n_);
      for (int k = 0; k < 2000; ++k) line += static_cast<char>('!' + random_() % 90);
      lines.push_back({kBaseNs + n_, std::move(line)});
    }
    absl::Status status =
        store_->AppendAndWait(MakeBatch({{"app", std::to_string(n_ / 100 % 3)}}, std::move(lines)));
    if (status.ok()) stored_ += 100;
    return status;
  }
  void Fill() {
    absl::Status status;
    for (int i = 0; i < 2000 && status.ok(); ++i) status = Append();
    ASSERT_FALSE(status.ok()) << "the disk never got full";
    EXPECT_TRUE(MayComeAgain(status)) << status;
  }
  void MakeRoom() {
    if (mounted_) {
      std::filesystem::remove(disk_ + "/others");
    } else {
      Limit(RLIM_INFINITY);
    }
  }
  size_t Rows() {
    const ReadResult got = ReadAll(*store_, {});
    EXPECT_EQ(got.damaged_blocks, 0u);
    return got.rows.size();
  }
  void Check() {
    // Somebody else's file takes a part of the disk, until it does not.
    if (mounted_) {
      std::string filler(size_t{12} << 20, 'x');
      ASSERT_TRUE(WriteFileAtomically(disk_ + "/others", filler).ok());
    }
    ASSERT_NO_FATAL_FAILURE(Fill());
    EXPECT_EQ(Rows(), stored_) << "questions go on, and what was refused is not there";
    for (int i = 0; i < 3; ++i) {
      const absl::Status again = Append();
      EXPECT_TRUE(again.ok() || MayComeAgain(again)) << again;
    }
    MakeRoom();
    absl::Status status = Unavailable("not tried");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!status.ok() && std::chrono::steady_clock::now() < deadline) {
      status = Append();
      ASSERT_TRUE(status.ok() || MayComeAgain(status)) << status;
      if (!status.ok()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Rows(), stored_);
    while (!(status = store_->Flush()).ok() && std::chrono::steady_clock::now() < deadline) {
      ASSERT_TRUE(MayComeAgain(status)) << status;
    }
    ASSERT_TRUE(status.ok()) << status;
    store_ = nullptr;
    Open(0);
    EXPECT_EQ(Rows(), stored_);
  }

  static absl::Status Unavailable(const char* text) { return absl::UnavailableError(text); }

  TempDir dir_;
  const std::string disk_ = dir_.path() + "/disk";
  bool mounted_ = false;
  rlimit before_{};
  std::unique_ptr<Store> store_;
  std::mt19937 random_{1};
  int n_ = 0;
  size_t stored_ = 0;
};

TEST_F(DiskFullTest, WritesThatFailAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Open(0));
  Check();
}

TEST_F(DiskFullTest, APartOfTheDiskIsReserved) {
  if (!mounted_) GTEST_SKIP() << "needs a file system of its own";
  ASSERT_NO_FATAL_FAILURE(Open(0.2));
  Check();
}

TEST(MemoryCeilingTest, LinesWaitForMemoryAndAreRefusedWithoutIt) {
  TempDir dir;
  MemoryBudget memory("the process", 4 << 20);
  StoreOptions options;
  options.directory = dir.path() + "/data";
  options.shards = 1;
  options.memory = &memory;
  auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  int n = 0;
  std::mt19937 random(1);
  const auto append = [&] {
    std::vector<TestLine> lines;
    for (int i = 0; i < 100; ++i) {
      std::string line;
      for (int k = 0; k < 2000; ++k) line += static_cast<char>('!' + random() % 90);
      lines.push_back({kBaseNs + ++n, std::move(line)});
    }
    return (*store)->AppendAndWait(MakeBatch({{"app", "a"}}, std::move(lines)));
  };
  // Far more than the budget in all: heads are written out early.
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(append().ok());
  EXPECT_LE(memory.used(), memory.limit());
  EXPECT_GT((*store)->Stats().segments, 1u);
  // Others have it all.
  ASSERT_TRUE((*store)->Flush().ok());
  const int64_t rest = memory.limit() - memory.used();
  ASSERT_TRUE(memory.Reserve(rest).ok());
  EXPECT_EQ(append().code(), absl::StatusCode::kUnavailable);
  memory.Release(rest);
  EXPECT_TRUE(append().ok());
  store->reset();
  EXPECT_EQ(memory.used(), 0);
}

}  // namespace
}  // namespace skald
