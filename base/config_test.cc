#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace skald {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Values {
  std::string listen = "127.0.0.1:3100";
  std::string sync = "always";
  int64_t streams = 100;
  bool auth = false;
  uint64_t line = 256 << 10;
  int64_t grace = 600'000'000'000;
  double rate = 0;
  std::vector<std::string> names = {"a", "b"};

  std::unique_ptr<Config> Register() {
    auto config = std::make_unique<Config>("prog", "Does things.", "1.2");
    config->Group("Listening");
    config->Text({.flag = "http-listen", .yaml = "server.listen", .env = "", .help = "where", .example = ""},
                 &listen);
    config->Choice({.flag = "wal-sync", .yaml = "wal.sync", .env = "", .help = "when", .example = ""}, &sync,
                   {"always", "off"});
    config->Bool({.flag = "auth", .yaml = "auth_enabled", .env = "", .help = "tenants", .example = ""},
                 &auth);
    config->Group("Limits");
    const auto limit = [](const std::string& key) {
      return OptionSpec{
          .flag = "", .yaml = "limits_config." + key, .env = "", .help = "limit", .example = ""};
    };
    config->Int(limit("streams"), &streams, 0, 1000);
    config->Bytes(limit("line"), &line);
    config->Duration(limit("grace"), &grace);
    config->Double(limit("rate"), &rate, 0, 100);
    config->List(limit("names"), &names);
    config->Yaml("server.port", [this](const ConfigValue& v) {
      if (v.text.size() > 5) return v.Wrong("a port");
      listen = "127.0.0.1:" + v.text;
      return absl::OkStatus();
    });
    config->Unused("schema_config", "not needed: there is one format");
    config->Alias("config.file", "config");
    return config;
  }
};

absl::StatusOr<Config::Loaded> Load(Config& config, std::vector<const char*> args) {
  args.insert(args.begin(), "prog");
  return config.Load(static_cast<int>(args.size()), args.data());
}

TEST(Config, CommandLineBeatsEnvironmentBeatsFileBeatsDefault) {
  const std::string file = ::testing::TempDir() + "/config_test.yaml";
  ASSERT_TRUE(
      WriteFileAtomically(file, "server: {listen: 'from-file:1'}\nwal: {sync: 'off'}\nauth_enabled: true\n")
          .ok());
  ::setenv("SKALD_HTTP_LISTEN", "from-env:2", 1);
  Values v;
  auto config = v.Register();
  auto loaded = Load(*config, {"-config.file", file.c_str()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(v.listen, "from-env:2");
  EXPECT_EQ(v.sync, "off");
  EXPECT_TRUE(v.auth);
  EXPECT_EQ(v.streams, 100);
  Values w;
  config = w.Register();
  ASSERT_TRUE(Load(*config, {"--config", file.c_str(), "--http-listen=flag:3", "--auth=false"}).ok());
  EXPECT_EQ(w.listen, "flag:3");
  EXPECT_FALSE(w.auth);
  ::unsetenv("SKALD_HTTP_LISTEN");
}

TEST(Config, ReadsEveryKindFromYaml) {
  Values v;
  auto config = v.Register();
  ::setenv("SKALD_TEST_RATE", "1.5", 1);
  std::vector<std::string> warnings;
  ASSERT_TRUE(
      config
          ->ApplyYaml(
              "limits_config:\n  streams: 7\n  line: 1MB\n  grace: 1h30m\n  rate: ${SKALD_TEST_RATE}\n"
              "  names: [x, y, ${SKALD_TEST_UNSET:z}]\nserver:\n  port: 99\n",
              "f.yaml", &warnings)
          .ok());
  EXPECT_EQ(v.streams, 7);
  EXPECT_EQ(v.line, 1u << 20);
  EXPECT_EQ(v.grace, 5'400'000'000'000);
  EXPECT_EQ(v.rate, 1.5);
  EXPECT_THAT(v.names, ElementsAre("x", "y", "z"));
  EXPECT_EQ(v.listen, "127.0.0.1:99");
  EXPECT_TRUE(warnings.empty());
  const std::string yaml = config->EffectiveYaml();
  EXPECT_THAT(
      yaml,
      HasSubstr(
          "limits_config:\n  streams: 7\n  line: 1MB\n  grace: 1h30m\n  rate: 1.5\n  names:\n    - x\n"));
  // What is printed reads back.
  Values w;
  ASSERT_TRUE(w.Register()->ApplyYaml(yaml, "printed", &warnings).ok());
  EXPECT_EQ(w.grace, v.grace);
  EXPECT_EQ(w.names, v.names);
}

TEST(Config, UnknownKeysWarn) {
  Values v;
  auto config = v.Register();
  std::vector<std::string> warnings;
  ASSERT_TRUE(config
                  ->ApplyYaml("schema_config:\n  configs: []\nlimits_config:\n  stream: 1\nzzz: {a: 1}\n",
                              "f.yaml", &warnings)
                  .ok());
  EXPECT_THAT(
      warnings,
      ElementsAre("f.yaml:2:3: schema_config is ignored; not needed: there is one format",
                  "f.yaml:4:11: limits_config.stream is not a setting of prog and is ignored; did you mean "
                  "limits_config.streams?",
                  "f.yaml:5:6: zzz is not a setting of prog and is ignored"));
}

TEST(Config, WrongValuesNamePlaceValueAndWhatIsAllowed) {
  const struct {
    const char* yaml;
    const char* want;
  } kRows[] = {
      {"limits_config:\n  line: 12 parsecs\n",
       "f.yaml:2:9: limits_config.line: \"12 parsecs\" is not a size: bytes, or a number with KB, MB, GB or "
       "TB"},
      {"limits_config: {streams: 5000}",
       "f.yaml:1:26: limits_config.streams: \"5000\" is not a whole number from 0 to 1000"},
      {"limits_config: {grace: 5x}",
       "f.yaml:1:24: limits_config.grace: \"5x\" is not a duration such as 250ms, 10s, 5m, 1h30m or 7d"},
      {"wal: {sync: maybe}", "f.yaml:1:13: wal.sync: \"maybe\" is not one of always, off"},
      {"auth_enabled: perhaps", "f.yaml:1:15: auth_enabled: \"perhaps\" is not true or false"},
      {"server: 5", "f.yaml:1:9: server: a mapping is expected here"},
      {"auth_enabled: [1]", "f.yaml:1:15: auth_enabled: a single value is expected here, not a list"},
      {"server: {port: 1234567}", "f.yaml:1:16: server.port: \"1234567\" is not a port"},
      {"a: [", "f.yaml:1:1: end of sequence flow not found"},
      {"- 1", "f.yaml: a YAML mapping of settings is expected"},
  };
  for (const auto& row : kRows) {
    Values v;
    auto config = v.Register();
    std::vector<std::string> warnings;
    EXPECT_EQ(MessageOf(config->ApplyYaml(row.yaml, "f.yaml", &warnings)), row.want) << row.yaml;
  }
  Values v;
  auto config = v.Register();
  EXPECT_EQ(MessageOf(Load(*config, {"--wal-sync", "x"}).status()),
            "--wal-sync: \"x\" is not one of always, off");
  EXPECT_EQ(MessageOf(Load(*config, {"--wal-sink", "x"}).status()),
            "unknown argument --wal-sink; did you mean --wal-sync?; prog --help lists all of them");
  EXPECT_THAT(std::string(MessageOf(Load(*config, {"--config", "/nonexistent/x.yaml"}).status())),
              HasSubstr("/nonexistent/x.yaml"));
}

TEST(Config, HelpTeaches) {
  Values v;
  auto config = v.Register();
  auto loaded = Load(*config, {"--help"});
  ASSERT_TRUE(loaded.ok());
  ASSERT_TRUE(loaded->exit_text.has_value());
  EXPECT_THAT(*loaded->exit_text,
              HasSubstr("Listening\n  --http-listen <text>\n      where (default: 127.0.0.1:3100)\n"
                        "      YAML server.listen, env SKALD_HTTP_LISTEN\n"));
  EXPECT_THAT(*loaded->exit_text, HasSubstr("limits_config.line: <size>\n      limit (default: 256KB)"));
  EXPECT_EQ(Load(*config, {"-v"})->exit_text, "prog 1.2\n");
}

TEST(Config, Values) {
  const struct {
    const char* text;
    std::optional<int64_t> want;
  } kDurations[] = {{"0", 0},
                    {"10m", 600'000'000'000},
                    {"1.5s", 1'500'000'000},
                    {"7d", 604'800'000'000'000},
                    {"1h30m", 5'400'000'000'000},
                    {"5", std::nullopt},
                    {"", std::nullopt},
                    {"m", std::nullopt},
                    {"-1s", std::nullopt}};
  for (const auto& row : kDurations) EXPECT_EQ(ParseConfigDuration(row.text), row.want) << row.text;
  const struct {
    const char* text;
    std::optional<uint64_t> want;
  } kSizes[] = {
      {"0", 0},           {"256KB", 262144},   {"256kb", 262144},      {"1 MiB", 1 << 20},  {"1.5k", 1536},
      {"4g", 1ull << 32}, {"x", std::nullopt}, {"5 xb", std::nullopt}, {"-5", std::nullopt}};
  for (const auto& row : kSizes) EXPECT_EQ(ParseConfigBytes(row.text), row.want) << row.text;
  EXPECT_EQ(FormatConfigDuration(5'400'000'000'000), "1h30m");
  EXPECT_EQ(FormatConfigBytes(262144), "256KB");
  EXPECT_EQ(FormatConfigBytes(1000), "1000B");
}

TEST(Config, ExpandsOnlyNames) {
  ::setenv("SKALD_TEST_A", "x", 1);
  ::unsetenv("SKALD_TEST_B");
  std::vector<std::string> unset;
  EXPECT_EQ(
      ExpandEnvironment("${SKALD_TEST_A} ${SKALD_TEST_B:d} ${SKALD_TEST_B:-e} ${1} $x ^a$ ${ ${SKALD_TEST_B}",
                        &unset),
      "x d e ${1} $x ^a$ ${ ");
  EXPECT_THAT(unset, ElementsAre("SKALD_TEST_B"));
}

TEST(Config, ExpandsAsLokiDoesWhenTold) {
  ::setenv("SKALD_TEST_A", "x", 1);
  ::unsetenv("SKALD_TEST_B");
  const struct {
    const char* text;
    const char* want;
  } rows[] = {{"$$1", "$1"},
              {"a\\\\d\\d", "a\\d\\d"},
              {"$1 $HOME $", "$1 $HOME $"},
              {"${1}", ""},
              {"$${SKALD_TEST_A}", "${SKALD_TEST_A}"},
              {"$$$1", "$$1"},
              {"${SKALD_TEST_A}", "x"},
              {"${SKALD_TEST_B:-e}", "e"}};
  for (const auto& row : rows) {
    std::vector<std::string> unset;
    EXPECT_EQ(ExpandEnvironment(row.text, &unset, true), row.want) << row.text;
  }
}

}  // namespace
}  // namespace skald
