#include "rules/rule_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace skald::rules {
namespace {

constexpr std::string_view kGood = R"(groups:
  - name: api
    interval: 30s
    query_offset: 10s
    limit: 20
    labels: {team: core}
    rules:
      - alert: ManyErrors
        expr: sum by (app) (rate({app="api"} |= "error" [5m])) > 1
        for: 5m
        keep_firing_for: 2m
        labels: {severity: page, app: "{{ $labels.app | toUpper }}"}
        annotations:
          summary: "{{ $value | humanize }} errors a second"
          runbook_url: http://wiki/errors
      - record: api:errors:rate5m
        expr: |
          sum(rate({app="api"} |= "error" [5m]))
        labels: {kind: log}
)";

TEST(RuleFile, Reads) {
  RuleReadOptions options;
  options.lint = true;
  const RuleFileResult result = ReadRules(kGood, "api.yaml", options);
  ASSERT_TRUE(result.ok()) << result.Errors();
  EXPECT_TRUE(result.problems.empty());
  ASSERT_EQ(result.file.groups.size(), 1u);
  const RuleGroup& group = result.file.groups[0];
  EXPECT_EQ(group.interval_ns, int64_t{30} * 1'000'000'000);
  EXPECT_EQ(group.query_offset_ns, int64_t{10} * 1'000'000'000);
  EXPECT_EQ(group.limit, 20);
  ASSERT_EQ(group.rules.size(), 2u);
  EXPECT_EQ(group.rules[0].for_ns, int64_t{300} * 1'000'000'000);
  EXPECT_EQ(group.rules[0].keep_firing_for_ns, int64_t{120} * 1'000'000'000);
  EXPECT_EQ(LabelsOf(group, group.rules[0]).at("team"), "core");
  EXPECT_EQ(group.rules[1].record, "api:errors:rate5m");
  EXPECT_NE(group.rules[1].parsed, nullptr);
}

TEST(RuleFile, WritesWhatItReads) {
  const RuleFileResult first = ReadRules(kGood, "a");
  const RuleFileResult again = ReadRules(RulesYaml(first.file.groups), "a");
  ASSERT_TRUE(again.ok()) << again.Errors();
  EXPECT_EQ(Fingerprint(again.file.groups[0]), Fingerprint(first.file.groups[0]));
  const RuleFileResult group = ReadRuleGroup(RuleGroupYaml(first.file.groups[0]), "a");
  ASSERT_TRUE(group.ok()) << group.Errors();
  EXPECT_EQ(Fingerprint(group.file.groups[0]), Fingerprint(first.file.groups[0]));
}

TEST(RuleFile, NothingIsAValidFile) {
  for (const char* text : {"", "groups:", "groups: []", "# nothing\n"})
    EXPECT_TRUE(ReadRules(text, "x").ok());
}

// A rule's lines, put into a group; they begin on line 4.
std::string InGroup(const std::string& rule) { return "groups:\n- name: g\n  rules:\n" + rule; }
std::string Alert(const std::string& expr) { return InGroup("  - alert: A\n    expr: " + expr + "\n"); }

struct Bad {
  const char* name;
  std::string text;
  int line;
  const char* what;
  const char* advice;
};

const Bad kBad[] = {
    {"not_yaml", "groups: [", 1, "not YAML", "indentation"},
    {"tab", "groups:\n\t- name: g\n", 2, "not YAML", "indentation"},
    {"not_utf8", "groups: \xff\n", 0, "UTF-8", "save it as UTF-8"},
    {"two_documents", "groups: []\n---\ngroups: []\n", 3, "second YAML document", "without ---"},
    {"list_at_top", "- name: g\n", 1, "map with the key groups", "write groups:"},
    {"text_at_top", "hello\n", 1, "map with the key groups", "write groups:"},
    {"unknown_top_key", "group:\n- name: g\n", 1, "unknown key group", "write groups"},
    {"groups_is_a_map", "groups:\n  name: g\n", 2, "groups is not a list", "- name:"},
    {"group_is_text", "groups:\n- g\n", 2, "a group is a map", "- name:"},
    {"group_without_name", "groups:\n- rules: []\n", 2, "no name", "write name:"},
    {"group_with_empty_name", "groups:\n- name: \"\"\n  rules: []\n", 2, "no name", "write name:"},
    {"group_twice", "groups:\n- {name: g, rules: []}\n- {name: g, rules: []}\n", 3, "taken already",
     "a name of its own"},
    {"key_twice", "groups:\n- name: g\n  name: h\n  rules: []\n", 3, "stands twice", "keep one"},
    {"group_without_rules", "groups:\n- name: g\n", 2, "no rules", "write rules:"},
    {"rules_is_a_map", "groups:\n- name: g\n  rules: {alert: A}\n", 3, "rules is not a list", "- alert:"},
    {"unknown_group_key", "groups:\n- name: g\n  evaluation_interval: 1m\n  rules: []\n", 3,
     "unknown key evaluation_interval", "write interval"},
    {"interval_without_unit", "groups:\n- name: g\n  interval: 30\n  rules: []\n", 3, "not a duration",
     "interval: 30s"},
    {"interval_in_words", "groups:\n- name: g\n  interval: often\n  rules: []\n", 3,
     "\"often\" is not a duration", "interval: 5m"},
    {"interval_negative", "groups:\n- name: g\n  interval: -1m\n  rules: []\n", 3, "not a duration",
     "cannot be negative"},
    {"interval_too_short", "groups:\n- name: g\n  interval: 100ms\n  rules: []\n", 3, "shorter than a second",
     "interval: 1s"},
    {"interval_is_a_list", "groups:\n- name: g\n  interval: [1m]\n  rules: []\n", 3, "not a duration",
     "interval: 5m"},
    {"limit_negative", "groups:\n- name: g\n  limit: -1\n  rules: []\n", 3, "whole number", "limit: 0"},
    {"limit_in_words", "groups:\n- name: g\n  limit: many\n  rules: []\n", 3, "whole number", "limit: 0"},
    {"rule_is_text", InGroup("  - A\n"), 4, "a rule is a map", "- alert:"},
    {"rule_without_name", InGroup("  - expr: vector(1)\n"), 4, "neither alert nor record", "alert: NAME"},
    {"rule_with_both", InGroup("  - alert: A\n    record: b\n    expr: vector(1)\n"), 5,
     "both alert and record", "two rules"},
    {"rule_without_expr", InGroup("  - alert: A\n"), 4, "no expr", "write expr:"},
    {"expr_empty", Alert("\"\""), 5, "empty", "sum(rate("},
    {"expr_is_a_map", Alert("{app: api}"), 5, "expr is not text", "single quotes"},
    {"unknown_rule_key", InGroup("  - alert: A\n    expr: vector(1)\n    severity: page\n"), 6,
     "unknown key severity", "labels: {severity"},
    {"misspelt_expr", InGroup("  - alert: A\n    expr: vector(1)\n    expression: x\n"), 6,
     "unknown key expression", "write expr"},
    {"misspelt_key", InGroup("  - alret: A\n    expr: vector(1)\n"), 4, "unknown key alret", "write alert"},
    {"summary_outside", InGroup("  - alert: A\n    expr: vector(1)\n    summary: x\n"), 6,
     "unknown key summary", "annotations: {summary"},
    {"for_without_unit", InGroup("  - alert: A\n    expr: vector(1)\n    for: 5\n"), 6, "not a duration",
     "for: 5s"},
    {"for_in_go_form", InGroup("  - alert: A\n    expr: vector(1)\n    for: 1.5h\n"), 6, "not a duration",
     "for: 5m"},
    {"for_of_a_record", InGroup("  - record: a\n    expr: vector(1)\n    for: 5m\n"), 6, "has no for",
     "remove for"},
    {"keep_firing_for_of_a_record", InGroup("  - record: a\n    expr: vector(1)\n    keep_firing_for: 5m\n"),
     6, "has no keep_firing_for", "remove keep_firing_for"},
    {"annotations_of_a_record", InGroup("  - record: a\n    expr: vector(1)\n    annotations: {a: b}\n"), 6,
     "has no annotations", "alert in place of record"},
    {"record_name", InGroup("  - record: a-b\n    expr: vector(1)\n"), 4, "not a metric name", "a_b"},
    {"labels_is_a_list", InGroup("  - alert: A\n    expr: vector(1)\n    labels: [a]\n"), 6,
     "labels is not a map", "labels: {name"},
    {"label_name", InGroup("  - alert: A\n    expr: vector(1)\n    labels: {a-b: c}\n"), 6, "not a name",
     "a_b"},
    {"label_alertname", InGroup("  - alert: A\n    expr: vector(1)\n    labels: {alertname: c}\n"), 6,
     "set by the rule's name", "alert: NAME"},
    {"label_name_of_metric", InGroup("  - record: a\n    expr: vector(1)\n    labels: {__name__: c}\n"), 6,
     "set by the rule's name", "record: NAME"},
    {"label_value_is_a_map", InGroup("  - alert: A\n    expr: vector(1)\n    labels: {a: {{ $value }}}\n"), 6,
     "is not text", "need quotes"},
    {"annotation_name", InGroup("  - alert: A\n    expr: vector(1)\n    annotations: {\"a b\": c}\n"), 6,
     "not a name", "a_b"},
    {"template_open", InGroup("  - alert: A\n    expr: vector(1)\n    annotations: {a: \"{{ $value\"}\n"), 6,
     "does not parse", "close it"},
    {"template_function",
     InGroup("  - alert: A\n    expr: vector(1)\n    annotations: {a: \"{{ human $value }}\"}\n"), 6,
     "does not parse", "humanizePercentage"},
    {"template_variable",
     InGroup("  - alert: A\n    expr: vector(1)\n    annotations: {a: \"{{ $valeu }}\"}\n"), 6,
     "does not parse", "$value"},
    {"rule_twice", InGroup("  - {alert: A, expr: vector(1)}\n  - {alert: A, expr: vector(1)}\n"), 5,
     "stands twice", "different labels"},
    {"log_query", Alert("'{app=\"api\"} |= \"error\"'"), 5, "log query",
     "sum(count_over_time({app=\"api\"} |= \"error\" [5m])) > 0"},
    {"promql", Alert("up == 0"), 5, "syntax error", "LogQL counts lines"},
    {"histogram_quantile", Alert("histogram_quantile(0.9, sum(rate(x[5m])))"), 5, "parse error",
     "quantile_over_time"},
    {"increase", Alert("'increase({a=\"b\"}[5m]) > 1'"), 5, "parse error", "count_over_time"},
    {"absent", Alert("'absent({a=\"b\"})'"), 5, "parse error", "absent_over_time"},
    {"no_range", Alert("'rate({a=\"b\"}) > 1'"), 5, "parse error", "[5m]"},
    {"empty_selector", Alert("'rate({}[5m]) > 1'"), 5, "at least one", "name a label"},
    {"unknown_unit", Alert("'rate({a=\"b\"}[5x]) > 1'"), 5, "parse error", "5m or 1h30m"},
    {"blank_in_range", Alert("'rate({a=\"b\"}[5 m]) > 1'"), 5, "parse error", "5m or 1h30m"},
    {"open_bracket", Alert("'sum(rate({a=\"b\"}[5m]) > 1'"), 5, "parse error", "a ) is missing"},
    {"bracket_too_many", Alert("'rate({a=\"b\"}[5m])) > 1'"), 5, "parse error", "too many"},
    {"metric", Alert("'sum(rate(http_requests_total{code=\"500\"}[5m])) > 1'"), 5, "parse error",
     "no metrics such as http_requests_total"},
    {"single_quotes", Alert("'rate({a=''b''}[5m]) > 1'"), 5, "parse error", "double quotes"},
    {"no_quotes", Alert("'rate({a=b}[5m]) > 1'"), 5, "parse error", "in quotes"},
    {"no_quotes_in_filter", Alert("'rate({a=\"b\"} |= error [5m]) > 1'"), 5, "parse error", "in quotes"},
    {"no_quotes_in_comparison", Alert("'rate({a=\"b\"} | level == error [5m]) > 1'"), 5, "parse error",
     "\"error\""},
    {"two_equals", Alert("'rate({a==\"b\"}[5m]) > 1'"), 5, "parse error", "one ="},
    {"percent", Alert("'rate({a=\"b\"}[5m]) > 5%'"), 5, "parse error", "0.05"},
    {"by_without_brackets", Alert("'sum by app (rate({a=\"b\"}[5m])) > 1'"), 5, "parse error", "by (app)"},
    {"subquery", Alert("'max_over_time(rate({a=\"b\"}[5m])[1h:]) > 1'"), 5, "parse error", "no subqueries"},
    {"arrow", Alert("'rate({a=\"b\"}[5m]) => 1'"), 5, "parse error", "write >="},
    {"misspelt_function", Alert("'cout_over_time({a=\"b\"}[5m]) > 1'"), 5, "parse error",
     "write count_over_time"},
    {"function_of_promql", Alert("'delta({a=\"b\"}[5m]) > 1'"), 5, "parse error", "LogQL has no delta"},
    {"misspelt_stage", Alert("'rate({a=\"b\"} | jsn [5m]) > 1'"), 5, "parse error", "write json"},
    {"quantile_without_number", Alert("'quantile_over_time({a=\"b\"} | unwrap d [5m]) > 1'"), 5,
     "parse error", "0.95"},
    {"topk_without_number", Alert("'topk(rate({a=\"b\"}[5m])) > 1'"), 5, "parse error", "topk(5"},
    {"grouped_rate", Alert("'rate({a=\"b\"}[5m]) by (app) > 1'"), 5, "parse error", "sum by (app)"},
    {"number_in_quotes", Alert("'rate({a=\"b\"}[5m]) > \"1\"'"), 5, "parse error", "without quotes"},
    {"comma_at_end", Alert("'rate({a=\"b\",}[5m]) > 1'"), 5, "parse error", "remove the comma"},
    {"star", Alert("'rate({a=~\"*\"}[5m]) > 1'"), 5, "parse error", ".*"},
    {"unwrap_nothing", Alert("'avg_over_time({a=\"b\"} | unwrap [5m]) > 1'"), 5, "parse error",
     "name the field"},
    {"nothing_to_compare", Alert("'rate({a=\"b\"}[5m]) >'"), 5, "parse error", "missing at the end"},
    {"two_exclamation_marks", Alert("'rate({a=\"b\"} !! \"x\" [5m]) > 1'"), 5, "parse error", "|="},
    {"zero_range", Alert("'rate({a=\"b\"}[0s]) > 1'"), 5, "is zero", "[5m]"},
    {"sum_without_unwrap", Alert("'sum_over_time({a=\"b\"}[5m]) > 1'"), 5, "without unwrap",
     "unwrap duration"},
    {"bad_line_regex", Alert("'rate({a=\"b\"} |~ \"(\" [5m]) > 1'"), 5, "missing closing", "RE2"},
    {"bad_line_template", Alert("'rate({a=\"b\"} | line_format \"{{.x\" [5m]) > 1'"), 5, "line_format",
     "template's braces"},
    {"template_in_expr", Alert("'rate({a=\"b\"}[5m]) > {{ 1 }}'"), 5, "parse error",
     "labels and annotations only"},
    {"ampersands", Alert("'rate({a=\"b\"}[5m]) > 1 && vector(1)'"), 5, "", "`and`"},
    {"variants", Alert("'variants(count_over_time({a=\"b\"}[5m])) of ({a=\"b\"}[5m])'"), 5, "variant",
     "one rule for each"},
    {"selector_macro", Alert("'rate($selector[5m]) > 1'"), 5, "$selector", "{app=\"api\"}"},
};

class BadRules : public testing::TestWithParam<Bad> {};

TEST_P(BadRules, AreRefusedWithPlaceAndAdvice) {
  const Bad& row = GetParam();
  const RuleFileResult result = ReadRules(row.text, "bad.yaml");
  ASSERT_FALSE(result.ok());
  const RuleProblem& problem = result.problems[0];
  EXPECT_EQ(problem.line, row.line) << result.Errors();
  EXPECT_EQ(problem.file, "bad.yaml");
  EXPECT_NE(problem.what.find(row.what), std::string::npos) << problem.Text();
  EXPECT_NE(problem.advice.find(row.advice), std::string::npos) << problem.Text();
  EXPECT_FALSE(problem.advice.empty());
  const std::string place = row.line > 0 ? fmt::format("bad.yaml:{}:", row.line) : "bad.yaml: ";
  EXPECT_TRUE(problem.Text().starts_with(place)) << problem.Text();
}

INSTANTIATE_TEST_SUITE_P(RuleFile, BadRules, testing::ValuesIn(kBad),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(RuleFile, AllProblemsOfAFileAreTold) {
  const RuleFileResult result = ReadRules(
      InGroup("  - alert: A\n    expr: up\n    for: 5\n  - record: a-b\n    expr: '{a=\"b\"}'\n"), "x");
  EXPECT_EQ(result.problems.size(), 4u) << result.Errors();
}

TEST(RuleFile, AFileInPlaceOfAGroup) {
  const RuleFileResult result = ReadRuleGroup("groups:\n- {name: g, rules: []}\n", "ns");
  ASSERT_EQ(result.problems.size(), 1u) << result.Errors();
  EXPECT_NE(result.problems[0].Text().find("without groups:"), std::string::npos) << result.Errors();
}

TEST(RuleFile, PlaceInsideABlockOfText) {
  const RuleFileResult result = ReadRules(
      InGroup("  - alert: A\n    expr: |\n      sum(\n        rate({a=\"b\"}[5m]))\n      > > 1\n"), "x");
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_EQ(result.problems[0].line, 8) << result.Errors();
}

TEST(RuleFile, SelectorStandsForTheServicesStreams) {
  RuleReadOptions options;
  options.selector = "{service=\"api\"}";
  const RuleFileResult result = ReadRules(Alert("'rate($selector |= \"x\" [5m]) > 1'"), "x", options);
  ASSERT_TRUE(result.ok()) << result.Errors();
  EXPECT_EQ(result.file.groups[0].rules[0].expr, "rate({service=\"api\"} |= \"x\" [5m]) > 1");
}

TEST(RuleFile, LintWarns) {
  RuleReadOptions options;
  options.lint = true;
  const RuleFileResult result = ReadRules(
      InGroup(
          "  - {alert: A, expr: vector(1)}\n  - {alert: B, expr: vector(1), labels: {severity: critical}}\n"),
      "x", options);
  EXPECT_TRUE(result.ok());
  ASSERT_EQ(result.problems.size(), 4u);
  EXPECT_NE(result.problems[2].what.find("runbook_url"), std::string::npos);
}

TEST(RuleFile, LintWarnsOfLongWindowsWhoseValuesAreKept) {
  const struct {
    const char* expr;
    const char* warning;  // "" = none
  } kCases[] = {
      {R"(vector(1) + sum(quantile_over_time(0.9, {a="b"} | unwrap n [2d])))", "a window of 2d"},
      {R"(label_replace(quantile_over_time(0.9, {a="b"} | unwrap n [30d]), "x", "y", "a", ".*") > 1)",
       "a window of 30d"},
      {R"(sum(quantile_over_time(0.9, {a="b"} | unwrap n [1d])))", ""},
      {R"(sum(count_over_time({a="b"}[30d])))", ""},
      {R"(sum(rate_counter({a="b"} | unwrap n [30d])))", ""},
  };
  RuleReadOptions options;
  options.lint = true;
  for (const auto& test : kCases) {
    const RuleFileResult result =
        ReadRules(InGroup(fmt::format("  - {{record: 'r:x', expr: '{}'}}\n", test.expr)), "x", options);
    EXPECT_TRUE(result.ok()) << test.expr;
    if (*test.warning == '\0') {
      EXPECT_TRUE(result.problems.empty()) << test.expr << result.problems[0].Text();
    } else {
      ASSERT_EQ(result.problems.size(), 1u) << test.expr;
      EXPECT_NE(result.problems[0].what.find(test.warning), std::string::npos) << result.problems[0].Text();
    }
  }
}

}  // namespace
}  // namespace skald::rules
