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

#include "storage/testing/store_fixture.h"
#include "storage/testing/temp_dir.h"

extern char** environ;

namespace skald {
namespace {

constexpr int kAgents = 2;
constexpr uint64_t kBatches = 60;
constexpr int64_t kDayNs = 24 * 60 * 60 * kNsPerSecond;

StoreOptions Options(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.shards = 2;
  options.block_text_bytes = 2048;
  options.head_memory_bytes = 64 << 10;
  options.wal_file_bytes = 8 << 10;
  return options;
}

AppendBatch BatchOf(int agent, uint64_t sequence) {
  AppendBatch batch;
  batch.tenant = "t";
  batch.agent_id = "agent" + std::to_string(agent);
  batch.sequence = BatchSeq{sequence};
  for (uint64_t s = 0; s < 3; ++s) {
    std::vector<TestLine> lines;
    for (int64_t i = 0; i < 3; ++i) {
      lines.push_back(
          {static_cast<int64_t>(20'000 + sequence % 2) * kDayNs + static_cast<int64_t>(sequence) * 100 + i,
           fmt::format("agent {} sequence {} stream {} line {}", agent, sequence, s, i)});
    }
    batch.streams.push_back({{{"app", std::to_string((sequence + s) % 5)}}, MakeRows(std::move(lines)), ""});
  }
  return batch;
}

int Work(const std::string& directory, const std::string& journal, WalSync sync) {
  WatchDirectory(directory, journal);
  StoreOptions options = Options(directory);
  options.wal_sync = sync;
  auto store = Store::Open(options);
  if (!store.ok()) return 3;
  std::atomic<int> left{kAgents};
  std::vector<std::thread> agents;
  for (int agent = 0; agent < kAgents; ++agent) {
    agents.emplace_back([&, agent] {
      for (uint64_t sequence = 1; sequence <= kBatches; ++sequence) {
        if (!(*store)->AppendAndWait(BatchOf(agent, sequence)).ok()) ::_exit(4);
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

class PowerLossTest : public ::testing::Test {
 protected:
  void Run(const std::string& sync) {
    std::vector<std::string> args{"/proc/self/exe", "--work=" + dir_.path() + "/data",
                                  "--journal=" + journal_, "--sync=" + sync};
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    ASSERT_EQ(::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  TempDir dir_;
  const std::string journal_ = dir_.path() + "/journal";
  const std::string cut_ = dir_.path() + "/cut";
};

// The test can fail: without a sync, batches that were acknowledged are missing after some cut.
TEST_F(PowerLossTest, WithoutSyncLinesAreLost) {
  ASSERT_NO_FATAL_FAILURE(Run("off"));
  const size_t entries = JournalSize(journal_);
  std::mt19937 random(1);
  bool lost = false;
  for (int i = 0; i < 40 && !lost; ++i) {
    std::filesystem::remove_all(cut_);
    std::map<uint64_t, uint64_t> acknowledged;
    for (const JournalNote& note : MakeCutDirectory(journal_, random() % entries, cut_, &random))
      acknowledged[note.a] = std::max(acknowledged[note.a], note.b);
    auto store = Store::Open(Options(cut_));
    ASSERT_TRUE(store.ok()) << store.status();
    for (const auto& [agent, sequence] : acknowledged)
      lost = lost || Raw((*store)->LastSequence("t", "agent" + std::to_string(agent))) < sequence;
  }
  EXPECT_TRUE(lost);
}

TEST_F(PowerLossTest, WhatWasAcknowledgedIsThere) {
  ASSERT_NO_FATAL_FAILURE(Run("always"));
  const size_t entries = JournalSize(journal_);
  ASSERT_GT(entries, 500u);
  const uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  constexpr int kCuts = 60;
  size_t rows = 0;
  for (int i = 0; i <= kCuts; ++i) {
    const size_t cut = i == kCuts ? entries : random() % entries;
    const std::string when = fmt::format("cut at {} of {}, seed {}", cut, entries, seed);
    std::filesystem::remove_all(cut_);
    std::map<uint64_t, uint64_t> acknowledged;
    for (const JournalNote& note : MakeCutDirectory(journal_, cut, cut_, &random))
      acknowledged[note.a] = std::max(acknowledged[note.a], note.b);
    auto store = Store::Open(Options(cut_));
    ASSERT_TRUE(store.ok()) << when << ": " << store.status();
    std::vector<std::string> want;
    for (int agent = 0; agent < kAgents; ++agent) {
      const uint64_t last = Raw((*store)->LastSequence("t", "agent" + std::to_string(agent)));
      ASSERT_GE(last, acknowledged[static_cast<uint64_t>(agent)]) << when;
      for (uint64_t sequence = 1; sequence <= last; ++sequence) {
        const AppendBatch batch = BatchOf(agent, sequence);
        for (const StreamRows& stream : batch.streams) {
          for (size_t row = 0; row < stream.rows->size(); ++row) {
            want.push_back(fmt::format("{} {} {}", stream.rows->time_ns[row], stream.labels.ToString(),
                                       stream.rows->line(row)));
          }
        }
      }
    }
    std::sort(want.begin(), want.end());
    const ReadResult got = ReadAll(**store, {});
    ASSERT_EQ(got.rows, want) << when;
    ASSERT_EQ(got.damaged_blocks, 0u) << when;
    rows += got.rows.size();
  }
  std::printf("%d cuts of %zu entries, %zu rows read\n", kCuts, entries, rows);
}

}  // namespace
}  // namespace skald

int main(int argc, char** argv) {
  std::string work, journal, sync;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg.starts_with("--work=")) work = arg.substr(7);
    if (arg.starts_with("--sync=")) sync = arg.substr(7);
    if (arg.starts_with("--journal=")) journal = arg.substr(10);
  }
  if (!work.empty()) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    return skald::Work(work, journal, sync == "off" ? skald::WalSync::kOff : skald::WalSync::kAlways);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
