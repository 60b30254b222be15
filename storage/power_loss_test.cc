// Cuts the power of a store that appends, flushes and compacts, at many moments of one run, and checks what a
// new one finds: each acknowledged batch exactly once, and nothing of a batch that is not whole.

#include "storage/testing/power_loss.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "base/testing/temp_dir.h"
#include "storage/testing/known_batches.h"

extern char** environ;

namespace skald {
namespace {

constexpr int kAgents = 2;
constexpr uint64_t kBatches = 60;

int Work(const std::string& directory, const std::string& journal, WalSync sync) {
  WatchDirectory(directory, journal);
  StoreOptions options = SmallStore(directory);
  options.wal_sync = sync;
  auto store = Store::Open(options);
  if (!store.ok()) return 3;
  std::atomic<int> left{kAgents};
  std::vector<std::thread> agents;
  for (int agent = 0; agent < kAgents; ++agent) {
    agents.emplace_back([&, agent] {
      for (uint64_t sequence = 1; sequence <= kBatches; ++sequence) {
        if (!(*store)->AppendAndWait(KnownBatch(agent, sequence)).ok()) ::_exit(4);
        NoteInJournal(static_cast<uint64_t>(agent), sequence);
      }
      --left;
    });
  }
  while (left > 0) {
    if (!(*store)->Flush().ok()) ::_exit(5);
    if (!(*store)->Compact().ok()) ::_exit(6);
  }
  for (std::thread& agent : agents) agent.join();
  if (!(*store)->Flush().ok() || !(*store)->Compact().ok()) ::_exit(7);
  ::_exit(0);
}

// Starts on what a cut has left, and writes all of it out.
int Recover(const std::string& directory, const std::string& journal) {
  WatchDirectory(directory, journal);
  auto store = Store::Open(SmallStore(directory));
  if (!store.ok()) return 3;
  if (!(*store)->Flush().ok() || !(*store)->Compact().ok()) return 5;
  ::_exit(0);
}

using Acknowledged = std::map<uint64_t, uint64_t>;  // agent -> last sequence

class PowerLossTest : public ::testing::Test {
 protected:
  // This program again, watched.
  void Run(std::vector<std::string> args) {
    args.insert(args.begin(), "/proc/self/exe");
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    ASSERT_EQ(::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  void Work(const std::string& sync) {
    Run({"--work=" + dir_.path() + "/data", "--journal=" + journal_, "--sync=" + sync});
  }
  // The disk after a cut of the work, and what was acknowledged before it.
  Acknowledged Cut(size_t entry) {
    std::filesystem::remove_all(cut_);
    Acknowledged out;
    for (const JournalNote& note : MakeCutDirectory(journal_, entry, cut_, &random_))
      out[note.a] = std::max(out[note.a], note.b);
    return out;
  }
  // Whole batches up to one that is not before the acknowledged one, and nothing else.
  void Check(const std::string& directory, Acknowledged acknowledged, const std::string& when) {
    auto store = Store::Open(SmallStore(directory));
    ASSERT_TRUE(store.ok()) << when << ": " << store.status();
    std::vector<std::string> want;
    for (int agent = 0; agent < kAgents; ++agent) {
      const uint64_t last = Raw((*store)->LastSequence("t", "agent" + std::to_string(agent)));
      ASSERT_GE(last, acknowledged[static_cast<uint64_t>(agent)]) << when;
      const std::vector<std::string> rows = KnownRows(agent, last);
      want.insert(want.end(), rows.begin(), rows.end());
    }
    std::sort(want.begin(), want.end());
    const ReadResult got = ReadAll(**store, {});
    ASSERT_EQ(got.rows, want) << when;
    ASSERT_EQ(got.damaged_blocks, 0u) << when;
    rows_ += got.rows.size();
  }

  TempDir dir_;
  const std::string journal_ = dir_.path() + "/journal";
  const std::string cut_ = dir_.path() + "/cut";
  const uint32_t seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
  size_t rows_ = 0;
};

// The test can fail: without a sync, batches that were acknowledged are missing after some cut.
TEST_F(PowerLossTest, WithoutSyncLinesAreLost) {
  ASSERT_NO_FATAL_FAILURE(Work("off"));
  const size_t entries = JournalSize(journal_);
  random_.seed(1);
  bool lost = false;
  for (int i = 0; i < 40 && !lost; ++i) {
    const Acknowledged acknowledged = Cut(random_() % entries);
    auto store = Store::Open(SmallStore(cut_));
    ASSERT_TRUE(store.ok()) << store.status();
    for (const auto& [agent, sequence] : acknowledged)
      lost = lost || Raw((*store)->LastSequence("t", "agent" + std::to_string(agent))) < sequence;
  }
  EXPECT_TRUE(lost);
}

TEST_F(PowerLossTest, WhatWasAcknowledgedIsThere) {
  ASSERT_NO_FATAL_FAILURE(Work("always"));
  const size_t entries = JournalSize(journal_);
  ASSERT_GT(entries, 500u);
  constexpr int kCuts = 60;
  for (int i = 0; i <= kCuts; ++i) {
    const size_t entry = i == kCuts ? entries : random_() % entries;
    const Acknowledged acknowledged = Cut(entry);
    ASSERT_NO_FATAL_FAILURE(
        Check(cut_, acknowledged, fmt::format("cut at {} of {}, seed {}", entry, entries, seed_)));
  }
  std::printf("%d cuts of %zu entries, %zu rows read\n", kCuts, entries, rows_);
}

// The power goes again while the store starts on what the first cut has left.
TEST_F(PowerLossTest, ARecoveryThatIsCutLosesNothing) {
  ASSERT_NO_FATAL_FAILURE(Work("always"));
  const size_t entries = JournalSize(journal_);
  const std::string second_journal = dir_.path() + "/journal2";
  const std::string second_cut = dir_.path() + "/cut2";
  size_t cuts = 0;
  for (int i = 0; i < 8; ++i) {
    const size_t first = random_() % entries;
    const Acknowledged acknowledged = Cut(first);
    std::filesystem::remove(second_journal);
    ASSERT_NO_FATAL_FAILURE(Run({"--recover=" + cut_, "--journal=" + second_journal}));
    const size_t begin = JournalBase(second_journal);
    const size_t end = JournalSize(second_journal);
    ASSERT_GT(end, begin + 10);
    for (int k = 0; k <= 8; ++k, ++cuts) {
      const size_t second = k == 8 ? end : begin + random_() % (end - begin);
      std::filesystem::remove_all(second_cut);
      (void)MakeCutDirectory(second_journal, second, second_cut, &random_);
      ASSERT_NO_FATAL_FAILURE(Check(second_cut, acknowledged,
                                    fmt::format("cut at {} of {}, then at {} in {} to {}, seed {}", first,
                                                entries, second, begin, end, seed_)));
    }
  }
  std::printf("%zu cuts of recoveries, %zu rows read\n", cuts, rows_);
}

}  // namespace
}  // namespace skald

int main(int argc, char** argv) {
  std::string work, recover, journal, sync;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.starts_with("--work=")) work = arg.substr(7);
    if (arg.starts_with("--recover=")) recover = arg.substr(10);
    if (arg.starts_with("--sync=")) sync = arg.substr(7);
    if (arg.starts_with("--journal=")) journal = arg.substr(10);
  }
  if (!work.empty() || !recover.empty()) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!recover.empty()) return skald::Recover(recover, journal);
    return skald::Work(work, journal, sync == "off" ? skald::WalSync::kOff : skald::WalSync::kAlways);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
