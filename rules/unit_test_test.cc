#include "rules/unit_test.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "rules/rule_file.h"

namespace skald::rules {
namespace {

const std::string kTestdata = SKALD_RULES_TESTDATA;

std::string Failures(const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> failures = RunRuleTests(path);
  if (!failures.ok()) return std::string(MessageOf(failures.status()));
  std::string out;
  for (const std::string& failure : *failures) out += failure + "\n";
  return out;
}

TEST(RuleUnitTest, ThePromtoolExample) { EXPECT_EQ(Failures(kTestdata + "/promtool_test.yml"), ""); }

TEST(RuleUnitTest, LogLinesAsInput) { EXPECT_EQ(Failures(kTestdata + "/logs_test.yml"), ""); }

TEST(RuleUnitTest, TellsWhatWasExpectedAndWhatCame) {
  std::string text = ReadWholeFile(kTestdata + "/promtool_test.yml").value();
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("promtool_alerts.yml", kTestdata + "/promtool_alerts.yml");
  replace("severity: page", "severity: ticket");
  replace("value: 50", "value: 51");
  const std::string path = testing::TempDir() + "/rules-unit-" + std::to_string(::getpid()) + ".yml";
  ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  const std::string failures = Failures(path);
  std::filesystem::remove(path);
  EXPECT_NE(failures.find("alertname: InstanceDown, time: 10m"), std::string::npos) << failures;
  EXPECT_NE(failures.find("severity=\"ticket\""), std::string::npos) << failures;
  EXPECT_NE(failures.find("severity=\"page\""), std::string::npos) << failures;
  EXPECT_NE(failures.find("expr: \"go_goroutines > 5\", time: 4m"), std::string::npos) << failures;
}

TEST(ExpandSeries, Notation) {
  const auto text = [](std::string_view notation) {
    const absl::StatusOr<std::vector<double>> values = ExpandSeries(notation);
    if (!values.ok()) return std::string("error");
    std::string out;
    for (const double value : *values)
      out += std::isnan(value) ? "_ " : std::to_string(static_cast<int>(value)) + " ";
    return out;
  };
  EXPECT_EQ(text("1+0x6 0"), "1 1 1 1 1 1 1 0 ");
  EXPECT_EQ(text("10+10x2 30+20x5"), "10 20 30 30 50 70 90 110 130 ");
  EXPECT_EQ(text("5-2x3"), "5 3 1 -1 ");
  EXPECT_EQ(text("-2+4x3"), "-2 2 6 10 ");
  EXPECT_EQ(text("1 _ _x3 4x2"), "1 _ _ _ _ 4 4 4 ");
  EXPECT_EQ(text("1e1 1+x"), "error");
}

TEST(SeriesToLogQL, PutsSelectorsIntoLogQL) {
  struct Row {
    const char* text;
    const char* want;
  };
  const Row kRows[] = {
      {"up == 0", "last_over_time({__name__=\"up\"} | unwrap series_value [5m]) == 0"},
      {"sum by (job) (up{job=~\"a|b\"}) > 1e3",
       "sum by (job) (last_over_time({__name__=\"up\",job=~\"a|b\"} | unwrap series_value [5m])) > 1e3"},
      {"avg_over_time(x:y[10m])", "avg_over_time({__name__=\"x:y\"} | unwrap series_value [10m])"},
      {"rate(c[5m])", "rate_counter({__name__=\"c\"} | unwrap series_value [5m])"},
      {"vector(1) > bool 0", "vector(1) > bool 0"},
      {"rate({app=\"a\"}[5m])", "rate({app=\"a\"}[5m])"},
  };
  for (const Row& row : kRows) EXPECT_EQ(SeriesToLogQL(row.text), row.want);
}

// What is shipped loads, without so much as a warning.
TEST(DeployRules, AreFreeOfProblems) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SKALD_DEPLOY_RULES)) {
    if (entry.path().extension() != ".yaml") continue;
    RuleReadOptions options;
    options.lint = true;
    const RuleFileResult result =
        ReadRules(ReadWholeFile(entry.path()).value(), entry.path().filename().string(), options);
    for (const RuleProblem& problem : result.problems) ADD_FAILURE() << problem.Text();
    ++files;
  }
  EXPECT_EQ(files, 7);
}

}  // namespace
}  // namespace skald::rules
