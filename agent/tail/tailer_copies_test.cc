#include <gmock/gmock.h>

#include <random>

#include "agent/files/compressed_file.h"
#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;

class CompressedTest : public TailerTest, public testing::WithParamInterface<const char*> {
 protected:
  void Compress(const std::string& name) { CompressFile(Path(name), GetParam()); }
  // Its time of change is the original's, as gzip leaves it.
  void CompressAsGzip(const std::string& name) {
    const auto time = fs::last_write_time(Path(name));
    Compress(name);
    fs::last_write_time(Path(name + GetParam()), time);
  }
  void Restart() {
    Drop();
    Start();
  }
  static std::string Filler() { return std::string(100, 'f'); }
};

TEST_P(CompressedTest, WhileDownGoesOnAtTheKnownOffset) {
  AddTarget("logs/*.log");
  std::string want_rest;
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "line " + std::to_string(i) + "\n";
  Append("a.log", text);
  Start();
  EXPECT_EQ(TurnAndTake().size(), 20000u);
  Append("a.log", "sent\n");
  Turn();
  EXPECT_THAT(Take(false), ElementsAre("sent"));
  Drop();
  Append("a.log", "rest 1\nrest 2\n");
  Rename("a.log", "a.log.1");
  Append("a.log", "new\n");
  CompressAsGzip("a.log.1");
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0]->lost_bytes, 0u);
  EXPECT_EQ(LinesOf(*recovered_[0])[0].text, "sent");
  journal_->Ack(recovered_[0]->manifest.sequence);
  tailer_->Commit(recovered_[0]->manifest);
  EXPECT_THAT(TurnAndTake(), ElementsAre("rest 1", "rest 2", "new"));
  EXPECT_EQ(taken_.back().labels, taken_.front().labels);
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 1u);
  EXPECT_EQ(tailer_->GetStats().lag_bytes, 0u);
  for (int i = 0; i < 3; ++i) {
    Restart();
    EXPECT_THAT(TurnAndTake(), ElementsAre());
    Rename("a.log." + std::to_string(i + 1) + GetParam(), "a.log." + std::to_string(i + 2) + GetParam());
    EXPECT_THAT(TurnAndTake(), ElementsAre());
  }
}

TEST_P(CompressedTest, NotReadYetAndOlderThanTheLastLook) {
  AddTarget("logs/*.log");
  Start();
  Append("a.log", "");
  Turn();
  // Grows while nobody reads it, but its names and sizes are looked at.
  std::string text;
  for (int i = 0; i < 100; ++i) text += "unread " + std::to_string(i) + "\n";
  Append("a.log", text);
  std::this_thread::sleep_for(std::chrono::nanoseconds(2 * kShortNs));
  tailer_->HandleEvents();
  tailer_->Maintain();
  std::this_thread::sleep_for(std::chrono::nanoseconds(2 * kShortNs));
  tailer_->HandleEvents();
  tailer_->Maintain();
  journal_->Touch();
  Drop();
  Rename("a.log", "a.log.1");
  CompressAsGzip("a.log.1");
  Append("a.log", "new\n");
  Start();
  EXPECT_EQ(TurnAndTake().size(), 101u);
  Restart();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_P(CompressedTest, GenerationsNeverSeen) {
  AddTarget("logs/*.log");
  Append("a.log", "0 " + Filler() + "\n");
  Start();
  EXPECT_EQ(TurnAndTake().size(), 1u);
  Drop();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (const int second : {1, 2, 3}) {
    Append("a.log", std::to_string(second) + "\n");
    Rename("a.log", "a.log.20240101-00000" + std::to_string(second));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Append("a.log", "4\n");
  // Compressed after the third was written.
  Compress("a.log.20240101-000001");
  Compress("a.log.20240101-000002");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1", "2", "3", "4"));
  TurnFor(4 * kShortNs);
  Restart();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_P(CompressedTest, WhileRunningIsNotReadAgain) {
  AddTarget("logs/*.log");
  Append("a.log", "1\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1"));
  for (int i = 2; i < 8; ++i) {
    Rename("a.log", "a.log." + std::to_string(i));
    Append("a.log", std::to_string(i) + "\n");
    EXPECT_THAT(TurnAndTake(), ElementsAre(std::to_string(i)));
    if (i % 2 == 0) TurnFor(4 * kShortNs);  // let go of
    Compress("a.log." + std::to_string(i));
    EXPECT_THAT(TurnAndTake(), ElementsAre());
    if (i % 3 == 0) {
      // A kill at once: the journal's time of the last look is older than the file.
      Restart();
      EXPECT_THAT(TurnAndTake(), ElementsAre());
    }
  }
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 1u);
  Restart();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_P(CompressedTest, BehindReadsOnFromTheOpenFile) {
  AddTarget("logs/*.log");
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "line " + std::to_string(i) + "\n";
  Append("a.log", text);
  Start();
  tailer_->ReadSome(1);
  Rename("a.log", "a.log.1");
  Append("a.log", "new\n");
  Compress("a.log.1");
  TurnFor(6 * kShortNs);
  EXPECT_EQ(Take().size(), 50001u);
  TurnFor(4 * kShortNs);
  Restart();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_P(CompressedTest, HeldDeletedFileGoesOnInTheCompressedOne) {
  options_.max_held_deleted_bytes = 1000;
  AddTarget("logs/*.log");
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "line " + std::to_string(i) + "\n";
  Append("a.log", text);
  Start();
  tailer_->ReadSome(1);
  Rename("a.log", "a.log.1");
  tailer_->HandleEvents();
  Compress("a.log.1");
  tailer_->HandleEvents();
  tailer_->Maintain();
  EXPECT_EQ(tailer_->GetStats().held_deleted_bytes, 0u);
  TurnFor(4 * kShortNs);
  EXPECT_EQ(Take().size(), 50000u);
  EXPECT_EQ(tailer_->GetStats().lost.held_deleted_limit, 0u);
}

TEST_P(CompressedTest, CopyTruncateWhileBehindGoesOnInTheCopy) {
  AddTarget("logs/*.log");
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "line " + std::to_string(i) + "\n";
  for (const bool compressed : {false, true}) {
    Append("a.log", text);
    if (tailer_ == nullptr) Start();
    tailer_->HandleEvents();
    tailer_->Maintain();
    tailer_->ReadSome(1);
    const std::string copy = compressed ? "a.log.1" : "a.log.2";
    CopyTruncate("a.log", copy);
    if (compressed) Compress(copy);
    Append("a.log", "new\n");
    TurnFor(6 * kShortNs);
    const auto lines = Take();
    EXPECT_EQ(lines.size(), 50001u);
    EXPECT_EQ(lines.back(), "new");
    EXPECT_EQ(tailer_->GetStats().lost.truncated_before_read, 0u);
    TurnFor(4 * kShortNs);
    Restart();
    EXPECT_THAT(TurnAndTake(), ElementsAre());
    fs::resize_file(Path("a.log"), 0);
    TurnFor(2 * kShortNs);
  }
}

TEST_P(CompressedTest, AskedForByATarget) {
  AddTarget("logs/*");
  Append("a.log", "live\n");
  std::ofstream(Path(std::string("a.log.1") + GetParam()), std::ios::binary)
      << CompressFor(GetParam(), "one\ntwo");
  std::ofstream(Path(std::string("other") + GetParam()), std::ios::binary)
      << CompressFor(GetParam(), "other\n");
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : fs::directory_iterator(root_ + "/logs")) fs::last_write_time(entry.path(), past);
  options_.partial_flush_ns = 0;
  Start();
  TurnFor(6 * kShortNs);
  EXPECT_THAT(Take(), testing::UnorderedElementsAre("one", "two", "live", "other"));
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 1u);
  Restart();
  TurnFor(4 * kShortNs);
  EXPECT_THAT(Take(), ElementsAre());
}

TEST_P(CompressedTest, DamagedFileIsCountedAndLeft) {
  AddTarget("logs/*");
  std::mt19937 random(1);
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "line " + std::to_string(random()) + "\n";
  std::string bytes = CompressFor(GetParam(), text);
  const size_t damage = bytes.size() / 4 * 3;
  for (size_t at = damage; at < damage + 200; ++at) bytes[at] = static_cast<char>(~bytes[at]);
  std::ofstream(Path(std::string("x") + GetParam()), std::ios::binary) << bytes;
  Start();
  for (int i = 0; i < 3; ++i) {
    TurnFor(6 * kShortNs);
    Take();
  }
  EXPECT_GT(taken_.size(), 1000u);
  EXPECT_GT(tailer_->GetStats().lost.damaged_compressed, 0u);
  EXPECT_EQ(tailer_->GetStats().open_files, 0u);
  Restart();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

INSTANTIATE_TEST_SUITE_P(Kinds, CompressedTest, testing::Values(".gz", ".zst", ".bz2"));

using CopiesTest = TailerTest;

TEST_F(CopiesTest, CopyIsKnownAfterAKillAtAnyMoment) {
  AddTarget("logs/*.log");
  const std::string filler(100, 'f');
  for (int i = 0; i < 30; ++i) {
    Append("a.log", std::to_string(i) + filler + "\n");
    if (tailer_ == nullptr) Start();
    EXPECT_THAT(TurnAndTake(), ElementsAre(std::to_string(i) + filler));
    CopyTruncate("a.log", "a.log." + std::to_string(i));
    Append("a.log", "t\n");
    if (i % 3 != 0) {
      Turn();
      if (i % 3 == 1) Take();
    }
    Drop();
    Start();
    const auto lines = TurnAndTake();
    if (i % 3 == 1) {
      EXPECT_THAT(lines, ElementsAre()) << i;
    } else {
      EXPECT_THAT(lines, ElementsAre("t")) << i;
    }
    Drop();
    fs::remove(Path("a.log"));
  }
}

TEST_F(CopiesTest, CopyWithoutTheLastLinesIsNotReadAgain) {
  AddTarget("logs/*.log");
  const std::string first = "1 " + std::string(100, 'f');
  Append("a.log", first + "\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre(first));
  fs::copy_file(Path("a.log"), Path("a.log.1"));
  Append("a.log", "2\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("2"));
  fs::resize_file(Path("a.log"), 0);
  Append("a.log", "3\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("3"));
  TurnFor(4 * kShortNs);
  Drop();
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

}  // namespace
}  // namespace skald::agent
