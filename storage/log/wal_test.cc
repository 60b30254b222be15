#include "storage/log/wal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <sstream>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/testing/temp_dir.h"
#include "storage/filenames.h"
#include "storage/log/wal_record.h"

namespace skald {
namespace {

struct Seen {
  uint64_t lsn;
  std::string tenant, agent;
  uint64_t sequence;
  std::string body;
};

class WalTest : public ::testing::Test {
 protected:
  ~WalTest() override { ClearFailpoints(); }

  std::unique_ptr<Wal> Open(WalOptions options = {}) {
    options.directory = dir_.path();
    auto wal = Wal::Open(options, Lsn{0});
    EXPECT_TRUE(wal.ok()) << wal.status();
    seen_.clear();
    const absl::Status status = (*wal)->Replay([this](Lsn lsn, const LogEntry& entry) {
      seen_.push_back({Raw(lsn), entry.tenant, entry.agent_id, Raw(entry.sequence), entry.body});
    });
    EXPECT_TRUE(status.ok()) << status;
    (*wal)->Start();
    return std::move(*wal);
  }

  struct Answer {
    absl::Status status;
    LogOutcome outcome;
    uint64_t lsn;
  };
  static Answer Append(Wal* wal, std::string agent, uint64_t sequence, std::string body) {
    std::promise<Answer> done;
    wal->Append({"t", std::move(agent), BatchSeq{sequence}, std::move(body)},
                [&](absl::Status status, LogOutcome outcome, Lsn lsn) {
                  done.set_value({status, outcome, Raw(lsn)});
                });
    return done.get_future().get();
  }
  std::vector<std::string> Bodies() const {
    std::vector<std::string> bodies;
    for (const Seen& seen : seen_) bodies.push_back(seen.body);
    return bodies;
  }
  std::string FirstFile() const { return dir_.path() + "/" + ListDirectory(dir_.path())->front(); }
  std::string LastFile() const { return dir_.path() + "/" + ListDirectory(dir_.path())->back(); }
  static void Overwrite(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  TempDir dir_;
  std::vector<Seen> seen_;
};

TEST_F(WalTest, ReplaysWhatWasAcknowledgedInOrder) {
  {
    auto wal = Open();
    for (int i = 1; i <= 5; ++i)
      EXPECT_TRUE(Append(wal.get(), "a", i, "body" + std::to_string(i)).status.ok());
    EXPECT_GE(wal->Stats().syncs, 5u);
    EXPECT_EQ(wal->LastSequence("t", "a"), BatchSeq{5});
  }
  auto wal = Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"body1", "body2", "body3", "body4", "body5"}));
  EXPECT_EQ(seen_[4].lsn, 5u);
  EXPECT_EQ(seen_[4].tenant, "t");
  EXPECT_EQ(wal->LastSequence("t", "a"), BatchSeq{5});
  EXPECT_EQ(wal->LastSequence("other", "a"), BatchSeq{0});
  EXPECT_EQ(Append(wal.get(), "a", 6, "x").lsn, 6u);
}

TEST_F(WalTest, ResentBatchesAreRecognisedAlsoWhenTheirFilesAreGone) {
  WalOptions small;
  small.file_bytes = 200;
  {
    auto wal = Open(small);
    for (int i = 1; i <= 20; ++i) ASSERT_TRUE(Append(wal.get(), "a", i, std::string(100, 'x')).status.ok());
    EXPECT_EQ(Append(wal.get(), "a", 20, "again").outcome, LogOutcome::kResent);
    EXPECT_GT(wal->Stats().files, 5u);
    wal->Release(Lsn{20});
    EXPECT_EQ(wal->Stats().files, 1u);
  }
  auto wal = Open(small);
  EXPECT_LE(seen_.size(), 2u);
  EXPECT_EQ(wal->LastSequence("t", "a"), BatchSeq{20});
  EXPECT_EQ(Append(wal.get(), "a", 7, "again").outcome, LogOutcome::kResent);
  EXPECT_EQ(wal->Stats().resent, 1u);
  EXPECT_EQ(Append(wal.get(), "a", 21, "new").outcome, LogOutcome::kStored);
  EXPECT_EQ(Append(wal.get(), "", 7, "no sequence").outcome, LogOutcome::kStored);
  wal->Release(Lsn{21});
}

TEST_F(WalTest, TornTailIsCutAtEveryByte) {
  {
    auto wal = Open();
    for (int i = 1; i <= 4; ++i)
      ASSERT_TRUE(Append(wal.get(), "a", i, "body" + std::to_string(i)).status.ok());
  }
  const std::string path = FirstFile();
  const std::string whole = *ReadWholeFile(path);
  std::vector<uint64_t> ends;
  WalScanner scanner(whole);
  for (WalRecord record; scanner.Next(&record);) {
    if (record.type == WalRecordType::kBatch) ends.push_back(record.end);
  }
  ASSERT_EQ(ends.size(), 4u);
  for (size_t size = 0; size <= whole.size(); ++size) {
    std::filesystem::remove_all(dir_.path());
    std::filesystem::create_directories(dir_.path());
    Overwrite(path, whole.substr(0, size));
    const size_t want = std::count_if(ends.begin(), ends.end(), [&](uint64_t end) { return end <= size; });
    {
      auto wal = Open();
      ASSERT_EQ(seen_.size(), want) << "cut at " << size;
      ASSERT_EQ(wal->LastSequence("t", "a"), BatchSeq{want});
      ASSERT_TRUE(Append(wal.get(), "a", want + 1, "after").status.ok());
    }
    Open();
    ASSERT_EQ(seen_.size(), want + 1) << "reopened after a cut at " << size;
    ASSERT_EQ(seen_.back().body, "after");
  }
}

TEST_F(WalTest, EveryFlippedByteCostsAtMostItsOwnRecord) {
  {
    auto wal = Open();
    for (int i = 1; i <= 4; ++i)
      ASSERT_TRUE(Append(wal.get(), "", 0, "body" + std::to_string(i)).status.ok());
  }
  const std::string path = FirstFile();
  const std::string whole = *ReadWholeFile(path);
  for (size_t at = 12; at < whole.size(); ++at) {  // a changed version is refused, as it must be
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    Overwrite(path, damaged);
    auto wal = Open();
    ASSERT_GE(seen_.size(), 3u) << at;
    for (const Seen& seen : seen_) ASSERT_EQ(seen.body, "body" + std::to_string(seen.lsn)) << at;
    wal.reset();
    Overwrite(path, whole);  // the tail may have been cut
  }
}

// Records of one group whose first part never reached the disk: the later ones were not acknowledged and must
// not count, or the agent's earlier batch would look stored.
TEST_F(WalTest, UnacknowledgedGroupWithAHoleIsDroppedWhole) {
  {
    auto wal = Open();
    ASSERT_TRUE(Append(wal.get(), "a", 1, "one").status.ok());
    std::atomic<bool> go{false};
    SetFailpoint("wal.write", [&] {
      while (!go) usleep(1000);
      return absl::OkStatus();
    });
    std::atomic<int> answers{0};
    for (uint64_t i = 2; i <= 5; ++i) {
      wal->Append({"t", "a", BatchSeq{i}, "body" + std::to_string(i)},
                  [&](absl::Status, LogOutcome, Lsn) { ++answers; });
      if (i == 2) usleep(50'000);  // 2 is a group alone, 3 to 5 wait and become one
    }
    go = true;
    while (answers < 4) usleep(1000);
  }
  const std::string path = FirstFile();
  const std::string whole = *ReadWholeFile(path);
  std::vector<WalRecord> records;
  WalScanner scanner(whole);
  for (WalRecord record; scanner.Next(&record);) records.push_back(record);
  ASSERT_EQ(records.size(), 6u);
  ASSERT_EQ(records[5].group, records[3].lsn);
  std::string damaged = whole;
  damaged[records[3].offset + kWalRecordHeaderBytes + 3] ^= 1;
  Overwrite(path, damaged);
  auto wal = Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"one", "body2"}));
  EXPECT_EQ(wal->LastSequence("t", "a"), BatchSeq{2});
  EXPECT_EQ(wal->Stats().torn_bytes, whole.size() - records[3].offset);
  wal.reset();
  // The same damage one group earlier is of acknowledged records: those behind it stay.
  damaged = whole;
  damaged[records[2].offset + kWalRecordHeaderBytes + 3] ^= 1;
  Overwrite(path, damaged);
  wal = Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"one", "body3", "body4", "body5"}));
  EXPECT_GT(wal->Stats().damaged_bytes, 0u);
}

TEST_F(WalTest, FailedWriteRefusesTheBatchAndLaterOnesUntilItComesAgain) {
  auto wal = Open();
  ASSERT_TRUE(Append(wal.get(), "a", 1, "one").status.ok());
  SetFailpoint("wal.after_write", [] { return ResourceExhausted("disk full"); });
  EXPECT_EQ(Append(wal.get(), "a", 2, "two").status.code(), absl::StatusCode::kResourceExhausted);
  ClearFailpoints();
  EXPECT_EQ(Append(wal.get(), "a", 3, "three").status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Append(wal.get(), "b", 3, "other agent").status.ok());
  EXPECT_EQ(wal->LastSequence("t", "a"), BatchSeq{1});
  EXPECT_EQ(Append(wal.get(), "a", 2, "two").outcome, LogOutcome::kStored);
  EXPECT_TRUE(Append(wal.get(), "a", 3, "three").status.ok());
  std::promise<absl::Status> refused;
  wal->Refuse({"t", "a", BatchSeq{4}, ""}, Unavailable("full"),
              [&](absl::Status status, LogOutcome, Lsn) { refused.set_value(status); });
  EXPECT_EQ(refused.get_future().get().message(), "full");
  EXPECT_FALSE(Append(wal.get(), "a", 5, "five").status.ok());
  wal.reset();
  wal = Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"one", "other agent", "two", "three"}));
}

TEST_F(WalTest, FailedSyncGivesUpTheFile) {
  auto wal = Open();
  ASSERT_TRUE(Append(wal.get(), "a", 1, "one").status.ok());
  SetFailpoint("wal.sync", [] { return Unavailable("input/output error"); });
  EXPECT_FALSE(Append(wal.get(), "a", 2, "lost").status.ok());
  EXPECT_FALSE(Append(wal.get(), "a", 2, "lost").status.ok());
  ClearFailpoints();
  EXPECT_TRUE(Append(wal.get(), "a", 2, "two").status.ok());
  EXPECT_GE(wal->Stats().files, 2u);
  wal.reset();
  wal = Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"one", "two"}));
}

// A record that could not be cut off a given-up file must not come back, also if it is whole.
TEST_F(WalTest, VoidRecordsAreNotReplayed) {
  {
    auto wal = Open();
    ASSERT_TRUE(Append(wal.get(), "", 0, "one").status.ok());
    const std::string path = FirstFile();
    std::string with_lost;
    SetFailpoint("wal.sync", [&] {
      with_lost = *ReadWholeFile(path);
      return Unavailable("input/output error");
    });
    ASSERT_FALSE(Append(wal.get(), "", 0, "lost").status.ok());
    ClearFailpoints();
    ASSERT_TRUE(Append(wal.get(), "", 0, "two").status.ok());
    Overwrite(path, with_lost);
  }
  Open();
  EXPECT_EQ(Bodies(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(WalTest, GroupCommitTakesAllThatWait) {
  auto wal = Open();
  std::atomic<int> answers{0};
  SetFailpoint("wal.sync", [] {
    usleep(2000);
    return absl::OkStatus();
  });
  for (uint64_t i = 1; i <= 500; ++i) {
    wal->Append({"t", "a", BatchSeq{i}, "b"}, [&](absl::Status status, LogOutcome, Lsn lsn) {
      EXPECT_TRUE(status.ok());
      EXPECT_EQ(Raw(lsn), static_cast<uint64_t>(++answers));
    });
  }
  wal.reset();
  EXPECT_EQ(answers, 500);
  wal = Open();
  EXPECT_EQ(seen_.size(), 500u);
}

TEST_F(WalTest, IntervalAndOffAnswerWithoutASyncEach) {
  for (const WalSync sync : {WalSync::kInterval, WalSync::kOff}) {
    WalOptions options;
    options.sync = sync;
    options.sync_interval_ms = 20;
    auto wal = Open(options);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Append(wal.get(), "", 0, "x").status.ok());
    EXPECT_LT(wal->Stats().syncs, 40u);
    if (sync == WalSync::kInterval) {
      for (int i = 0; i < 200 && wal->Stats().syncs == 0; ++i) usleep(5000);
      EXPECT_GT(wal->Stats().syncs, 0u);
    }
  }
  Open();
  EXPECT_EQ(seen_.size(), 100u);
}

TEST_F(WalTest, UnknownVersionIsRefused) {
  std::string head(kWalMagic);
  PutFixed<uint32_t>(&head, 2);
  PutFixed<uint32_t>(&head, Crc32c(head));
  std::filesystem::create_directories(dir_.path());
  Overwrite(dir_.path() + "/00000001.log", head);
  WalOptions options;
  options.directory = dir_.path();
  auto wal = Wal::Open(options, Lsn{0});
  ASSERT_TRUE(wal.ok());
  EXPECT_EQ((*wal)->Replay([](Lsn, const LogEntry&) {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(AgentSequences, FailureBarsUntilItIsOld) {
  struct HeldClock final : Clock {
    int64_t now_ns = int64_t{1} << 60;
    int64_t NowNs() const override { return now_ns; }
  } clock;
  AgentSequences sequences(&clock);
  using Verdict = AgentSequences::Verdict;
  EXPECT_EQ(sequences.Begin("t", "a", BatchSeq{9}), Verdict::kNew);  // any first sequence is taken
  EXPECT_EQ(sequences.Begin("t", "a", BatchSeq{9}), Verdict::kResent);
  sequences.Fail("t", "a", BatchSeq{9});
  EXPECT_EQ(sequences.Begin("t", "a", BatchSeq{10}), Verdict::kMustWait);
  clock.now_ns += 6 * 60 * kNsPerSecond;
  EXPECT_EQ(sequences.Begin("t", "a", BatchSeq{10}), Verdict::kNew);
  sequences.Commit("t", "a", BatchSeq{10});
  EXPECT_EQ(sequences.Last("t", "a"), BatchSeq{10});

  std::string bytes;
  sequences.Encode(&bytes);
  AgentSequences other(&clock);
  ByteReader reader(bytes);
  EXPECT_TRUE(other.Merge(&reader));
  EXPECT_EQ(other.Last("t", "a"), BatchSeq{10});
  clock.now_ns += int64_t{200} * 24 * 3600 * kNsPerSecond;
  bytes.clear();
  other.Encode(&bytes);
  EXPECT_EQ(bytes, std::string(1, '\0'));
}

// The dump in FORMAT.md: lines "offset  bytes |what"; the bytes alone.
std::string DumpInFormat() {
  const std::string text = *ReadWholeFile(SKALD_SOURCE_DIR "/storage/FORMAT.md");
  const size_t begin = text.find("```\n", text.find("<!-- wal dump -->")) + 4;
  std::string bytes;
  std::istringstream lines(text.substr(begin, text.find("```", begin) - begin));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(4, line.find('|') - 4));
    for (std::string word; words >> word;) bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
  }
  return bytes;
}

TEST(WalRecord, BytesAreAsDocumented) {
  struct HeldClock final : Clock {
    int64_t NowNs() const override { return int64_t{20'000} * 24 * 3600 * kNsPerSecond; }
  } clock;
  AgentSequences sequences(&clock);
  sequences.Commit("t", "a", BatchSeq{6});
  std::string checkpoint(1, '\0');  // no void LSNs
  sequences.Encode(&checkpoint);
  std::string batch;
  PutText(&batch, "t");
  PutText(&batch, "a");
  PutVarint(&batch, 7);
  PutVarint(&batch, 0);
  std::string bytes = EncodeWalFileHeader();
  AppendWalRecordHeader(&bytes, WalRecordType::kCheckpoint, Lsn{2}, Lsn{2}, checkpoint.size(),
                        Crc32c(checkpoint));
  bytes += checkpoint;
  AppendWalRecordHeader(&bytes, WalRecordType::kBatch, Lsn{3}, Lsn{3}, batch.size(), Crc32c(batch));
  bytes += batch;
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x} ", static_cast<unsigned char>(c));
  EXPECT_EQ(bytes, DumpInFormat()) << hex;

  // And the dump reads as what it is said to be.
  TempDir dir;
  std::ofstream(dir.path() + "/00000001.log", std::ios::binary) << DumpInFormat();
  WalOptions options;
  options.directory = dir.path();
  options.clock = &clock;
  auto wal = Wal::Open(options, Lsn{0});
  ASSERT_TRUE(wal.ok());
  std::vector<uint64_t> lsns;
  ASSERT_TRUE((*wal)
                  ->Replay([&](Lsn lsn, const LogEntry& entry) {
                    EXPECT_EQ(entry.tenant, "t");
                    EXPECT_EQ(entry.agent_id, "a");
                    EXPECT_EQ(entry.sequence, BatchSeq{7});
                    EXPECT_EQ(entry.body, std::string(1, '\0'));
                    lsns.push_back(Raw(lsn));
                  })
                  .ok());
  EXPECT_EQ(lsns, std::vector<uint64_t>{3});
  EXPECT_EQ((*wal)->LastSequence("t", "a"), BatchSeq{7});
}

}  // namespace
}  // namespace skald
