#include "server/tenant/ingestion_policy.h"

#include <gtest/gtest.h>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "server/push/generic_fields.h"

namespace skald::server {
namespace {

TEST(IngestionPolicy, BlockUntil) {
  const struct {
    const char* text;
    int64_t seconds;
    const char* printed;
  } kRows[] = {
      {"", 0, ""},
      {"0", 0, ""},
      {"2026-11-01T13:00:00Z", 1'793'538'000, "2026-11-01T13:00:00Z"},
      {"2026-11-01T13:00:00.987Z", 1'793'538'000, "2026-11-01T13:00:00Z"},
      {"2026-11-01T13:00:00+00:00", 1'793'538'000, "2026-11-01T13:00:00Z"},
      {"2026-11-01T15:00:00.5+02:00", 1'793'538'000, "2026-11-01T15:00:00+02:00"},
      {"2026-11-01T10:30:00-02:30", 1'793'538'000, "2026-11-01T10:30:00-02:30"},
      {"2026-11-01", 1'793'491'200, "2026-11-01T00:00:00Z"},
  };
  for (const auto& row : kRows) {
    const absl::StatusOr<BlockUntil> got = ParseBlockUntil(row.text);
    ASSERT_TRUE(got.ok()) << row.text << " " << got.status();
    EXPECT_EQ(got->time_ns / 1'000'000'000, row.seconds) << row.text;
    EXPECT_EQ(got->text, row.printed) << row.text;
  }
  for (const char* text : {"soon", "1793538000", "2026-13-01", "2026-11-01T25:00:00Z", "T"})
    EXPECT_FALSE(ParseBlockUntil(text).ok()) << text;
}

TEST(IngestionPolicy, PolicyOfAStream) {
  IngestionRules rules;
  const absl::Status status = ReadPolicySelectors(YAML::Load(R"(
beta: [{selector: '{app="tie"}', priority: 2}, {selector: '{app="b"}'}]
alpha: [{selector: '{app="tie"}', priority: 2}]
low: [{selector: '{app=~".+", env!="x"}', priority: -1}]
)"),
                                                  &rules);
  ASSERT_TRUE(status.ok()) << status;
  const auto of = [&](std::vector<Labels::Pair> pairs) {
    return std::string(rules.PolicyOf(Labels(std::move(pairs))));
  };
  EXPECT_EQ(of({{"app", "tie"}}), "alpha");
  EXPECT_EQ(of({{"app", "b"}}), "beta");
  EXPECT_EQ(of({{"app", "c"}}), "low");
  EXPECT_EQ(of({{"app", "c"}, {"env", "x"}}), "");
  EXPECT_EQ(of({{"job", "c"}}), "");
}

TEST(IngestionPolicy, BadYaml) {
  using Read = absl::Status (*)(const YAML::Node&, IngestionRules*);
  const struct {
    Read read;
    const char* yaml;
    const char* want;
  } kRows[] = {
      {ReadPolicySelectors, "5", "a map of policies is needed"},
      {ReadPolicySelectors, "p: 5", "policy p: a list is needed"},
      {ReadPolicySelectors, "p: [5]", "policy p: each entry is a map of selector and priority"},
      {ReadPolicySelectors, "p: [{priority: 1}]", "policy p: an entry has no selector"},
      {ReadPolicySelectors, "p: [{selector: '{a=\"b\"}', prio: 1}]", "policy p: prio is not known here"},
      {ReadPolicySelectors, "p: [{selector: '{a='}]",
       "policy p: parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING"},
      {ReadPolicyBlockUntil, "[p]", "a map of policies is needed"},
  };
  for (const auto& row : kRows) {
    IngestionRules rules;
    rules.policies["kept"];
    const absl::Status status = row.read(YAML::Load(row.yaml), &rules);
    EXPECT_EQ(MessageOf(status), row.want) << row.yaml;
    EXPECT_EQ(rules.policies.count("kept"), 1u) << "an error changes nothing";
  }
  IngestionRules rules;
  EXPECT_FALSE(ReadPolicyBlockUntil(YAML::Load("p: soon"), &rules).ok());
  EXPECT_FALSE(ReadPolicyEnforcedLabels(YAML::Load("p: {a: b}"), &rules).ok());
  GenericFieldHints hints;
  EXPECT_EQ(MessageOf(ReadGenericFields(YAML::Load("{field: {}}"), &hints)), "field is not known here");
  EXPECT_EQ(MessageOf(ReadGenericFields(YAML::Load("[a]"), &hints)), "a map with fields is needed");
  EXPECT_FALSE(ReadGenericFields(YAML::Load("{fields: {a: {}}}"), &hints).ok());
  EXPECT_TRUE(ReadGenericFields(YAML::Load("{fields: {a: [b, c]}}"), &hints).ok());
  EXPECT_EQ(hints, (GenericFieldHints{{"a", {"b", "c"}}}));
}

}  // namespace
}  // namespace skald::server
