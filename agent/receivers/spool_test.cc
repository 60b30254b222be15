#include "agent/receivers/spool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>

#include "agent/testing/test_directory.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;

std::vector<SpoolStream> OneLine(const std::string& line) {
  SpoolStream stream;
  stream.labels = Labels{{"job", "test"}};
  SpoolEntry entry;
  entry.time_ns = 1'000;
  entry.line = line;
  stream.entries.push_back(entry);
  return {stream};
}

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() { options_.directory = TestDirectory("spool"); }
  ~SpoolTest() override { fs::remove_all(options_.directory); }

  // Until it is synced.
  static absl::Status Put(Spool* spool, const std::string& line) {
    std::mutex mu;
    std::condition_variable cv;
    std::optional<absl::Status> result;
    const absl::Status taken = spool->Append("job", OneLine(line), [&](const absl::Status& status) {
      const std::lock_guard<std::mutex> lock(mu);
      result = status;
      cv.notify_all();
    });
    if (!taken.ok()) return taken;
    std::unique_lock<std::mutex> lock(mu);
    cv.wait(lock, [&] { return result.has_value(); });
    return *result;
  }
  static std::vector<std::string> Lines(SpoolReader* reader) {
    std::vector<std::string> lines;
    SpoolRecord record;
    while (reader->Next(&record)) {
      for (const SpoolStream& stream : record.streams) {
        for (const SpoolEntry& entry : stream.entries) lines.push_back(entry.line);
      }
    }
    return lines;
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(options_.directory)) files.push_back(file.path());
    std::sort(files.begin(), files.end());
    return files;
  }

  SpoolOptions options_;
};

TEST_F(SpoolTest, RecordsComeOutAsTheyWentIn) {
  SpoolStream first;
  first.labels = Labels{{"a", "1"}, {"b", "two"}};
  first.entries = {{-5, "one", 0, -1, {}},
                   {INT64_MAX, std::string("\0\xff", 2), 7, 3, {{"k", "v"}, {"l", ""}}}};
  SpoolStream second;
  second.entries = {{INT64_MIN, "", 0, 7, {}}};
  const std::vector<std::string> payloads = EncodeSpoolPayloads("job", {first, second});
  ASSERT_EQ(payloads.size(), 1U);
  SpoolRecord record;
  ASSERT_TRUE(DecodeSpoolPayload(payloads[0], &record));
  EXPECT_EQ(record.source, "job");
  ASSERT_EQ(record.streams.size(), 2U);
  EXPECT_EQ(record.streams[0].labels, first.labels);
  ASSERT_EQ(record.streams[0].entries.size(), 2U);
  EXPECT_EQ(record.streams[0].entries[0].time_ns, -5);
  const SpoolEntry& entry = record.streams[0].entries[1];
  EXPECT_EQ(entry.time_ns, INT64_MAX);
  EXPECT_EQ(entry.line, first.entries[1].line);
  EXPECT_EQ(entry.cut_bytes, 7U);
  EXPECT_EQ(entry.severity, 3);
  EXPECT_EQ(entry.metadata, first.entries[1].metadata);
  EXPECT_EQ(record.streams[1].entries[0].time_ns, INT64_MIN);
  EXPECT_EQ(record.lines(), 3U);
  for (size_t cut = 0; cut < payloads[0].size(); ++cut)
    EXPECT_FALSE(DecodeSpoolPayload(payloads[0].substr(0, cut), &record)) << cut;
}

TEST_F(SpoolTest, LongPushesBecomeSeveralRecords) {
  SpoolStream stream;
  for (int i = 0; i < 100; ++i) stream.entries.push_back({i, std::string(100, 'x'), 0, -1, {}});
  const std::vector<std::string> payloads = EncodeSpoolPayloads("job", {stream}, 1000);
  EXPECT_GT(payloads.size(), 9U);
  uint64_t lines = 0;
  int64_t next_ns = 0;
  for (const std::string& payload : payloads) {
    EXPECT_LT(payload.size(), 1300U);
    SpoolRecord record;
    ASSERT_TRUE(DecodeSpoolPayload(payload, &record));
    lines += record.lines();
    for (const SpoolEntry& entry : record.streams[0].entries) EXPECT_EQ(entry.time_ns, next_ns++);
  }
  EXPECT_EQ(lines, 100U);
}

TEST_F(SpoolTest, StaysUntilEveryEndHasIt) {
  options_.max_bytes = 64 << 10;
  options_.segment_bytes = 4096;
  const auto spool = Spool::Open(options_);
  std::atomic<int> wakes{0};
  const auto fast = spool->AddReader(0, 0, [&] { ++wakes; });
  const auto slow = spool->AddReader(0, 0, [] {});
  EXPECT_FALSE(fast->ready());
  std::vector<std::string> want;
  for (int i = 0; i < 100; ++i) {
    want.push_back(std::to_string(i) + std::string(100, 'x'));
    ASSERT_TRUE(Put(spool.get(), want.back()).ok());
  }
  EXPECT_GE(wakes.load(), 100);
  EXPECT_TRUE(fast->ready());
  EXPECT_EQ(Lines(fast.get()), want);
  EXPECT_FALSE(fast->ready());
  const uint64_t all = spool->stats().segments;
  EXPECT_GT(all, 2U);
  fast->Commit(fast->position());
  EXPECT_EQ(spool->stats().segments, all);
  EXPECT_FALSE(spool->AllCommitted());
  EXPECT_EQ(Lines(slow.get()), want);
  slow->Commit(slow->position());
  EXPECT_TRUE(spool->AllCommitted());
  EXPECT_EQ(spool->stats().segments, 1U);
  EXPECT_EQ(Files().size(), 1U);
}

TEST_F(SpoolTest, AnEndThatGoesIsNotWokenAndMayComeBack) {
  options_.max_bytes = 64 << 10;
  options_.segment_bytes = 4096;
  const auto spool = Spool::Open(options_);
  const auto stays = spool->AddReader(0, 0, [] {});
  std::atomic<int> wakes{0};
  auto goes = spool->AddReader(0, 0, [&] { ++wakes; });
  ASSERT_TRUE(Put(spool.get(), "first").ok());
  goes.reset();
  const int before = wakes;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put(spool.get(), std::string(100, 'x')).ok());
  EXPECT_EQ(wakes, before);
  EXPECT_EQ(Lines(stays.get()).size(), 101U);
  stays->Commit(stays->position());
  const auto back = spool->AddReader(0, 0, [] {});
  EXPECT_EQ(Lines(back.get()).size(), 101U);
}

TEST_F(SpoolTest, FullSpoolMakesSendersWait) {
  options_.max_bytes = 16 << 10;
  const auto spool = Spool::Open(options_);
  const auto reader = spool->AddReader(0, 0, [] {});
  std::vector<std::string> taken;
  absl::Status status;
  while (true) {
    const std::string line = std::to_string(taken.size()) + std::string(500, 'x');
    status = Put(spool.get(), line);
    if (!status.ok()) break;
    taken.push_back(line);
    ASSERT_LT(taken.size(), 100U);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_LE(spool->stats().bytes, options_.max_bytes);
  EXPECT_EQ(spool->stats().full_lines, 0U);
  EXPECT_EQ(Lines(reader.get()), taken);
  reader->Commit(reader->position());
  EXPECT_TRUE(Put(spool.get(), "room").ok());
  EXPECT_EQ(Lines(reader.get()), std::vector<std::string>{"room"});
}

TEST_F(SpoolTest, FullSpoolThrowsAwayByRuleAndCounts) {
  for (const auto rule : {SpoolOptions::WhenFull::kDropNewest, SpoolOptions::WhenFull::kDropOldest}) {
    options_.max_bytes = 16 << 10;
    options_.when_full = rule;
    fs::remove_all(options_.directory);
    const auto spool = Spool::Open(options_);
    const auto reader = spool->AddReader(0, 0, [] {});
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(Put(spool.get(), std::to_string(1000 + i) + std::string(500, 'x')).ok());
    const SpoolStats stats = spool->stats();
    EXPECT_LE(stats.bytes, options_.max_bytes);
    EXPECT_GT(stats.full_lines, 50U);
    EXPECT_EQ(stats.full_bytes, stats.full_lines * 504);
    const std::vector<std::string> lines = Lines(reader.get());
    EXPECT_EQ(lines.size() + stats.full_lines, 100U);
    const bool oldest = rule == SpoolOptions::WhenFull::kDropOldest;
    EXPECT_EQ(lines.front().starts_with("1000"), !oldest);
    EXPECT_EQ(lines.back().starts_with("1099"), oldest);
  }
}

TEST_F(SpoolTest, GoesOnAfterARestart) {
  uint64_t committed = 0;
  for (int run = 0; run < 5; ++run) {
    const auto spool = Spool::Open(options_);
    const auto reader = spool->AddReader(committed, committed, [] {});
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(Put(spool.get(), std::to_string(run * 3 + i)).ok());
    SpoolRecord record;
    // Two of three are acknowledged.
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(reader->Next(&record));
      EXPECT_EQ(record.streams[0].entries[0].line, std::to_string(run * 2 + i));
    }
    committed = reader->position();
    reader->Commit(committed);
  }
}

TEST_F(SpoolTest, PositionOutlivesTheFiles) {
  {
    const auto spool = Spool::Open(options_);
    spool->AddReader(0, 0, [] {});
    ASSERT_TRUE(Put(spool.get(), "gone").ok());
  }
  fs::remove_all(options_.directory);
  const auto spool = Spool::Open(options_);
  const auto reader = spool->AddReader(70, 75, [] {});
  ASSERT_TRUE(Put(spool.get(), "new").ok());
  EXPECT_EQ(Lines(reader.get()), std::vector<std::string>{"new"});
  EXPECT_GT(reader->position(), 75U);
}

// Whatever bytes change: it starts, and gives all records that are whole.
TEST_F(SpoolTest, DamageIsSteppedOver) {
  std::mt19937 random(7);
  options_.max_bytes = 64 << 10;
  options_.segment_bytes = 4096;
  std::vector<std::string> want;
  {
    const auto spool = Spool::Open(options_);
    spool->AddReader(0, 0, [] {});
    for (int i = 0; i < 60; ++i) {
      want.push_back(std::to_string(i) + std::string(150, 'y'));
      ASSERT_TRUE(Put(spool.get(), want.back()).ok());
    }
  }
  const std::string whole = options_.directory + ".whole";
  fs::remove_all(whole);
  fs::copy(options_.directory, whole);
  for (int round = 0; round < 300; ++round) {
    fs::remove_all(options_.directory);
    fs::copy(whole, options_.directory);
    const std::vector<fs::path> files = Files();
    const fs::path file = files[random() % files.size()];
    const auto size = static_cast<std::streamoff>(fs::file_size(file));
    const std::streamoff at = static_cast<std::streamoff>(random()) % size;
    const int kind = static_cast<int>(random() % 3);
    if (kind == 0) {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(at);
      const char byte = static_cast<char>(stream.get());
      stream.seekp(at);
      stream.put(static_cast<char>(byte ^ static_cast<char>(1 << random() % 8)));
    } else if (kind == 1) {
      fs::resize_file(file, static_cast<uintmax_t>(at));
    } else {
      std::ofstream(file, std::ios::app | std::ios::binary) << "SKSPgarbage";
    }
    const auto spool = Spool::Open(options_);
    const auto reader = spool->AddReader(0, 0, [] {});
    ASSERT_TRUE(Put(spool.get(), "after").ok());
    const std::vector<std::string> lines = Lines(reader.get());
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines.back(), "after");
    // In order, none twice, and of one flipped byte no more than one is missing.
    size_t from = 0;
    for (size_t i = 0; i + 1 < lines.size(); ++i) {
      while (from < want.size() && want[from] != lines[i]) ++from;
      ASSERT_LT(from++, want.size()) << "round " << round;
    }
    if (kind == 0) {
      EXPECT_GE(lines.size(), want.size()) << "round " << round;
    }
    if (kind == 2) {
      EXPECT_EQ(lines.size(), want.size() + 1) << "round " << round;
    }
    if (lines.size() < want.size() + 1 && kind == 0) {
      EXPECT_GT(spool->stats().corrupt_bytes, 0U);
    }
    EXPECT_FALSE(reader->ready());
  }
  fs::remove_all(whole);
}

TEST_F(SpoolTest, FullDiskRefusesAndRecovers) {
  options_.directory = "/dev/full/spool";  // no directory can be made there
  {
    const auto spool = Spool::Open(options_);
    spool->AddReader(0, 0, [] {});
    EXPECT_FALSE(Put(spool.get(), "x").ok());
    EXPECT_GT(spool->stats().write_errors, 0U);
  }
  // A file where the directory should be, and then the directory.
  options_.directory = TestDirectory("spool");
  std::ofstream(options_.directory) << "in the way";
  const auto spool = Spool::Open(options_);
  const auto reader = spool->AddReader(0, 0, [] {});
  ASSERT_TRUE(spool->Append("job", OneLine("kept in memory")).ok());
  EXPECT_FALSE(Put(spool.get(), "told").ok());
  fs::remove(options_.directory);
  for (int i = 0; i < 1000 && !reader->ready(); ++i) ::usleep(20'000);
  EXPECT_EQ(Lines(reader.get()), std::vector<std::string>{"kept in memory"});
}

// A process that is killed at any moment has kept what it said it had.
TEST_F(SpoolTest, KillKeepsWhatWasAcknowledged) {
  std::mt19937 random(11);
  options_.segment_bytes = 16 << 10;
  uint64_t next = 0;
  std::vector<uint64_t> acknowledged;
  for (int round = 0; round < 20; ++round) {
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto spool = Spool::Open(options_);
      spool->AddReader(0, 0, [] {});
      for (uint64_t i = next; i < next + 100'000; ++i) {
        if (!Put(spool.get(), std::to_string(i)).ok()) ::_exit(1);
        if (::write(pipe_fds[1], &i, sizeof(i)) != sizeof(i)) ::_exit(2);
      }
      ::_exit(0);
    }
    ::close(pipe_fds[1]);
    const uint64_t wanted = 1 + random() % 50;
    uint64_t number = 0;
    for (uint64_t i = 0; i < wanted; ++i) {
      ASSERT_EQ(::read(pipe_fds[0], &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)));
      acknowledged.push_back(number);
    }
    ::usleep(random() % 2000);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (::read(pipe_fds[0], &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number)))
      acknowledged.push_back(number);
    ::close(pipe_fds[0]);
    next = acknowledged.back() + 1'000;
  }
  const auto spool = Spool::Open(options_);
  const std::vector<std::string> lines = Lines(spool->AddReader(0, 0, [] {}).get());
  size_t at = 0;
  for (const uint64_t number : acknowledged) {
    while (at < lines.size() && lines[at] != std::to_string(number)) ++at;
    ASSERT_LT(at++, lines.size()) << number << " is gone";
  }
}

}  // namespace
}  // namespace skald::agent
