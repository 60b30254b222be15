#include "rules/declared.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/testing/manual_clock.h"
#include "base/testing/temp_dir.h"
#include "rules/declared_services.h"

namespace skald::rules {
namespace {

struct Row {
  const char* name;
  TextMap labels;
  // name|expr|for|severity of each rule, persistent ones with a star; or parts of the first problem.
  std::vector<std::string> want;
  bool is_problem = false;
};

const std::string kExpr = "sum(rate($selector |= \"error\" [5m])) > 1";
const std::string kFull = "sum(rate({service_name=\"go-demo_main\"} |= \"error\" [5m])) > 1";

std::vector<std::string> Texts(const DeclaredRules& declared) {
  std::vector<std::string> out;
  for (const bool persistent : {false, true}) {
    for (const Rule& rule : persistent ? declared.persistent : declared.rules) {
      const auto severity = rule.labels.find("severity");
      out.push_back(rule.alert + "|" + rule.expr + "|" + std::to_string(rule.for_ns / kNsPerSecond) + "|" +
                    (severity == rule.labels.end() ? "" : severity->second) + (persistent ? "*" : ""));
    }
  }
  return out;
}

const Row kRows[] = {
    {"no_labels", {}, {}},
    {"flow_without_notify", {{"com.df.alertName", "mem"}, {"com.df.alertIf", kExpr}}, {}},
    {"flow_with_notify_off",
     {{"com.df.notify", "false"}, {"com.df.alertName", "mem"}, {"com.df.alertIf", kExpr}},
     {}},
    {"flow",
     {{"com.df.notify", "true"},
      {"com.df.alertName", "mem"},
      {"com.df.alertIf", kExpr},
      {"com.df.alertFor", "30s"},
      {"com.df.alertLabels", "severity=page,team=core"},
      {"com.df.scrapePort", "8080"}},
     {"godemomainmem|" + kFull + "|30|page"}},
    {"flow_indexed_with_a_hole",
     {{"com.df.notify", "true"},
      {"com.df.alertName.1", "memload"},
      {"com.df.alertIf.1", kExpr},
      {"com.df.alertName.3", "disk-load"},
      {"com.df.alertIf.3", "vector(1)"},
      {"com.df.alertFor.3", "1m"}},
     {"godemomainmemload|" + kFull + "|0|", "godemomaindiskload|vector(1)|60|"}},
    {"flow_persistent",
     {{"com.df.notify", "true"},
      {"com.df.alertName", "gone"},
      {"com.df.alertIf", "absent_over_time($selector[2m])"},
      {"com.df.alertPersistent", "true"}},
     {"godemomaingone|absent_over_time({service_name=\"go-demo_main\"}[2m])|0|*"}},
    {"own",
     {{"skald.io/alert.errors.expr", kExpr},
      {"skald.io/alert.errors.for", "2m"},
      {"skald.io/alert.errors.severity", "page"},
      {"skald.io/alert.errors.summary", "{{ $value }} errors"},
      {"skald.io/alert.slow.expr", "vector(1)"},
      {"skald.io/alert.slow.labels.team", "core"}},
     {"godemomainerrors|" + kFull + "|120|page", "godemomainslow|vector(1)|0|"}},
    {"own_selector",
     {{"skald.io/selector", "{app=\"demo\", tier=~\"a|b\"}"},
      {"skald.io/alert.x.expr", "rate($selector[1m]) > 1"}},
     {"godemomainx|rate({app=\"demo\", tier=~\"a|b\"}[1m]) > 1|0|"}},
    {"both_forms",
     {{"com.df.notify", "true"},
      {"com.df.alertName", "mem"},
      {"com.df.alertIf", "vector(1)"},
      {"skald.io/alert.x.expr", "vector(2)"}},
     {"godemomainmem|vector(1)|0|", "godemomainx|vector(2)|0|"}},
    {"flow_without_expression",
     {{"com.df.notify", "true"}, {"com.df.alertName.2", "mem"}},
     {"com.df.alertIf.2", "write com.df.alertIf.2"},
     true},
    {"flow_without_name",
     {{"com.df.notify", "true"}, {"com.df.alertIf", kExpr}},
     {"write com.df.alertName"},
     true},
    {"flow_shortcut",
     {{"com.df.notify", "true"}, {"com.df.alertName", "m"}, {"com.df.alertIf", "@service_mem_limit:0.8"}},
     {"shortcut for metrics", "write LogQL"},
     true},
    {"flow_bad_labels",
     {{"com.df.notify", "true"},
      {"com.df.alertName", "m"},
      {"com.df.alertIf", kExpr},
      {"com.df.alertLabels", "page"}},
     {"com.df.alertLabels", "write severity=page"},
     true},
    {"flow_bad_index",
     {{"com.df.notify", "true"}, {"com.df.alertName.x", "m"}},
     {"not an index", "alertName.1"},
     true},
    {"promql", {{"skald.io/alert.x.expr", "up == 0"}}, {"syntax error", "LogQL counts lines"}, true},
    {"log_query",
     {{"skald.io/alert.x.expr", "$selector |= \"error\""}},
     {"log query", "count_over_time"},
     true},
    {"bad_duration",
     {{"skald.io/alert.x.expr", "vector(1)"}, {"skald.io/alert.x.for", "5"}},
     {"skald.io/alert.x.for", "write 5m"},
     true},
    {"no_expression", {{"skald.io/alert.x.for", "5m"}}, {"write skald.io/alert.x.expr"}, true},
    {"unknown_field",
     {{"skald.io/alert.x.expr", "vector(1)"}, {"skald.io/alert.x.sevrity", "page"}},
     {"unknown field sevrity", "severity"},
     true},
    {"bad_template",
     {{"skald.io/alert.x.expr", "vector(1)"}, {"skald.io/alert.x.summary", "{{ $valeu }}"}},
     {"does not parse", "$value"},
     true},
    {"bad_selector",
     {{"skald.io/selector", "app=demo"}, {"skald.io/alert.x.expr", "rate($selector[1m])"}},
     {"not a stream selector", "write {app="},
     true},
};

class Declarations : public testing::TestWithParam<Row> {};

TEST_P(Declarations, AreRead) {
  const Row& row = GetParam();
  const DeclaredRules declared = ReadDeclaration({"go-demo_main", "", row.labels});
  if (!row.is_problem) {
    EXPECT_TRUE(declared.problems.empty()) << declared.problems.front();
    EXPECT_EQ(Texts(declared), row.want);
    return;
  }
  ASSERT_FALSE(declared.problems.empty());
  EXPECT_TRUE(declared.rules.empty());
  for (const std::string& part : row.want) {
    EXPECT_NE(declared.problems.front().find(part), std::string::npos) << declared.problems.front();
  }
}

INSTANTIATE_TEST_SUITE_P(Declared, Declarations, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Declared, LabelsOfTheRule) {
  const DeclaredRules declared = ReadDeclaration({"api",
                                                  "",
                                                  {{"skald.io/alert.x.expr", "vector(1)"},
                                                   {"skald.io/alert.x.runbook_url", "http://r"},
                                                   {"skald.io/alert.x.annotations.dashboard", "d"}}});
  ASSERT_EQ(declared.rules.size(), 1u);
  EXPECT_EQ(declared.rules[0].labels, (TextMap{{"service_name", "api"}}));
  EXPECT_EQ(declared.rules[0].annotations, (TextMap{{"dashboard", "d"}, {"runbook_url", "http://r"}}));
}

class DeclaredServicesTest : public testing::Test {
 protected:
  DeclaredServicesTest() {
    options_.groups.evaluate = [](const std::string&, const logql::ExprPtr&, int64_t,
                                  int64_t) -> absl::StatusOr<Vector> {
      Vector vector;
      vector.samples.push_back({Labels(), 1});
      return vector;
    };
    Restart();
  }
  ~DeclaredServicesTest() override {
    services_ = nullptr;
    manager_ = nullptr;
    db_ = nullptr;
  }
  void Restart() {
    services_ = nullptr;
    manager_ = nullptr;
    db_ = nullptr;
    db_ = RuleDb::Open(directory_ + "/db").value();
    manager_ = std::make_unique<Manager>(options_, ManagerSinks(), db_.get(), &clock_, &metrics_);
    DeclaredServicesOptions declared;
    declared.silence_ns = 24 * 3600 * kNsPerSecond;
    declared.clock = &clock_;
    services_ = std::make_unique<DeclaredServices>(manager_.get(), db_.get(), declared);
    manager_->Poll();
  }
  static ServiceDeclaration Service(const std::string& name, const std::string& expr,
                                    const std::string& more = "") {
    ServiceDeclaration out{name, "", {{"skald.io/alert.a.expr", expr}, {"skald.io/alert.a.for", "5m"}}};
    if (!more.empty()) out.labels["skald.io/alert.p.expr"] = more;
    if (!more.empty()) out.labels["skald.io/alert.p.persistent"] = "true";
    return out;
  }
  void Run(int minutes) {
    const int64_t end = clock_.now_ns + minutes * 60 * kNsPerSecond;
    while (true) {
      const int64_t next = manager_->RunDue();
      if (next > end) break;
      clock_.now_ns = next;
    }
    clock_.now_ns = end;
  }
  // name expr state of each rule.
  std::set<std::string> Rules() {
    std::set<std::string> out;
    for (const GroupStatus& group : manager_->Status("t")) {
      for (const RuleStatus& rule : group.rules)
        out.insert(rule.rule.alert + " " + rule.rule.expr + " " + std::string(Name(rule.state)));
    }
    return out;
  }
  using Set = std::set<std::string>;

  TempDir dir_;
  const std::string directory_ = dir_.path();
  ManagerOptions options_;
  ManualClock clock_{int64_t{1'700'000'040} * kNsPerSecond};
  Metrics metrics_;
  std::unique_ptr<RuleDb> db_;
  std::unique_ptr<Manager> manager_;
  std::unique_ptr<DeclaredServices> services_;
};

TEST_F(DeclaredServicesTest, ComeChangeAndGo) {
  ASSERT_TRUE(services_->Set("t", "http", Service("api", "vector(1)")).ok());
  EXPECT_EQ(Rules(), Set{"apia vector(1) inactive"}) << "at once";
  Run(3);
  EXPECT_EQ(Rules(), Set{"apia vector(1) pending"});
  ASSERT_TRUE(services_->Set("t", "http", Service("api", "vector(2)")).ok());
  EXPECT_EQ(Rules(), Set{"apia vector(2) pending"}) << "with its state";
  EXPECT_FALSE(services_->Set("t", "http", Service("api", "up")).ok());
  EXPECT_EQ(Rules(), Set{"apia vector(2) pending"}) << "what is wrong changes nothing";
  ASSERT_TRUE(services_->Remove("t", "http", "api").ok());
  EXPECT_EQ(Rules(), Set{});
  Restart();
  EXPECT_EQ(Rules(), Set{});
}

TEST_F(DeclaredServicesTest, ReturnAfterARestartWithTheirState) {
  ASSERT_TRUE(services_->Set("t", "http", Service("api", "vector(1)")).ok());
  Run(3);
  const int64_t active_at = manager_->Status("t")[0].rules[0].alerts[0].active_at_ns;
  Restart();
  EXPECT_EQ(Rules(), Set{"apia vector(1) pending"});
  Run(4);
  EXPECT_EQ(Rules(), Set{"apia vector(1) firing"});
  EXPECT_EQ(manager_->Status("t")[0].rules[0].alerts[0].fired_at_ns, active_at + 300 * kNsPerSecond);
}

TEST_F(DeclaredServicesTest, AServiceLivesAsLongAsSomeSourceHasIt) {
  const ServiceDeclaration api = Service("api", "vector(1)");
  EXPECT_TRUE(services_->Replace("t", "agent 1", {api, Service("web", "vector(3)")}).empty());
  EXPECT_TRUE(services_->Replace("t", "agent 2", {api}).empty());
  EXPECT_EQ(Rules().size(), 2u);
  EXPECT_TRUE(services_->Replace("t", "agent 1", {}).empty());
  EXPECT_EQ(Rules(), Set{"apia vector(1) inactive"});
  Restart();
  EXPECT_EQ(Rules(), Set{"apia vector(1) inactive"});
  EXPECT_TRUE(services_->Replace("t", "agent 2", {}).empty());
  EXPECT_EQ(Rules(), Set{});
}

// Its node is gone for good; the last agent that is left knows of no other.
TEST_F(DeclaredServicesTest, AnAgentThatIsSilentForADayHasNoServices) {
  const int64_t hour = 3600 * kNsPerSecond;
  EXPECT_TRUE(
      services_->Replace("t", "agent 1", {Service("api", "vector(1)"), Service("web", "vector(2)")}).empty());
  ASSERT_TRUE(services_->Set("t", "http", Service("hand", "vector(3)")).ok());
  clock_.now_ns += 20 * hour;
  EXPECT_TRUE(services_->Replace("t", "agent 2", {Service("web", "vector(2)")}).empty());
  EXPECT_TRUE(services_->Replace("u", "agent 3", {}).empty());
  EXPECT_EQ(Rules().size(), 3u);
  Restart();  // counts from here again: nobody could be heard meanwhile
  clock_.now_ns += 20 * hour;
  EXPECT_TRUE(services_->Replace("t", "agent 2", {Service("web", "vector(2)")}).empty());
  EXPECT_EQ(Rules().size(), 3u);
  clock_.now_ns += 5 * hour;
  EXPECT_EQ(Rules().size(), 3u) << "as long as nobody is heard, nobody is silent";
  EXPECT_TRUE(services_->Replace("t", "agent 2", {Service("web", "vector(2)")}).empty());
  EXPECT_EQ(Rules(), (Set{"handa vector(3) inactive", "weba vector(2) inactive"}));
}

TEST_F(DeclaredServicesTest, TheNewestWordCountsAndProblemsLeaveTheOthers) {
  EXPECT_TRUE(services_->Replace("t", "agent 1", {Service("api", "vector(1)")}).empty());
  EXPECT_EQ(services_->Replace("t", "agent 2", {Service("bad", "up"), Service("api", "vector(2)")}).size(),
            1u);
  EXPECT_EQ(Rules(), Set{"apia vector(2) inactive"});
  EXPECT_TRUE(services_->Replace("t", "agent 1", {Service("api", "vector(1)")}).empty()) << "nothing new";
  EXPECT_EQ(Rules(), Set{"apia vector(2) inactive"});
  EXPECT_TRUE(services_->Replace("other", "agent 2", {}).empty());
  EXPECT_EQ(Rules(), Set{"apia vector(2) inactive"}) << "another tenant's agent";
}

TEST_F(DeclaredServicesTest, PersistentAlertsStay) {
  ASSERT_TRUE(services_->Set("t", "http", Service("api", "vector(1)", "vector(9)")).ok());
  EXPECT_EQ(Rules().size(), 2u);
  ASSERT_TRUE(services_->Remove("t", "http", "api").ok());
  EXPECT_EQ(Rules(), Set{"apip vector(9) inactive"});
  Restart();
  EXPECT_EQ(Rules(), Set{"apip vector(9) inactive"});
  ASSERT_TRUE(services_->Set("t", "http", Service("api", "vector(1)")).ok());
  EXPECT_EQ(Rules(), Set{"apia vector(1) inactive"});
}

TEST_F(DeclaredServicesTest, AThousandServices) {
  std::vector<ServiceDeclaration> all;
  for (int i = 0; i < 1000; ++i) all.push_back(Service("s" + std::to_string(i), "rate($selector[1m]) > 1"));
  EXPECT_TRUE(services_->Replace("t", "agent 1", all).empty());
  EXPECT_EQ(Rules().size(), 1000u);
  Restart();
  EXPECT_EQ(Rules().size(), 1000u);
}

}  // namespace
}  // namespace skald::rules
