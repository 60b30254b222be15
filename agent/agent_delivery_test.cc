// The whole agent against a server that fails in every way it can.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "agent/agent.h"
#include "agent/delivery/push_double.h"
#include "agent/http_page.h"
#include "agent/stages/testing.h"
#include "agent/testing/test_directory.h"
#include "base/log.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class AgentDeliveryTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    root_ = TestDirectory("delivery");
    fs::remove_all(root_);
    fs::create_directories(root_ + "/logs");
    config_.push.server = server_.address();
    config_.push.min_backoff_ns = 5 * kNsPerMs;
    config_.push.max_backoff_ns = 50 * kNsPerMs;
    config_.state.directory = root_ + "/state";
    config_.node_name = "n1";
    config_.http_listen = "";
    config_.journal.enabled = false;
    config_.batch_wait_ns = 20 * kNsPerMs;
    config_.batch_wait_idle_ns = 5 * kNsPerMs;
    config_.stop_wait_ns = 2 * kNsPerSecond;
    config_.tail.rotate_grace_ns = 100 * kNsPerMs;
    auto target = MakeTarget("job", {root_ + "/logs/*.log"}, {}, {}, LogFormat::kAuto);
    ASSERT_TRUE(target.ok());
    config_.tail.targets.push_back(std::move(*target));
  }
  void TearDown() override {
    StopAgent();
    fs::remove_all(root_);
  }
  void StartAgent() {
    auto agent = Agent::Create(config_);
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = std::move(*agent);
    thread_ = std::thread([this] { agent_->Run(); });
    while (!agent_->ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void StopAgent() {
    if (!agent_) return;
    agent_->Stop();
    thread_.join();
    agent_.reset();
  }
  void Write(int from, int to) {
    std::ofstream out(root_ + "/logs/a.log", std::ios::app);
    for (int i = from; i < to; ++i) out << "line " << i << " level=info some text\n";
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (const PushDouble::Row& row : server_.Rows()) texts.push_back(row.text);
    return texts;
  }
  static std::vector<std::string> Want(int from, int to) {
    std::vector<std::string> want;
    for (int i = from; i < to; ++i) want.push_back("line " + std::to_string(i) + " level=info some text");
    return want;
  }
  // Until the server has n rows, or 20 s.
  bool WaitForRows(size_t n) {
    for (int i = 0; i < 2000; ++i) {
      if (server_.row_count() >= n) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  // Until nothing is in flight; checks the sum on the way.
  AgentStats Settle() {
    AgentStats stats;
    for (int i = 0; i < 1000; ++i) {
      if (!agent_->GetStats(&stats)) continue;
      uint64_t refused = 0;
      for (const auto& [reason, counts] : stats.refused) refused += counts.first;
      uint64_t dropped = 0;
      for (const auto& [reason, counts] : stats.dropped) dropped += counts.lines;
      EXPECT_EQ(stats.read_lines, stats.acked_lines + stats.in_flight_lines + refused + dropped);
      if (stats.in_flight_lines == 0 && stats.tail.lag_bytes == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return stats;
  }

  PushDouble server_;
  std::string root_;
  AgentConfig config_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

TEST_F(AgentDeliveryTest, DeliversWithLevels) {
  StartAgent();
  Write(0, 100);
  ASSERT_TRUE(WaitForRows(100));
  EXPECT_EQ(Texts(), Want(0, 100));
  EXPECT_EQ(server_.Rows()[0].metadata, (std::map<std::string, std::string>{{"detected_level", "info"}}));
  const AgentStats stats = Settle();
  EXPECT_EQ(stats.acked_lines, 100u);
  EXPECT_EQ(stats.tail.lag_bytes, 0u);
  EXPECT_TRUE(agent_->healthy());
}

TEST_F(AgentDeliveryTest, EveryFaultAndEachLineOnce) {
  config_.batch_bytes = 2000;
  config_.push.ack_timeout_ns = 300 * kNsPerMs;
  server_.SetFaults({.retry = 0.1, .reset_before = 0.05, .reset_after = 0.05, .hang = 0.01});
  StartAgent();
  for (int i = 0; i < 50; ++i) {
    Write(i * 200, i * 200 + 200);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(WaitForRows(10000));
  EXPECT_EQ(Texts(), Want(0, 10000));
  server_.SetFaults({});
  const AgentStats stats = Settle();
  EXPECT_EQ(stats.acked_lines, 10000u);
  EXPECT_GT(stats.push.retries, 0u);
  EXPECT_GT(stats.push.connections, 1u);
  EXPECT_EQ(server_.undecodable(), 0);
}

TEST_F(AgentDeliveryTest, ServerAwayThenBack) {
  const int port = server_.port();
  server_.Shutdown();
  config_.memory_limit = 4 << 20;
  StartAgent();
  Write(0, 200000);  // more than may be held
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  AgentStats stats;
  ASSERT_TRUE(agent_->GetStats(&stats));
  EXPECT_LE(stats.memory_bytes, config_.memory_limit);
  EXPECT_EQ(stats.acked_lines, 0u);
  EXPECT_FALSE(stats.push.connected);
  server_.Listen(port);
  ASSERT_TRUE(WaitForRows(200000));
  EXPECT_EQ(Texts(), Want(0, 200000));
}

TEST_F(AgentDeliveryTest, StopsAndGoesOn) {
  for (int round = 0; round < 5; ++round) {
    StartAgent();
    Write(round * 1000, round * 1000 + 1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(round * 7));
    StopAgent();
  }
  StartAgent();
  ASSERT_TRUE(WaitForRows(5000));
  Settle();
  EXPECT_EQ(Texts(), Want(0, 5000));
}

TEST_F(AgentDeliveryTest, ServerLostItsDisk) {
  StartAgent();
  Write(0, 10);
  ASSERT_TRUE(WaitForRows(10));
  Settle();
  StopAgent();
  server_.Forget();
  StartAgent();
  Write(10, 20);
  ASSERT_TRUE(WaitForRows(10));
  EXPECT_EQ(Texts(), Want(10, 20));
}

TEST_F(AgentDeliveryTest, ServerKnowsLaterBatchesThanTheState) {
  StartAgent();
  Write(0, 10);
  ASSERT_TRUE(WaitForRows(10));
  Settle();
  StopAgent();
  server_.SetLastSequence(1000);
  StartAgent();
  Write(10, 20);
  ASSERT_TRUE(WaitForRows(20));
  std::set<std::string> texts;
  for (const std::string& text : Texts()) texts.insert(text);
  EXPECT_EQ(texts.size(), 20u);
}

TEST_F(AgentDeliveryTest, RefusedLinesAreCounted) {
  server_.refuse_all = true;
  StartAgent();
  Write(0, 10);
  ASSERT_TRUE(WaitForRows(10));
  const AgentStats stats = Settle();
  EXPECT_GE(stats.refused.at("line_too_long").first, 1u);
}

// The parts of a batch have one sequence; a server that knows no tenants sees them all as its own.
TEST_F(AgentDeliveryTest, TenantsOfAServerThatKnowsNone) {
  auto pipeline = MakePipeline(
      "[{regex: {expression: 'line (?P<n>[0-9])'}}, {match: {selector: '{job=\"job\"} |~ \"line [1-4]\"', "
      "stages: [{tenant: {source: n}}]}}]");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  config_.tail.targets.back().pipeline = std::move(*pipeline);
  PushDouble::Faults faults;
  faults.retry = 0.1;
  faults.reset_before = faults.reset_after = 0.1;
  server_.SetFaults(faults);
  for (int i = 0; i < 5; ++i) {
    Write(i * 100, i * 100 + 100);
    StartAgent();
    if (i == 4) {
      ASSERT_TRUE(WaitForRows(500)) << Texts().size();
      Settle();
    }
    StopAgent();
  }
  EXPECT_THAT(Texts(), testing::UnorderedElementsAreArray(Want(0, 500)));
}

TEST_F(AgentDeliveryTest, PageTells) {
  StartAgent();
  Write(0, 10);
  ASSERT_TRUE(WaitForRows(10));
  Settle();
  auto page = HttpPage::Start("127.0.0.1:0", {agent_.get()}, nullptr);
  ASSERT_TRUE(page.ok()) << page.status();
  const auto get = [&](const std::string& path) {
    const std::string command = "curl -s http://127.0.0.1:" + std::to_string((*page)->port()) + path;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string body(1 << 16, '\0');
    body.resize(std::fread(body.data(), 1, body.size(), pipe));
    ::pclose(pipe);
    return body;
  };
  EXPECT_EQ(get("/ready"), "ready\n");
  EXPECT_EQ(get("/healthy"), "healthy\n");
  EXPECT_THAT(get("/metrics"), testing::HasSubstr("agent_acked_lines_total 10"));
  EXPECT_THAT(get("/metrics"), testing::HasSubstr("agent_lost_bytes_total{reason=\"rotated_away\"} 0"));
  EXPECT_THAT(get("/targets"), testing::HasSubstr("\"lag_bytes\":0"));
  EXPECT_THAT(get("/nothing"), testing::HasSubstr("not found"));
}

}  // namespace
}  // namespace skald::agent
