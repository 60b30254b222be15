#include "agent/discovery/log_switches.h"

#include <gmock/gmock.h>

#include <yaml-cpp/yaml.h>

#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kAnnotation[] = "__meta_kubernetes_pod_annotation_logs_skald_io_";

std::shared_ptr<const Pipeline> Stages(const std::string& yaml) {
  auto pipeline = std::make_shared<Pipeline>();
  EXPECT_TRUE(AddStages(YAML::Load(yaml), pipeline.get(), [](const YAML::Node&, const std::string& why) {
                FAIL() << why;
              }).ok());
  return pipeline;
}

TEST(LogSwitches, WhatPodsMaySay) {
  const auto quiet = Stages("[{drop: {expression: debug}}]");
  struct Row {
    const char* allowed;
    std::vector<std::pair<const char*, const char*>> said;
    const char* container;
    bool excluded = false;
    bool pipeline = false;
    double rate = 0;
    const char* tenant = "";
  };
  const Row rows[] = {
      {.allowed = "all", .said = {}, .container = "main"},
      {.allowed = "all", .said = {{"exclude", "true"}}, .container = "main", .excluded = true},
      {.allowed = "all", .said = {{"exclude", "false"}}, .container = "main"},
      {.allowed = "all", .said = {{"exclude", "proxy, main"}}, .container = "main", .excluded = true},
      {.allowed = "all", .said = {{"exclude", "proxy"}}, .container = "main"},
      {.allowed = "tenant", .said = {{"exclude", "true"}}, .container = "main"},
      {.allowed = "include-containers", .said = {{"include_containers", "a,b"}}, .container = "b"},
      {.allowed = "all", .said = {{"include_containers", "a,b"}}, .container = "c", .excluded = true},
      {.allowed = "all", .said = {{"pipeline", "quiet"}}, .container = "c", .pipeline = true},
      {.allowed = "exclude , tenant", .said = {{"pipeline", "quiet"}}, .container = "c"},
      {.allowed = "all", .said = {{"pipeline", "loud"}}, .container = "c"},
      {.allowed = "rate-limit", .said = {{"rate_limit", "0.5"}}, .container = "c", .rate = 0.5},
      {.allowed = "all", .said = {{"rate_limit", "many"}}, .container = "c"},
      {.allowed = "all", .said = {{"rate_limit", "-1"}}, .container = "c"},
      {.allowed = "all",
       .said = {{"tenant", "blue"}, {"rate_limit", "10"}},
       .container = "c",
       .rate = 10,
       .tenant = "blue"},
  };
  for (const Row& row : rows) {
    const auto switches = LogSwitches::Make(row.allowed, {{"quiet", quiet}});
    ASSERT_TRUE(switches.ok()) << switches.status();
    Labels meta{{"__meta_kubernetes_pod_container_name", row.container}};
    std::string what = row.allowed;
    for (const auto& [name, value] : row.said) {
      meta.Set(kAnnotation + std::string(name), value);
      what += fmt::format(" {}={}", name, value);
    }
    const LogSwitch said = (*switches)->Of(meta);
    EXPECT_EQ(said.excluded, row.excluded) << what;
    EXPECT_EQ(said.pipeline, row.pipeline ? quiet : nullptr) << what;
    EXPECT_EQ(said.max_lines_per_second, row.rate) << what;
    EXPECT_EQ(said.tenant, row.tenant) << what;
  }
  // Of Docker, a container's labels.
  const auto switches = LogSwitches::Make("all", {});
  EXPECT_TRUE((*switches)->Of({{"__meta_docker_container_label_logs_skald_io_exclude", "true"}}).excluded);
  EXPECT_THAT(LogSwitches::Make("exclude,tenants", {}).status().message(),
              HasSubstr("\"tenants\" is none of"));
}

// Says of all logs the same.
class Told : public LogMetadata {
 public:
  Answer Find(const std::string& /*path*/, Labels* meta) const override {
    *meta = labels;
    return Answer::kFound;
  }
  uint64_t version() const override { return now; }
  void Say(const std::string& name, const std::string& value) {
    labels.Set(kAnnotation + name, value);
    ++now;
  }
  Labels labels;
  uint64_t now = 1;
};

class LogSwitchesTest : public TailerTest {
 protected:
  void SetUp() override {
    TailerTest::SetUp();
    told_ = std::make_shared<Told>();
    AddTarget("logs/*.log");
    auto switches = LogSwitches::Make("all", {{"quiet", Stages("[{drop: {expression: debug}}]")}});
    ASSERT_TRUE(switches.ok());
    Target& target = options_.targets[0];
    target.discovery = Discovery::kKubernetes;
    target.metadata = told_;
    target.switches = *switches;
    target.pipeline = Stages("[{replace: {expression: '(secret)', replace: x}}]");
  }
  std::shared_ptr<Told> told_;
};

TEST_F(LogSwitchesTest, ChangesCountFromTheNextLineOn) {
  Start();
  Append("a.log", "secret debug 1\n");
  EXPECT_THAT(Await(1), ElementsAre("x debug 1"));
  EXPECT_THAT(taken_.back().labels, Not(HasSubstr("tenant")));
  // Other stages, and somebody else's.
  told_->Say("pipeline", "quiet");
  told_->Say("tenant", "blue");
  Turn();
  Append("a.log", "secret debug 2\nsecret 3\n");
  std::string labels;
  for (int turn = 0; turn < 1000 && labels.empty(); ++turn) {
    TurnFor(kShortNs);
    if (batch_->lines() == 0) continue;
    const auto batch = batch_->Seal();
    ASSERT_EQ(batch->tenants.size(), 1u);
    EXPECT_EQ(batch->tenants.begin()->first, "blue");
    const std::vector<Line> lines = LinesOf(*batch->tenants.begin()->second);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].text, "secret 3");
    labels = lines[0].labels;
  }
  EXPECT_THAT(labels, HasSubstr("job=\"job\""));
  // Switched off, and on again.
  told_->Say("tenant", "");
  told_->Say("exclude", "true");
  TurnFor(2 * kShortNs);
  Append("a.log", "4\n");
  TurnFor(3 * kShortNs);
  EXPECT_THAT(Take(), IsEmpty());
  told_->Say("exclude", "no");
  Append("a.log", "5\n");
  EXPECT_THAT(Await(2), testing::Contains("5"));
}

TEST_F(LogSwitchesTest, RateIsOfOneLog) {
  told_->Say("rate_limit", "3");
  Start();
  for (const char* name : {"a.log", "b.log"}) {
    for (int i = 0; i < 10; ++i) Append(name, fmt::format("{} {}\n", name, i));
  }
  const auto dropped = [&] { return tailer_->GetStats().parse.dropped["log_rate_limit"].lines; };
  size_t got = 0;
  for (int turn = 0; turn < 1000 && got + dropped() < 20; ++turn) got += TurnAndTake().size();
  // Each of both has its three lines at once; a slow machine lets some more through.
  EXPECT_GE(got, 6u);
  EXPECT_EQ(got + dropped(), 20u);
  EXPECT_GE(dropped(), 1u);
}

}  // namespace
}  // namespace skald::agent
