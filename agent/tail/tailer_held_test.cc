// Lines that stages hold back, over batches, rotations and restarts: none is lost, none comes twice.
#include <gmock/gmock.h>

#include "agent/stages/testing.h"
#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;

class TailerHeldTest : public TailerTest {
 protected:
  void AddStages(const std::string& stages) {
    AddTarget("logs/*.log");
    auto pipeline = MakePipeline(stages);
    ASSERT_TRUE(pipeline.ok()) << pipeline.status();
    options_.targets.back().pipeline = std::move(*pipeline);
  }
};

TEST_F(TailerHeldTest, ABlockGoesOnOverBatchesAndRestarts) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 1h}}]");
  Append("a.log", "S1\n one\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
  Append("a.log", "S2\n two\n");
  EXPECT_THAT(Await(1), ElementsAre("S1\n one"));
  // S2 and its line are read, and behind what is delivered; they are read again.
  Drop();
  Append("a.log", " more\nS3\n");
  Start();
  EXPECT_THAT(Await(1), ElementsAre("S2\n two\n more"));
  Drop();
  Start();
  Append("a.log", "S4\n");
  EXPECT_THAT(Await(1), ElementsAre("S3"));
}

TEST_F(TailerHeldTest, ABatchOnItsWayIsMadeAgain) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 1h}}]");
  Append("a.log", "S1\n one\nS2\n two\n");
  Start();
  TurnFor(kShortNs / 3);
  EXPECT_THAT(Take(false), ElementsAre("S1\n one"));
  Drop();
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(LinesOf(*recovered_[0])[0].text, "S1\n one");
  Append("a.log", "S3\n");
  EXPECT_THAT(Await(1), ElementsAre("S2\n two"));
}

TEST_F(TailerHeldTest, MaxLinesAcrossARestart) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 1h, max_lines: 2}}]");
  Append("a.log", "S\n1\n2\n");
  Start();
  EXPECT_THAT(Await(1), ElementsAre("S\n1"));
  Drop();
  Append("a.log", "3\n4\nS\n");
  Start();
  EXPECT_THAT(Await(2), ElementsAre("2\n3", "4"));
}

TEST_F(TailerHeldTest, ABlockEndsInTheNextGeneration) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 1h}}]");
  Append("a.log", "S1\n one\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
  Rename("a.log", "a.log.1");
  Append("a.log", " two\nS2\n");
  EXPECT_THAT(Await(1), ElementsAre("S1\n one\n two"));
}

TEST_F(TailerHeldTest, TimeEndsABlock) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 50ms}}]");
  Append("a.log", "S1\n one\n");
  Start();
  Turn();
  EXPECT_EQ(batch_->lines(), 0u);
  while (batch_->lines() == 0) {
    Turn();
    tailer_->FlushDue();
  }
  EXPECT_TRUE(batch_->wants_seal());
  EXPECT_THAT(Take(false), ElementsAre("S1\n one"));
  // The same when the batch is made again: nothing of it is held then.
  Drop();
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(LinesOf(*recovered_[0])[0].text, "S1\n one");
  EXPECT_EQ(tailer_->held_due_ns(), 0);
}

TEST_F(TailerHeldTest, PiecesAndOutputsAreJoinedFirst) {
  AddStages("[{multiline: {firstline: '^S', max_wait_time: 1h}}]");
  Append("a.log", Cri("S1", "stdout") + Cri("S2", "stderr") + Cri(" o", "stdout", "P"));
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
  Append("a.log", Cri("S0", "stdout") + Cri(" e", "stderr") + Cri("S9", "stdout"));
  EXPECT_THAT(Await(1), ElementsAre("S1\n oS0"));
  Drop();
  Append("a.log", Cri("S3", "stderr"));
  Start();
  EXPECT_THAT(Await(1), ElementsAre("S2\n e"));
}

TEST_F(TailerHeldTest, ALimitPausesItsJobAlone) {
  AddStages("[{limit: {rate: 0.001, burst: 1}}]");
  options_.targets.back().exclude = std::move(*GlobPattern::ParseAll(root_ + "/logs/free.log"));
  AddTarget("logs/free.log");
  Append("a.log", "1\n2\n3\n");
  Start();
  EXPECT_EQ(Await(3).size(), 3u);  // what is read goes out
  Append("a.log", "4\n");
  Append("free.log", "free\n");
  EXPECT_THAT(Await(1), ElementsAre("free"));
  EXPECT_TRUE(tailer_->has_ready());
}

}  // namespace
}  // namespace skald::agent
