#include "agent/tail/tailer.h"

#include <gmock/gmock.h>

#include <random>

#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;

TEST_F(TailerTest, ReadsWhatIsThereAndWhatComes) {
  AddTarget("logs/**/*.log", {root_ + "/logs/no*"});
  Append("a.log", "one\ntwo\n");
  Append("no.log", "x\n");
  Append("b.txt", "x\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("one", "two"));
  EXPECT_EQ(taken_[0].labels, "{filename=\"" + Path("a.log") + "\", job=\"job\", node_name=\"n1\"}");
  Append("a.log", "three\r\nfo");
  EXPECT_THAT(TurnAndTake(), ElementsAre("three"));
  Append("a.log", "ur\n");
  fs::create_directories(Path("deep/er"));
  Append("deep/er/x.log", "deep\n");
  EXPECT_THAT(TurnAndTake(), testing::UnorderedElementsAre("four", "deep"));
}

TEST_F(TailerTest, WithoutInotifyARescanFindsAll) {
  options_.use_inotify = false;
  AddTarget("logs/*/*.log");
  Start();
  fs::create_directories(Path("d"));
  Append("d/a.log", "one\n");
  EXPECT_THAT(Await(1), ElementsAre("one"));
  Append("d/a.log", "two\n");
  EXPECT_THAT(Await(1), ElementsAre("two"));
}

TEST_F(TailerTest, RestartGoesOnAfterWhatIsAcked) {
  AddTarget("logs/*.log");
  Append("a.log", "one\ntwo\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("one", "two"));
  Append("a.log", "three\n");
  Turn();  // read, never sent
  Drop();
  Append("a.log", "four\n");
  Start();
  EXPECT_TRUE(recovered_.empty());
  EXPECT_THAT(TurnAndTake(), ElementsAre("three", "four"));
}

TEST_F(TailerTest, SentBatchComesAgainWithTheSameLines) {
  AddTarget("logs/*.log");
  Append("a.log", "one\ntwo\n");
  Append("b.log", "b1\n");
  Start();
  Turn();
  const auto sent = Take(false);
  Append("a.log", "three\n");
  Drop();
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0]->manifest.sequence, 1u);
  EXPECT_EQ(recovered_[0]->lost_bytes, 0u);
  std::vector<std::string> again;
  for (const Line& line : LinesOf(*recovered_[0])) again.push_back(line.text);
  EXPECT_THAT(again, testing::UnorderedElementsAreArray(sent));
  EXPECT_THAT(TurnAndTake(), ElementsAre("three"));
}

TEST_F(TailerTest, SentBatchOfARenamedFileComesAgain) {
  AddTarget("logs/*.log");
  Append("a.log", "one\ntwo\n");
  Start();
  Turn();
  Take(false);
  Drop();
  Rename("a.log", "a.log.1");
  Append("a.log.1", "three\n");
  Append("a.log", "new\n");
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0]->lost_bytes, 0u);
  EXPECT_EQ(LinesOf(*recovered_[0]).size(), 2u);
  EXPECT_THAT(TurnAndTake(), ElementsAre("three", "new"));
  EXPECT_EQ(taken_.back().labels, taken_.front().labels);
}

TEST_F(TailerTest, SentBatchOfADeletedFileCountsWhatIsGone) {
  AddTarget("logs/*.log");
  Append("a.log", "one\ntwo\n");
  Append("b.log", "b1\n");
  Start();
  Turn();
  Take(false);
  Drop();
  fs::remove(Path("a.log"));
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0]->lost_bytes, 8u);
  EXPECT_EQ(LinesOf(*recovered_[0]).size(), 1u);
}

TEST_F(TailerTest, RenameRotation) {
  AddTarget("logs/*.log");
  Append("a.log", "1\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1"));
  std::ofstream old(Path("a.log"), std::ios::app);
  Rename("a.log", "a.log.1");
  old << "2 after the rename\n" << std::flush;
  EXPECT_THAT(TurnAndTake(), ElementsAre("2 after the rename"));
  TurnFor(4 * kShortNs);  // no successor: it stays open
  old << "3\n" << std::flush;
  EXPECT_THAT(TurnAndTake(), ElementsAre("3"));
  old << "4\n" << std::flush;
  Append("a.log", "5 in the new one\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("4", "5 in the new one"));
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 1u);
  EXPECT_EQ(tailer_->GetStats().lag_bytes, 0u);
  Drop();
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_F(TailerTest, RotationsWhileNothingIsReadOrRunning) {
  AddTarget("logs/*.log");
  Append("a.log", "1\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1"));
  // Two rotations between two looks: the middle generation was never seen under its live name.
  Append("a.log", "2\n");
  Rename("a.log", "a.log.2");
  Append("a.log", "3\n");
  Rename("a.log", "a.log.1");
  Append("a.log", "4\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("2", "3", "4"));
  Drop();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (int i = 0; i < 3; ++i) {
    Append("a.log", "down " + std::to_string(i) + "\n");
    Rename("a.log", "a.log.2024010" + std::to_string(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Append("a.log", "live\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("down 0", "down 1", "down 2", "live"));
}

TEST_F(TailerTest, OldRotatedFilesAreNotRead) {
  AddTarget("logs/*.log");
  Append("a.log.1", "old\n");
  Append("a.log.2.gz", "old\n");
  Append("a.log", "new\n");
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(Path("a.log.1"), past);
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("new"));
}

TEST_F(TailerTest, GlobThatMatchesRotatedNamesReadsNothingTwice) {
  AddTarget("logs/a.log*");
  Append("a.log", "1\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1"));
  Rename("a.log", "a.log.1");
  Append("a.log", "2\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("2"));
  TurnFor(4 * kShortNs);
  Rename("a.log.1", "a.log.2");
  Rename("a.log", "a.log.1");
  Append("a.log", "3\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("3"));
  TurnFor(4 * kShortNs);
  Drop();
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
}

TEST_F(TailerTest, CopyTruncate) {
  AddTarget("logs/*.log");
  const std::string filler(2000, 'f');
  Append("a.log", "1 " + filler + "\n");
  Start();
  TurnAndTake();
  CopyTruncate("a.log", "a.log.1");
  Append("a.log", "2\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("2"));
  // Grown again past the old position before anybody looked.
  fs::resize_file(Path("a.log"), 0);
  Append("a.log", "3 " + filler + filler + "\n4\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("3 " + filler + filler, "4"));
  EXPECT_EQ(tailer_->GetStats().lost.truncated_before_read, 0u);
  Drop();
  fs::resize_file(Path("a.log"), 0);
  Append("a.log", "5 " + filler + filler + filler + "\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("5 " + filler + filler + filler));
}

TEST_F(TailerTest, CopyTruncateWhileDownGoesOnInTheCopy) {
  AddTarget("logs/*.log");
  const std::string filler(2000, 'f');
  Append("a.log", "1 " + filler + "\n");
  Start();
  TurnAndTake();
  Drop();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Append("a.log", "2\n");
  CopyTruncate("a.log", "a.log.1");
  Append("a.log", "3\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("2", "3"));
}

TEST_F(TailerTest, TruncatedBytesThatWereSeenButNotReadAreCounted) {
  AddTarget("logs/*.log");
  Append("a.log", "1\nunfinished");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1"));
  fs::resize_file(Path("a.log"), 0);
  Append("a.log", "2\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("2"));
  EXPECT_EQ(tailer_->GetStats().lost.truncated_before_read, 10u);
}

TEST_F(TailerTest, DeletedWhileBehindIsReadToTheEnd) {
  AddTarget("logs/*/*.log");
  fs::create_directories(Path("pod"));
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "line " + std::to_string(i) + "\n";
  Append("pod/a.log", text + "unfinished");
  Start();
  tailer_->ReadSome(1);
  fs::remove_all(Path("pod"));
  TurnFor(6 * kShortNs);
  EXPECT_EQ(batch_->lines(), 100001u);
  Take();
  EXPECT_EQ(taken_.back().text, "unfinished");
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 0u);
  EXPECT_TRUE(journal_->state().files.empty());
}

TEST_F(TailerTest, HeldDeletedFilesAreLimited) {
  options_.max_held_deleted_bytes = 1 << 20;
  AddTarget("logs/*.log");
  Append("a.log", std::string(3 << 20, 'x') + "\n");
  Start();
  tailer_->HandleEvents();
  fs::remove(Path("a.log"));
  tailer_->HandleEvents();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  tailer_->Maintain();
  EXPECT_EQ(tailer_->GetStats().lost.held_deleted_limit, (3u << 20) + 1);
  EXPECT_EQ(tailer_->GetStats().open_files, 0u);
}

TEST_F(TailerTest, KubernetesLabelsAndJoining) {
  AddTarget("logs/pods/*/*/*.log");
  const std::string dir = "pods/shop_cart-7d9c5b8f6d-x2x4z_u1/app";
  fs::create_directories(Path(dir));
  Append(dir + "/0.log",
         Cri("whole") + Cri("part1 ", "stdout", "P") + Cri("err", "stderr") + Cri("part2 ", "stdout", "P"));
  Start();
  EXPECT_THAT(TurnAndTake(), testing::UnorderedElementsAre("whole", "err"));
  for (const Line& line : taken_) {
    EXPECT_EQ(
        line.labels,
        std::string(
            "{app=\"cart\", container=\"app\", job=\"shop/cart\", namespace=\"shop\", node_name=\"n1\", "
            "pod=\"cart-7d9c5b8f6d-x2x4z\", stream=\"") +
            (line.text == "err" ? "stderr" : "stdout") + "\"}");
  }
  // The rest comes after a rotation and after a restart.
  Drop();
  Rename(dir + "/0.log", dir + "/0.log.20240101-101010");
  Append(dir + "/0.log", Cri("part3 ", "stdout", "P"));
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre());
  Append(dir + "/0.log", Cri("end") + Cri("after"));
  EXPECT_THAT(TurnAndTake(), ElementsAre("part1 part2 part3 end", "after"));
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 1u);
}

TEST_F(TailerTest, UnfinishedMessageOfADeadContainerIsSent) {
  AddTarget("logs/pods/*/*/*.log");
  const std::string dir = "pods/shop_cart_u1/app";
  fs::create_directories(Path(dir));
  Append(dir + "/0.log",
         Cri("whole") + Cri("never ended", "stdout", "P") + "2024-11-01T12:00:00Z stdout F torn");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("whole"));
  fs::remove_all(Path("pods/shop_cart_u1"));
  TurnFor(6 * kShortNs);
  EXPECT_THAT(Take(), ElementsAre("never ended"));
  EXPECT_EQ(taken_.back().partial, "true");
  EXPECT_EQ(tailer_->GetStats().parse.torn_bytes, 34u);
  TurnFor(4 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().open_files, 0u);
}

TEST_F(TailerTest, DockerJoinsAndLabels) {
  const std::string id(64, 'a');
  AddTarget("logs/*/*-json.log");
  fs::create_directories(Path(id));
  Append(id + "/config.v2.json", R"({"Name":"/web","Config":{"Image":"nginx"}})");
  const auto record = [](const std::string& log, const std::string& stream) {
    return R"({"log":")" + log + R"(","stream":")" + stream +
           R"(","attrs":{"tag":"x"},"time":"2024-11-01T12:00:00.5Z"})" + "\n";
  };
  Append(id + "/" + id + "-json.log", record("a\\n", "stdout") + record("b1 ", "stdout") +
                                          record("e\\n", "stderr") + record("b2\\n", "stdout") + "no json\n");
  Start();
  EXPECT_THAT(TurnAndTake(), testing::UnorderedElementsAre("a", "b1 b2", "e", "no json"));
  EXPECT_THAT(taken_[0].labels, testing::HasSubstr("container=\"web\""));
  EXPECT_EQ(tailer_->GetStats().parse.invalid_records, 1u);
}

TEST_F(TailerTest, SymlinkedPodFileIsFollowed) {
  const std::string id(64, 'b');
  AddTarget("logs/pods/*/*/*.log");
  const std::string dir = "pods/shop_cart_u1/app";
  fs::create_directories(Path(dir));
  fs::create_directories(root_ + "/docker");
  const auto record = [](const std::string& log) {
    return R"({"log":")" + log + R"(\n","stream":"stdout","time":"2024-11-01T12:00:00.5Z"})" + "\n";
  };
  std::ofstream(root_ + "/docker/x-json.log") << record("one");
  fs::create_symlink(root_ + "/docker/x-json.log", Path(dir + "/0.log"));
  options_.rescan_ns = 3600 * kNsPerSecond;  // events alone
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("one"));
  EXPECT_THAT(taken_[0].labels, testing::HasSubstr("namespace=\"shop\""));
  std::ofstream(root_ + "/docker/x-json.log", std::ios::app) << record("two");
  EXPECT_THAT(TurnAndTake(), ElementsAre("two"));
  fs::rename(root_ + "/docker/x-json.log", root_ + "/docker/x-json.log.1");
  std::ofstream(root_ + "/docker/x-json.log") << record("three");
  EXPECT_THAT(TurnAndTake(), ElementsAre("three"));
}

TEST_F(TailerTest, RotationsBehindALinkWhileDown) {
  AddTarget("logs/containers/*.log");
  fs::create_directories(Path("containers"));
  fs::create_directories(root_ + "/real");
  const std::string real = root_ + "/real/0.log";
  const auto append = [&](const std::string& text) { std::ofstream(real, std::ios::app) << text; };
  append(Cri("1"));
  fs::create_symlink(real, Path("containers/x.log"));
  Start();
  Turn();
  EXPECT_THAT(Take(false), ElementsAre("1"));
  Drop();
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  append(Cri("2"));
  fs::rename(real, real + ".20240101-000001");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  append(Cri("3"));
  fs::rename(real, real + ".20240101-000002");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  append(Cri("4"));
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0]->lost_bytes, 0u);
  EXPECT_THAT(TurnAndTake(), ElementsAre("2", "3", "4"));
}

TEST_F(TailerTest, RenamedToAnyNameWhileDown) {
  AddTarget("logs/*.log");
  Append("a.log", "1\n2\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("1", "2"));
  Drop();
  Append("a.log", "3\n");
  Rename("a.log", "moved.away");
  Append("b.other", "not ours\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("3"));
}

TEST_F(TailerTest, LongMessagesAreCutAndMarked) {
  options_.max_line_size = 1000;
  AddTarget("logs/pods/*/*/*.log");
  const std::string dir = "pods/shop_cart_u1/app";
  fs::create_directories(Path(dir));
  std::string text;
  for (int i = 0; i < 100; ++i) text += Cri(std::string(16384, 'x'), "stdout", "P");
  text += Cri("end") + Cri("next");
  Append(dir + "/0.log", text);
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre(std::string(1000, 'x'), "next"));
  EXPECT_EQ(taken_[0].cut, std::to_string(100 * 16384 + 3 - 1000));
  EXPECT_EQ(tailer_->GetStats().parse.truncated_lines, 1u);
}

TEST_F(TailerTest, UnfinishedPlainLineIsSentAfterAWhile) {
  options_.partial_flush_ns = 2 * kShortNs;
  AddTarget("logs/*.log");
  Append("a.log", "done\nprompt> ");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("done"));
  TurnFor(6 * kShortNs);
  EXPECT_THAT(Take(false), ElementsAre("prompt> "));
  Append("a.log", "answer\n");
  Drop();
  Start();
  ASSERT_EQ(recovered_.size(), 1u);
  EXPECT_EQ(LinesOf(*recovered_[0])[0].text, "prompt> ");
  EXPECT_THAT(TurnAndTake(), ElementsAre("answer"));
}

TEST_F(TailerTest, InodeReuse) {
  AddTarget("logs/*.log");
  for (int i = 0; i < 200; ++i) {
    Append("a.log", "file " + std::to_string(i) + "\n");
    Start();
    EXPECT_THAT(TurnAndTake(), ElementsAre("file " + std::to_string(i)));
    Drop();
    fs::remove(Path("a.log"));
  }
}

TEST_F(TailerTest, InodeReuseWithTheSameText) {
  AddTarget("logs/*.log");
  Append("a.log", "started\n");
  const absl::StatusOr<FileStat> stat = StatPath(Path("a.log"));
  ASSERT_TRUE(stat.ok());
  if (stat->key.birth_ns == 0) GTEST_SKIP() << "the file system keeps no time of birth";
  for (int i = 0; i < 50; ++i) {
    Start();
    EXPECT_THAT(TurnAndTake(), ElementsAre("started")) << i;
    Drop();
    fs::remove(Path("a.log"));
    Append("a.log", "started\n");
  }
}

TEST_F(TailerTest, LostStateReadsFromWhereItIsTold) {
  AddTarget("logs/*.log");
  Append("a.log", "one\n");
  Start();
  EXPECT_THAT(TurnAndTake(), ElementsAre("one"));
  for (const bool at_end : {false, true}) {
    Drop();
    const auto names = ListDirectory(root_ + "/state").value_or(std::vector<std::string>());
    for (const std::string& name : names) {
      if (!name.starts_with("state-")) continue;
      ASSERT_TRUE(WriteFileAtomically(root_ + "/state/" + name, "damaged").ok()) << name;
    }
    options_.lost_state_at_end = at_end;
    Start();
    EXPECT_TRUE(journal_->loaded().lost);
    if (at_end) {
      EXPECT_THAT(TurnAndTake(), ElementsAre());
    } else {
      EXPECT_THAT(TurnAndTake(), ElementsAre("one"));
    }
  }
  Append("a.log", "two\n");
  EXPECT_THAT(TurnAndTake(), ElementsAre("two"));
}

TEST_F(TailerTest, ManyFilesUnderALowFileLimit) {
  options_.max_open_files = 20;
  AddTarget("logs/*.log");
  for (int i = 0; i < 100; ++i) Append("f" + std::to_string(i) + ".log", "x\n");
  Start();
  EXPECT_EQ(TurnAndTake().size(), 100u);
  for (int i = 0; i < 100; ++i) Append("f" + std::to_string(i) + ".log", "y\n");
  EXPECT_EQ(TurnAndTake().size(), 100u);
}

// Rotation by rename at random moments, the agent restarted at random moments with batches acknowledged or
// only sent: what the server would keep, by sequence, is each line once and in order.
TEST_F(TailerTest, RandomRotationsAndRestartsLoseAndDoubleNothing) {
  AddTarget("logs/pods/*/*/*.log");
  const std::string dir = "pods/shop_cart_u1/app";
  fs::create_directories(Path(dir));
  const char* const seed = std::getenv("SKALD_TEST_SEED");
  std::mt19937 random(seed == nullptr ? 11 : static_cast<unsigned>(std::atoi(seed)));
  std::map<uint64_t, std::vector<std::string>> server;  // by sequence
  Start();
  Append(dir + "/0.log", "");
  int written = 0;
  int rotations = 0;
  std::vector<std::string> want;
  const auto rotate = [&] {
    // Generations that were never seen are told apart by their time of change, which file systems keep to
    // some ms.
    std::this_thread::sleep_for(std::chrono::milliseconds(6));
    Rename(dir + "/0.log", dir + "/0.log.2024-" + std::to_string(++rotations));
    Append(dir + "/0.log", "");
  };
  const auto keep = [&](const Batch& batch) {
    auto [found, is_new] = server.try_emplace(batch.manifest.sequence);
    if (!is_new) return;
    for (const Line& line : LinesOf(batch)) found->second.push_back(line.text);
  };
  std::deque<std::unique_ptr<Batch>> unacked;
  const auto seal = [&] {
    if (batch_->lines() == 0) return;
    auto batch = batch_->Seal();
    batch->manifest.sequence = journal_->state().next_sequence;
    journal_->PutManifest(batch->manifest);
    if (random() % 2 == 0) keep(*batch);  // stored, perhaps without the answer reaching us
    unacked.push_back(std::move(batch));
  };
  const auto ack_front = [&] {
    keep(*unacked.front());
    journal_->Ack(unacked.front()->manifest.sequence);
    tailer_->Commit(unacked.front()->manifest);
    unacked.pop_front();
  };
  for (int step = 0; step < 3000; ++step) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        const std::string text = "line " + std::to_string(written++);
        const int pieces = static_cast<int>(random() % 4);
        std::string record;
        std::string sofar = text;
        for (int i = 0; i < pieces; ++i) {
          Append(dir + "/0.log", Cri(sofar, "stdout", "P"));
          sofar = " piece" + std::to_string(i);
          if (random() % 3 == 0) Turn();
          if (random() % 10 == 0) {
            rotate();
          }
        }
        Append(dir + "/0.log", Cri(sofar));
        std::string whole = text;
        if (pieces > 0) {
          for (int i = 0; i < pieces; ++i) whole += " piece" + std::to_string(i);
        }
        want.push_back(whole);
        break;
      }
      case 3:
        Turn();
        break;
      case 4:
        seal();
        break;
      case 5:
        if (!unacked.empty()) ack_front();
        break;
      case 6:
        if (random() % 4 == 0) {
          rotate();
        }
        break;
      case 7:
        if (random() % 10 == 0) {
          unacked.clear();
          Drop();
          Start();
          ASSERT_EQ(recovered_.size(), journal_->state().in_flight.size());
          for (auto& batch : recovered_) {
            ASSERT_EQ(batch->lost_bytes, 0u);
            keep(*batch);
            unacked.push_back(std::move(batch));
          }
          recovered_.clear();
        }
        break;
    }
    if (!fs::exists(Path(dir + "/0.log"))) Append(dir + "/0.log", "");
  }
  TurnFor(4 * kShortNs);
  seal();
  while (!unacked.empty()) ack_front();
  std::vector<std::string> got;
  for (const auto& [sequence, lines] : server) got.insert(got.end(), lines.begin(), lines.end());
  EXPECT_EQ(got.size(), want.size());
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    ASSERT_EQ(got[i], want[i]) << "line " << i;
  }
  EXPECT_EQ(tailer_->GetStats().lost.truncated_before_read, 0u);
  EXPECT_EQ(tailer_->GetStats().lost.rotated_away, 0u);
}

}  // namespace
}  // namespace skald::agent
