// The switch from Promtail: its flags, its positions.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/agent_config.h"
#include "agent/promtail_flags.h"
#include "agent/tail/promtail_positions.h"
#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class PromtailTest : public TailerTest {
 protected:
  void SetUp() override {
    TailerTest::SetUp();
    AddTarget("logs/*.log");
  }
  void Import(const std::string& positions, const std::string& journal_job = "") {
    std::ofstream(root_ + "/positions.yaml") << positions;
    auto journal = StateJournal::Open({.directory = root_ + "/state", .node = "n1"});
    ASSERT_TRUE(journal.ok());
    imported_ =
        ImportPromtailPositions(root_ + "/positions.yaml", root_ + "/docker", journal_job, journal->get());
    cursors_ = (*journal)->state().cursors;
    (*journal)->Close();
  }
  ImportedPositions imported_;
  std::map<std::string, std::string> cursors_;
};

TEST_F(PromtailTest, GoesOnWherePromtailWas) {
  Append("a.log", "one\ntwo\nthree\n");
  Append("b.log", "one\ntwo\n");
  Append("c.log", "new\n");
  Import(
      fmt::format("positions:\n  {}: \"8\"\n  {}: \"6\"\n  /nowhere.log: \"5\"\n  cursor-journal: s=1;i=2\n",
                  Path("a.log"), Path("b.log")));
  EXPECT_TRUE(imported_.tried);
  EXPECT_EQ(imported_.files, 2u);
  EXPECT_EQ(imported_.gone, 1u);
  EXPECT_TRUE(imported_.journal);
  EXPECT_FALSE(imported_.damaged);
  EXPECT_EQ(cursors_["systemd-journal"], "s=1;i=2");
  Start();
  // Of b.log, "two" had not been sent: the offset is inside it.
  EXPECT_THAT(Await(3), testing::UnorderedElementsAre("three", "two", "new"));
  Drop();
  // The state is not new any more.
  Import(fmt::format("positions:\n  {}: \"0\"\n", Path("a.log")));
  EXPECT_FALSE(imported_.tried);
  Start();
  EXPECT_TRUE(TurnAndTake().empty());
}

TEST_F(PromtailTest, FindsWhatWasRotatedMeanwhile) {
  Append("a.log", "one\ntwo\nthree\n");
  const std::string positions = fmt::format("positions:\n  {}: \"8\"\n", Path("a.log"));
  Rename("a.log", "a.log.1");
  Append("a.log", "four\n");
  Import(positions);
  EXPECT_EQ(imported_.from_start, 1u);
  Start();
  EXPECT_THAT(Await(2), ElementsAre("three", "four"));
}

TEST_F(PromtailTest, ContainersBeginWithTheSavedSecond) {
  const std::string id(64, 'a');
  fs::create_directories(root_ + "/docker/" + id);
  const std::string path = root_ + "/docker/" + id + "/" + id + "-json.log";
  std::ofstream(path) << R"({"log":"old\n","stream":"stdout","time":"2026-11-01T12:00:00.9Z"})" << '\n'
                      << R"({"log":"new\n","stream":"stdout","time":"2026-11-01T12:00:01.1Z"})" << '\n';
  Import(fmt::format("positions:\n  cursor-{}: \"1793534401\"\n", id));
  EXPECT_EQ(imported_.files, 1u);
  auto target = MakeTarget("docker", {root_ + "/docker/*/*-json.log"}, {}, {}, LogFormat::kAuto);
  ASSERT_TRUE(target.ok());
  options_.targets = {*target};
  Start();
  EXPECT_THAT(Await(1), ElementsAre("new"));
}

TEST_F(PromtailTest, TakesTheJournalOfItsJob) {
  Import("positions:\n  cursor-a: A\n  cursor-b: B\n", "b");
  EXPECT_EQ(cursors_["systemd-journal"], "B");
}

TEST(PromtailPositions, DamagedFiles) {
  bool damaged = false;
  EXPECT_THAT(ParsePromtailPositions("positions:\n  /a: \"1\"\n  \"/b c\": '2'\n", &damaged),
              ElementsAre(Pair("/a", "1"), Pair("/b c", "2")));
  EXPECT_FALSE(damaged);
  EXPECT_TRUE(ParsePromtailPositions("positions: {}\n", &damaged).empty());
  EXPECT_FALSE(damaged);
  EXPECT_THAT(ParsePromtailPositions("positions:\n  /a: \"1\"\n  /b: \"22", &damaged),
              ElementsAre(Pair("/a", "1")));
  EXPECT_TRUE(damaged);
  EXPECT_TRUE(ParsePromtailPositions(std::string(100, '\0'), &damaged).empty());
  EXPECT_TRUE(damaged);
}

absl::StatusOr<AgentSettings> Load(std::vector<const char*> args) {
  args.insert(args.begin(), "skald-agent");
  return LoadAgentSettings(static_cast<int>(args.size()), args.data());
}

TEST(PromtailFlags, AreUnderstood) {
  const auto settings =
      Load({"-client.url=http://loki:3100/loki/api/v1/push", "-client.external-labels=a=b,c=d",
            "-client.batch-wait", "3s", "-client.max-backoff=1m", "-positions.file=/tmp/p.yaml",
            "-server.http-listen-port=9081", "-server.grpc-listen-port=0", "-log.level=warn",
            "-target.sync-period=7s", "/x/*.log"});
  ASSERT_TRUE(settings.ok()) << settings.status();
  const AgentConfig& agent = settings->agent;
  ASSERT_TRUE(agent.loki.has_value());
  EXPECT_EQ(agent.loki->target.url, "http://loki:3100/loki/api/v1/push");
  EXPECT_EQ(agent.loki->external_labels.Get("c"), "d");
  EXPECT_EQ(agent.loki->max_backoff_ns, 60 * kNsPerSecond);
  EXPECT_EQ(agent.batch_wait_ns, 3 * kNsPerSecond);
  EXPECT_EQ(agent.promtail_positions, "/tmp/p.yaml");
  EXPECT_EQ(agent.http_listen, "0.0.0.0:9081");
  EXPECT_EQ(agent.tail.rescan_ns, 7 * kNsPerSecond);
  EXPECT_EQ(settings->log_level, "warn");
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("-server.grpc-listen-port")));
  EXPECT_THAT(settings->notes, Contains(HasSubstr("/tmp/p.yaml")));
  EXPECT_FALSE(Load({"-client.url"}).ok());
  EXPECT_FALSE(Load({"-client.external-labels=a"}).ok());
  EXPECT_TRUE(Load({"-check-syntax"})->check);
}

}  // namespace
}  // namespace skald::agent
