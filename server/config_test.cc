#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "server/tenant/retention.h"

namespace skald::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Loaded {
  ServerConfig settings;
  Config config{"skald", "", "1"};
  std::vector<std::string> warnings;
  absl::Status status;

  explicit Loaded(const std::string& yaml) {
    RegisterServerOptions(&config, &settings);
    status = config.ApplyYaml(yaml, "skald.yaml", &warnings);
  }
};

// What Loki's getting-started page offers starts Skald too; what has no use here is named.
TEST(ServerConfig, TakesALokiConfiguration) {
  Loaded got(R"(
auth_enabled: true
server:
  http_listen_port: 3200
  grpc_listen_port: 9096
  http_listen_address: 0.0.0.0
  log_level: debug
common:
  instance_addr: 127.0.0.1
  path_prefix: /tmp/loki
  storage:
    filesystem:
      chunks_directory: /tmp/loki/chunks
  replication_factor: 1
schema_config:
  configs:
    - from: 2020-10-24
limits_config:
  max_query_series: 5000
  reject_old_samples: false
  max_line_size: 1MB
  discover_service_name: []
  unordered_writes: true
  nonsense: 1
)");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_TRUE(got.settings.auth_enabled);
  EXPECT_EQ(got.settings.http_listen, "0.0.0.0:3200");
  EXPECT_EQ(got.settings.grpc_listen, "127.0.0.1:9096");
  EXPECT_EQ(got.settings.data_dir, "/tmp/loki");
  EXPECT_EQ(got.settings.log_level, "debug");
  EXPECT_EQ(got.settings.limits.max_line_size, 1u << 20);
  EXPECT_THAT(got.settings.limits.discover_service_name, IsEmpty());
  EXPECT_EQ(got.warnings.size(), 6u);
  EXPECT_THAT(got.warnings,
              Contains(HasSubstr("schema_config is ignored; not needed: there is one storage format")));
  EXPECT_THAT(got.warnings, Contains(HasSubstr("limits_config.unordered_writes is ignored; not needed")));
  EXPECT_THAT(got.warnings,
              Contains("skald.yaml:24:13: limits_config.nonsense is not a setting of skald and is ignored"));
}

TEST(ServerConfig, RuleFilesLieWhereLokiHasThem) {
  EXPECT_EQ(Loaded("ruler: {storage: {type: local, local: {directory: /a}}}").settings.rules.directory, "/a");
  const Loaded newer("ruler_storage: {backend: local, local: {directory: /b}}");
  EXPECT_EQ(newer.settings.rules.directory, "/b");
  EXPECT_THAT(newer.warnings, Contains(HasSubstr("ruler_storage.backend is ignored; not needed")));
}

TEST(ServerConfig, PrintsWhatItReads) {
  Loaded first("limits_config: {per_stream_rate_limit: 3MB, query_timeout: 90s}\nwal: {sync: interval}\n");
  ASSERT_TRUE(first.status.ok());
  Loaded second(first.config.EffectiveYaml());
  ASSERT_TRUE(second.status.ok()) << second.status;
  EXPECT_THAT(second.warnings, IsEmpty());
  EXPECT_EQ(second.config.EffectiveYaml(), first.config.EffectiveYaml());
  EXPECT_EQ(second.settings.limits.query_timeout_ns, 90'000'000'000);
}

TEST(ServerConfig, Validates) {
  EXPECT_TRUE(ValidateServerConfig(ServerConfig()).ok());
  ServerConfig config;
  config.http_listen = "3100";
  EXPECT_EQ(MessageOf(ValidateServerConfig(config)),
            "--http-listen: \"3100\" is not an address of the form host:port, such as 127.0.0.1:3100");
  config = {};
  config.query_memory = 1;
  EXPECT_THAT(std::string(MessageOf(ValidateServerConfig(config))),
              HasSubstr("query.memory_per_query (512MB) is more than"));
  EXPECT_EQ(MessageOf(Loaded("server: {http_listen_port: 99999}").status),
            "skald.yaml:1:28: server.http_listen_port: \"99999\" is not a port from 0 to 65535");
}

TEST(ServerConfig, RetentionOfStreams) {
  Loaded got(R"(
compactor:
  retention_enabled: true
  delete_request_cancel_period: 1h
limits_config:
  retention_period: 744h
  retention_stream:
    - selector: '{namespace="dev"}'
      priority: 1
      period: 24h
    - selector: '{container="nginx", level="debug"}'
      priority: 2
      period: 2d
    - selector: '{namespace="dev", app="x"}'
      priority: 1
      period: 48h
)");
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_TRUE(got.settings.retention_enabled);
  const TenantLimits limits(got.settings.limits);
  const LimitsRetention retention(&limits);
  constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;
  EXPECT_EQ(retention.ShortestNs(), 24 * kHour);
  EXPECT_EQ(retention.LongestNs("t"), 744 * kHour);
  const struct {
    Labels stream;
    int64_t hours;
  } rows[] = {
      {{{"namespace", "prod"}}, 744},
      {{{"namespace", "dev"}}, 24},
      {{{"namespace", "dev"}, {"app", "x"}}, 24},  // of equals the shortest
      {{{"namespace", "dev"}, {"container", "nginx"}, {"level", "debug"}}, 48},
  };
  for (const auto& row : rows)
    EXPECT_EQ(retention.PeriodNs("t", row.stream), row.hours * kHour) << row.stream.ToString();

  const struct {
    const char* yaml;
    const char* error;
  } refused[] = {
      {"{selector: '{a=\"b\"}', period: 23h}", "must be >= 24h"},
      {"{selector: '{a=', period: 24h}", "parse error"},
      {"{period: 24h}", "no selector"},
      {"{selector: '{a=\"b\"}', period: 24h, x: 1}", "x is not known"},
      {"{selector: '{a=\"b\"}', period: soon}", "no duration"},
  };
  for (const auto& row : refused) {
    Loaded bad(std::string("limits_config:\n  retention_stream:\n    - ") + row.yaml + "\n");
    EXPECT_THAT(std::string(MessageOf(bad.status)), HasSubstr(row.error)) << row.yaml;
  }
}

}  // namespace
}  // namespace skald::server
