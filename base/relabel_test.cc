#include "base/relabel.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace skald {
namespace {

struct Row {
  const char* name;
  std::vector<RelabelConfig> configs;
  const char* want;  // "" = dropped
};

RelabelConfig Config(const std::string& action, const std::vector<std::string>& sources,
                     const std::string& regex, const std::string& target = "",
                     const std::string& replacement = "$1") {
  RelabelConfig config;
  config.action = action;
  config.source_labels = sources;
  config.regex = regex;
  config.target_label = target;
  config.replacement = replacement;
  return config;
}

// Of {alertname="A", app="api-7", env="Prod"}.
const Row kRows[] = {
    {"nothing", {}, R"({alertname="A", app="api-7", env="Prod"})"},
    {"replace",
     {Config("replace", {"app"}, "(.*)-(\\d+)", "app", "$1")},
     R"({alertname="A", app="api", env="Prod"})"},
    {"braces_and_names",
     {Config("replace", {"app"}, "(?P<name>.*)-(\\d+)", "x", "${name}_${2}$$")},
     R"({alertname="A", app="api-7", env="Prod", x="api_7$"})"},
    {"of_several",
     {Config("replace", {"app", "env"}, "(.*);(.*)", "x", "$2/$1")},
     R"({alertname="A", app="api-7", env="Prod", x="Prod/api-7"})"},
    {"no_match_changes_nothing",
     {Config("replace", {"app"}, "web.*", "app", "x")},
     R"({alertname="A", app="api-7", env="Prod"})"},
    {"anchored",
     {Config("replace", {"app"}, "api", "app", "x")},
     R"({alertname="A", app="api-7", env="Prod"})"},
    {"empty_removes", {Config("replace", {"app"}, ".*", "env", "")}, R"({alertname="A", app="api-7"})"},
    {"constant",
     {Config("replace", {}, "(.*)", "cluster", "one")},
     R"({alertname="A", app="api-7", cluster="one", env="Prod"})"},
    {"keep", {Config("keep", {"env"}, "Prod|Test")}, R"({alertname="A", app="api-7", env="Prod"})"},
    {"keep_not", {Config("keep", {"env"}, "Test")}, ""},
    {"drop", {Config("drop", {"app"}, "api-.*")}, ""},
    {"drop_not", {Config("drop", {"app"}, "api")}, R"({alertname="A", app="api-7", env="Prod"})"},
    {"keepequal", {Config("keepequal", {"app"}, "(.*)", "env")}, ""},
    {"dropequal", {Config("dropequal", {"app"}, "(.*)", "app")}, ""},
    {"labeldrop", {Config("labeldrop", {}, "app|env")}, R"({alertname="A"})"},
    {"labelkeep", {Config("labelkeep", {}, "alertname|env")}, R"({alertname="A", env="Prod"})"},
    {"labelmap",
     {Config("labelmap", {}, "(e.*)", "", "my_$1")},
     R"({alertname="A", app="api-7", env="Prod", my_env="Prod"})"},
    {"lowercase",
     {Config("lowercase", {"env"}, "(.*)", "env")},
     R"({alertname="A", app="api-7", env="prod"})"},
    {"uppercase",
     {Config("UpperCase", {"app"}, "(.*)", "app")},
     R"({alertname="A", app="API-7", env="Prod"})"},
    {"in_order",
     {Config("replace", {"app"}, "(.*)-.*", "app"), Config("keep", {"app"}, "api"),
      Config("labeldrop", {}, "env")},
     R"({alertname="A", app="api"})"},
    {"nothing_left", {Config("labeldrop", {}, ".*")}, ""},
};

class Relabel : public testing::TestWithParam<Row> {};

TEST_P(Relabel, Rows) {
  const absl::StatusOr<Relabelling> relabelling = Relabelling::Make(GetParam().configs);
  ASSERT_TRUE(relabelling.ok()) << relabelling.status().ToString();
  Labels labels{{"alertname", "A"}, {"app", "api-7"}, {"env", "Prod"}};
  const bool kept = relabelling->Apply(&labels);
  EXPECT_EQ(kept ? labels.ToString() : "", GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(Rules, Relabel, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(RelabelHashmod, TakesTheEndOfTheMd5) {
  RelabelConfig config = Config("hashmod", {"app", "env"}, "", "shard");
  config.modulus = 1000;
  const absl::StatusOr<Relabelling> relabelling = Relabelling::Make({config});
  ASSERT_TRUE(relabelling.ok()) << relabelling.status().ToString();
  Labels labels{{"app", "api-7"}, {"env", "Prod"}};
  EXPECT_TRUE(relabelling->Apply(&labels));
  EXPECT_EQ(labels.Get("shard"), "195");
}

TEST(RelabelErrors, AreTold) {
  const auto error = [](const RelabelConfig& config) {
    return std::string(MessageOf(Relabelling::Make({config}).status()));
  };
  EXPECT_NE(error(Config("hash", {"a"}, "(.*)", "b")).find("relabelling 1: action hash is not known"),
            std::string::npos);
  EXPECT_NE(error(Config("hashmod", {"a"}, "(.*)", "b")).find("needs a modulus"), std::string::npos);
  EXPECT_NE(error(Config("replace", {"a"}, "(.*)")).find("needs a target_label"), std::string::npos);
  EXPECT_NE(error(Config("keep", {"a"}, "(")).find("RE2"), std::string::npos);
}

}  // namespace
}  // namespace skald
