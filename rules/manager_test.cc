// Files, schedule and restarts, with a clock that the test moves.
#include "rules/manager.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/testing/manual_clock.h"
#include "base/testing/temp_dir.h"

namespace skald::rules {
namespace {

constexpr int64_t kMinute = 60 * kNsPerSecond;
constexpr int64_t kStart = int64_t{1'700'000'040} * kNsPerSecond;

class ManagerTest : public testing::Test {
 protected:
  ManagerTest() {
    options_.rules_directory = directory_ + "/rules";
    options_.api_directory = directory_ + "/api";
    options_.groups.evaluate = [this](const std::string&, const logql::ExprPtr&, int64_t,
                                      int64_t) -> absl::StatusOr<Vector> {
      ++evaluations_;
      Vector vector;
      if (present_) vector.samples.push_back({Labels{{"app", "a"}}, 1});
      return vector;
    };
    Restart();
  }
  ~ManagerTest() override {
    manager_ = nullptr;
    history_ = nullptr;
    db_ = nullptr;
  }
  // As after a kill: nothing but the disk is left.
  void Restart() {
    manager_ = nullptr;
    history_ = nullptr;
    db_ = nullptr;
    db_ = RuleDb::Open(directory_ + "/db").value();
    history_ = std::make_unique<History>(
        [this](const std::string& tenant, const std::vector<HistoryLine>& lines) {
          const std::lock_guard lock(mu_);
          for (const HistoryLine& line : lines)
            kept_lines_.push_back(tenant + " " + line.alert + " " + line.state);
          return absl::OkStatus();
        },
        db_.get(), nullptr);
    ManagerSinks sinks;
    sinks.history = history_.get();
    manager_ = std::make_unique<Manager>(options_, sinks, db_.get(), &clock_, &metrics_);
  }
  void Write(const std::string& file, const std::string& text) {
    ASSERT_TRUE(CreateDirectories(directory_ + "/rules/fake").ok());
    ASSERT_TRUE(WriteFileAtomically(directory_ + "/rules/fake/" + file, text).ok());
  }
  void Run(double minutes) {
    const int64_t end = clock_.now_ns + static_cast<int64_t>(minutes * 60) * kNsPerSecond;
    while (true) {
      const int64_t next = manager_->RunDue();
      if (next > end) break;
      clock_.now_ns = next;
    }
    clock_.now_ns = end;
  }
  AlertState State() { return manager_->Status("fake").at(0).rules.at(0).state; }
  int64_t ActiveAt() { return manager_->Status("fake").at(0).rules.at(0).alerts.at(0).active_at_ns; }

  TempDir dir_;
  const std::string directory_ = dir_.path();
  ManagerOptions options_;
  ManualClock clock_{kStart};
  Metrics metrics_;
  std::unique_ptr<RuleDb> db_;
  std::mutex mu_;
  std::vector<std::string> kept_lines_;
  std::unique_ptr<History> history_;
  std::unique_ptr<Manager> manager_;
  int evaluations_ = 0;
  bool present_ = true;
};

std::string Alert(const std::string& duration, const std::string& name = "A") {
  return "groups:\n- name: g\n  rules:\n  - {alert: " + name + ", expr: vector(1), for: " + duration + "}\n";
}

TEST_F(ManagerTest, EvaluatesOnItsInterval) {
  Write("a.yaml", Alert("2m"));
  manager_->Poll();
  Run(10);
  EXPECT_EQ(evaluations_, 10);
  EXPECT_EQ(State(), AlertState::kFiring);
  const GroupStatus status = manager_->Status("fake")[0];
  EXPECT_EQ(status.missed, 0u);
  EXPECT_EQ(status.iterations, 10u);
}

TEST_F(ManagerTest, MissedIterationsAreCountedAndNotCaughtUp) {
  Write("a.yaml", Alert("2m"));
  manager_->Poll();
  Run(2);
  const int before = evaluations_;
  clock_.now_ns += 5 * kMinute;
  manager_->RunDue();
  EXPECT_EQ(evaluations_, before + 1);
  EXPECT_EQ(manager_->Status("fake")[0].missed, 4u);
  EXPECT_NE(
      metrics_.Text().find("loki_prometheus_rule_group_iterations_missed_total{rule_group=\"a.yaml;g\",user="
                           "\"fake\"} 4"),
      std::string::npos)
      << metrics_.Text();
}

TEST_F(ManagerTest, CountsItsWorkUnderPrometheusNames) {
  Write("a.yaml", Alert("2m"));
  manager_->Poll();
  Run(3);
  Restart();
  manager_->Poll();
  Run(1);
  const std::string text = metrics_.Text();
  const std::string of = "{rule_group=\"a.yaml;g\",user=\"fake\"}";
  for (const std::string& line :
       {std::string("loki_prometheus_rule_evaluation_duration_seconds_count 4"),
        std::string("loki_prometheus_rule_group_duration_seconds_count 4"),
        "loki_prometheus_rule_evaluations_total" + of + " 4",
        "loki_prometheus_rule_evaluation_failures_total" + of + " 0",
        "loki_prometheus_rule_group_interval_seconds" + of + " 60",
        "loki_prometheus_rule_group_rules" + of + " 1", "loki_prometheus_rule_group_iterations_total" + of,
        "loki_prometheus_rule_group_last_duration_seconds" + of,
        "loki_prometheus_rule_group_last_evaluation_timestamp_seconds" + of,
        "loki_prometheus_rule_group_last_evaluation_samples" + of,
        "loki_prometheus_rule_group_last_restore_duration_seconds" + of}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
}

struct RestartCase {
  const char* name;
  const char* duration;
  int64_t outage_ns;
  bool kept;
};

class Restarts : public ManagerTest, public testing::WithParamInterface<RestartCase> {};

TEST_P(Restarts, KeepForInsideTheTolerance) {
  const RestartCase& row = GetParam();
  Write("a.yaml", Alert(row.duration));
  manager_->Poll();
  Run(3);
  ASSERT_EQ(State(), AlertState::kPending);
  const int64_t active_at = ActiveAt();
  Restart();
  clock_.now_ns += row.outage_ns;
  manager_->Poll();
  Run(1);
  EXPECT_EQ(ActiveAt() == active_at, row.kept);
}

// Prometheus starts alerts with `for` below ten minutes anew; here the state itself is kept, so that none
// loses its time.
INSTANTIATE_TEST_SUITE_P(ManagerTest, Restarts,
                         testing::Values(RestartCase{"short_for_inside", "5m", kMinute, true},
                                         RestartCase{"long_for_inside", "30m", kMinute, true},
                                         RestartCase{"short_for_at_the_edge", "5m", 58 * kMinute, true},
                                         RestartCase{"long_for_at_the_edge", "30m", 58 * kMinute, true},
                                         RestartCase{"short_for_outside", "5m", 62 * kMinute, false},
                                         RestartCase{"long_for_outside", "30m", 62 * kMinute, false}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(ManagerTest, FiresOnTimeOverARestart) {
  Write("a.yaml", Alert("5m"));
  manager_->Poll();
  Run(3);
  const int64_t active_at = ActiveAt();
  Restart();
  manager_->Poll();
  Run(4);
  EXPECT_EQ(State(), AlertState::kFiring);
  EXPECT_EQ(manager_->Status("fake")[0].rules[0].alerts[0].fired_at_ns, active_at + 5 * kMinute);
}

TEST_F(ManagerTest, ABadFileLeavesTheRulesThatRun) {
  Write("a.yaml", Alert("1m"));
  Write("b.yaml", Alert("1m", "B"));
  manager_->Poll();
  Run(3);
  Write("a.yaml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: '{a=\"b\"}'}\n");
  manager_->Poll();
  ASSERT_EQ(manager_->FileProblems().size(), 1u);
  EXPECT_NE(manager_->FileProblems()[0].find("/rules/fake/a.yaml:4:"), std::string::npos);
  EXPECT_NE(manager_->FileProblems()[0].find("log query"), std::string::npos);
  ASSERT_EQ(manager_->Status("fake").size(), 2u);
  EXPECT_EQ(State(), AlertState::kFiring);
  Write("a.yaml", Alert("2m"));
  manager_->Poll();
  EXPECT_TRUE(manager_->FileProblems().empty());
}

TEST_F(ManagerTest, OnlyWhatChangedIsReloaded) {
  Write("a.yaml", Alert("10m"));
  Write("b.yaml", Alert("10m", "B"));
  manager_->Poll();
  Run(3);
  const int64_t active_at = ActiveAt();
  Write("a.yaml", Alert("20m"));
  manager_->Poll();
  EXPECT_EQ(ActiveAt(), active_at);
  EXPECT_EQ(manager_->Status("fake")[0].iterations, 3u);
  std::filesystem::remove(directory_ + "/rules/fake/b.yaml");
  manager_->Poll();
  EXPECT_EQ(manager_->Status("fake").size(), 1u);
}

TEST_F(ManagerTest, NamespacesOfTheApi) {
  RuleGroup group = ReadRuleGroup("name: g\nrules: [{alert: A, expr: vector(1)}]\n", "x").file.groups[0];
  ASSERT_TRUE(manager_->SetGroup("fake", "team/one", group).ok());
  EXPECT_FALSE(manager_->SetGroup("fake", "../x", group).ok());
  EXPECT_EQ(manager_->Namespaces("fake").at("team/one").size(), 1u);
  EXPECT_TRUE(manager_->Namespaces("other").empty());
  Restart();
  manager_->Poll();
  EXPECT_EQ(manager_->Namespaces("fake").at("team/one").size(), 1u) << "they are files too";
  Write("f.yaml", Alert("1m"));
  manager_->Poll();
  EXPECT_FALSE(manager_->SetGroup("fake", "f.yaml", group).ok()) << "what people wrote is theirs";
  EXPECT_EQ(manager_->DeleteGroup("fake", "team/one", "no").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(manager_->DeleteGroup("fake", "team/one", "g").ok());
  EXPECT_EQ(manager_->DeleteNamespace("fake", "team/one").code(), absl::StatusCode::kNotFound);
}

TEST_F(ManagerTest, TenantsAreEnabledAndDisabled) {
  const RuleGroup group =
      ReadRuleGroup("name: g\nrules: [{alert: A, expr: vector(1)}]\n", "x").file.groups[0];
  const auto evaluated = [&] {
    std::string out;
    for (const char* tenant : {"one", "two", "three"}) {
      manager_->SetDeclared(tenant, "service api", {group});
      if (!manager_->Status(tenant).empty()) out += std::string(tenant) + " ";
    }
    return out;
  };
  EXPECT_EQ(evaluated(), "one two three ");
  options_.enabled_tenants = {"one", "two"};
  Restart();
  EXPECT_EQ(evaluated(), "one two ");
  options_.disabled_tenants = {"two"};
  Restart();
  EXPECT_EQ(evaluated(), "one ");
}

TEST_F(ManagerTest, DeclaredRulesLiveAndDieWithTheirService) {
  RuleGroup group = ReadRuleGroup("name: g\nrules: [{alert: A, expr: vector(1)}]\n", "x").file.groups[0];
  manager_->SetDeclared("fake", "service api", {group});
  Run(2);
  EXPECT_EQ(State(), AlertState::kFiring);
  manager_->SetDeclared("fake", "service api", {});
  EXPECT_TRUE(manager_->Status("fake").empty());
  for (int i = 0; i < 500; ++i) {
    {
      const std::lock_guard lock(mu_);
      if (kept_lines_.size() == 2) break;
    }
    ::usleep(5000);
  }
  const std::lock_guard lock(mu_);
  EXPECT_EQ(kept_lines_, (std::vector<std::string>{"fake A firing", "fake A inactive"}));
}

}  // namespace
}  // namespace skald::rules
