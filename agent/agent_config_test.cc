#include "agent/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "agent/receivers/syslog_receiver.h"
#include "agent/testing/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;

absl::StatusOr<AgentSettings> Load(std::vector<const char*> args) {
  args.insert(args.begin(), "skald-agent");
  return LoadAgentSettings(static_cast<int>(args.size()), args.data());
}

absl::StatusOr<AgentSettings> LoadYaml(const std::string& yaml) {
  const std::string path = TestDirectory("config") + ".yaml";
  EXPECT_TRUE(WriteFileAtomically(path, yaml).ok());
  auto settings = Load({"--config", path.c_str(), "--node-name", "n1"});
  std::filesystem::remove(path);
  return settings;
}

TEST(AgentConfig, Defaults) {
  const auto settings = Load({});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->agent.tail.targets.size(), 4u);
  EXPECT_TRUE(settings->agent.journal.enabled);
  EXPECT_EQ(settings->agent.push.server, "127.0.0.1:9095");
  EXPECT_EQ(settings->agent.memory_limit, 128u << 20);
  EXPECT_FALSE(settings->agent.node_name.empty());
}

TEST(AgentConfig, CommandLine) {
  const auto settings = Load(
      {"--server", "s:1", "--dry-run", "/a/*.log", "--tenant=t", "/b/{c,d}.log", "--max-line-size", "1KB"});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->agent.push.server, "s:1");
  EXPECT_EQ(settings->agent.push.tenant, "t");
  EXPECT_TRUE(settings->dry_run);
  EXPECT_EQ(settings->agent.tail.max_line_size, 1024u);
  ASSERT_EQ(settings->agent.tail.targets.size(), 2u);
  EXPECT_EQ(settings->agent.tail.targets[1].include.size(), 2u);
  EXPECT_FALSE(settings->agent.journal.enabled);
  EXPECT_FALSE(Load({"--sevrer", "x"}).ok());
  EXPECT_THAT(Load({"--help"})->exit_text, HasSubstr("Without paths"));
}

TEST(AgentConfig, PromtailFile) {
  const auto settings = LoadYaml(R"(
server:
  http_listen_port: 9080
  grpc_listen_port: 0
positions:
  filename: /tmp/positions.yaml
clients:
  - url: http://loki.example:3100/loki/api/v1/push
    tenant_id: team
scrape_configs:
  - job_name: system
    static_configs:
      - targets: [localhost]
        labels:
          job: varlogs
          __path__: /var/log/*log
          __path_exclude__: /var/log/*.gz
      - targets: [localhost]
        labels:
          __host__: another
          __path__: /var/x
  - job_name: pods
    kubernetes_sd_configs: [{role: pod}]
    pipeline_stages:
      - cri: {}
      - regex: {expression: '(?P<a>x)'}
      - eventlogmessage: {}
    relabel_configs: []
  - job_name: journal
    journal:
      max_age: 12h
      matches: _TRANSPORT=kernel PRIORITY=3
      labels: {job: systemd}
)");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const AgentConfig& agent = settings->agent;
  ASSERT_TRUE(agent.loki.has_value());
  EXPECT_EQ(agent.loki->target.url, "http://loki.example:3100/loki/api/v1/push");
  EXPECT_EQ(agent.loki->tenant, "team");
  EXPECT_TRUE(settings->more.empty());
  EXPECT_EQ(agent.http_listen, "0.0.0.0:9080");
  ASSERT_EQ(agent.tail.targets.size(), 2u);
  EXPECT_EQ(agent.tail.targets[0].job, "system");
  EXPECT_EQ(agent.tail.targets[0].labels.Get("job"), "varlogs");
  EXPECT_TRUE(agent.tail.targets[0].include[0].Matches("/var/log/syslog"));
  EXPECT_TRUE(agent.tail.targets[0].exclude[0].Matches("/var/log/x.gz"));
  EXPECT_EQ(agent.tail.targets[1].format, LogFormat::kCri);
  EXPECT_TRUE(agent.journal.enabled);
  EXPECT_EQ(agent.journal.max_age_ns, 12 * 3600 * kNsPerSecond);
  EXPECT_THAT(agent.journal.matches, testing::ElementsAre("_TRANSPORT=kernel", "PRIORITY=3"));
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("stage \"eventlogmessage\"")));
  EXPECT_EQ(agent.tail.targets[0].pipeline, nullptr);
  EXPECT_NE(agent.tail.targets[1].pipeline, nullptr);
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("pods are known by the paths")));
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("clients")));
}

TEST(AgentConfig, SyslogTimes) {
  const auto load = [](const std::string& more) {
    return LoadYaml("scrape_configs: [{job_name: s, syslog: {listen_address: '127.0.0.1:1', " + more + "}}]");
  };
  const auto settings = load("rfc3164_time_zone: Asia/Tokyo, rfc3164_max_ahead: 36h");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const SyslogTimes& times = settings->receivers.syslog.at(0).times;
  EXPECT_EQ(times.zone.name(), "Asia/Tokyo");
  EXPECT_FALSE(times.guess_zone);
  EXPECT_EQ(times.max_ahead_ns, 36 * 3600 * kNsPerSecond);
  EXPECT_TRUE(load("rfc3164_time_zone: guess")->receivers.syslog.at(0).times.guess_zone);
  EXPECT_EQ(load("rfc3164_time_zone: Local")->receivers.syslog.at(0).times.zone, absl::LocalTimeZone());
  EXPECT_TRUE(load("rfc3164_default_to_current_year: true")->receivers.syslog.at(0).times.current_year);
  EXPECT_THAT(load("rfc3164_time_zone: Mars/Olympus").status().message(), HasSubstr("may be Local, guess"));
}

TEST(AgentConfig, Relabelling) {
  const auto settings = LoadYaml(R"(
scrape_configs:
  - job_name: files
    static_configs:
      - labels: {dir: app, kind: keep, __path__: /x}
      - labels: {dir: other, kind: lose, __path__: /y}
    relabel_configs:
      - {source_labels: [kind], regex: lose, action: drop}
      - {source_labels: [dir], regex: '(.*)', target_label: __path__, replacement: '/srv/$1/*.log'}
      - {source_labels: [dir], target_label: shard, modulus: 4, action: hashmod}
      - {regex: kind, action: labeldrop}
  - job_name: journal
    journal: {json: true, labels: {job: systemd}}
    relabel_configs: [{source_labels: [__journal__systemd_unit], target_label: unit}]
    pipeline_stages: [{static_labels: {a: b}}]
)");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const AgentConfig& agent = settings->agent;
  ASSERT_EQ(agent.tail.targets.size(), 1u);
  EXPECT_TRUE(agent.tail.targets[0].include[0].Matches("/srv/app/1.log"));
  EXPECT_EQ(agent.tail.targets[0].labels.size(), 2u);
  EXPECT_EQ(agent.tail.targets[0].labels.Get("dir"), "app");
  EXPECT_EQ(agent.tail.targets[0].labels.Get("shard").size(), 1u);
  EXPECT_TRUE(agent.journal.json);
  EXPECT_TRUE(agent.journal.relabelling.has_value());
  EXPECT_NE(agent.journal.pipeline, nullptr);
  EXPECT_FALSE(LoadYaml("scrape_configs: [{job_name: x, relabel_configs: [{action: cry}]}]").ok());
}

TEST(AgentConfig, EncodingOfAJobsFiles) {
  const auto settings = LoadYaml(R"(
scrape_configs:
  - job_name: windows
    static_configs: [{labels: {__path__: /var/log/w.log}}]
    file_sd_configs: [{files: [/etc/w.json]}]
    encoding: UTF-16
  - job_name: western
    encoding: iso-8859-1
    static_configs: [{labels: {__path__: /var/log/l.log}}]
  - job_name: usual
    encoding: utf-8
    static_configs: [{labels: {__path__: /var/log/u.log}}]
)");
  ASSERT_TRUE(settings.ok()) << settings.status();
  const AgentConfig& agent = settings->agent;
  ASSERT_EQ(agent.tail.targets.size(), 3u);
  EXPECT_EQ(agent.tail.targets[0].encoding.get(), &TextEncoding::Utf16BigEndian());
  ASSERT_EQ(agent.file_targets.size(), 1u);
  EXPECT_EQ(agent.file_targets[0].encoding.get(), &TextEncoding::Utf16BigEndian());
  ASSERT_NE(agent.tail.targets[1].encoding, nullptr);
  EXPECT_EQ(agent.tail.targets[1].encoding->name(), "iso-8859-1");
  EXPECT_EQ(agent.tail.targets[2].encoding, nullptr);
}

TEST(AgentConfig, SeveralEnds) {
  const auto settings = LoadYaml(R"(
server: {address: 'skald:9095'}
memory_limit: 96MB
clients:
  - name: a
    url: https://a.example/loki/api/v1/push
    batchwait: 5s
    batchsize: 102400
    timeout: 3s
    tenant_id: t
    external_labels: {cluster: c}
    headers: {X-One: '1'}
    basic_auth: {username: u, password_file: /p}
    tls_config: {ca_file: /ca, server_name: n, insecure_skip_verify: true}
    backoff_config: {min_period: 100ms, max_period: 5s, max_retries: 10}
  - url: grpc://b:9095
    bearer_token: x
scrape_configs:
  - job_name: x
    pipeline_stages:
      - metrics: {n: {type: Counter, config: {match_all: true, action: inc}}}
    static_configs: [{labels: {__path__: /a}}]
)");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->agent.end, "skald");
  EXPECT_EQ(settings->agent.push.server, "skald:9095");
  EXPECT_FALSE(settings->agent.loki.has_value());
  ASSERT_EQ(settings->more.size(), 2u);
  const AgentConfig& a = settings->more[0];
  EXPECT_EQ(a.end, "a");
  EXPECT_EQ(a.state.directory, settings->agent.state.directory + "/ends/a");
  EXPECT_EQ(a.batch_wait_ns, 5 * kNsPerSecond);
  EXPECT_EQ(a.batch_bytes, 102400u);
  EXPECT_EQ(a.memory_limit, 32u << 20);
  ASSERT_TRUE(a.loki.has_value());
  EXPECT_EQ(a.loki->target.timeout_ms, 3000);
  EXPECT_EQ(a.loki->tenant, "t");
  EXPECT_EQ(a.loki->external_labels.Get("cluster"), "c");
  EXPECT_EQ(a.loki->target.basic_username, "u");
  EXPECT_EQ(a.loki->target.server_name, "n");
  EXPECT_TRUE(a.loki->target.insecure_skip_verify);
  EXPECT_EQ(a.loki->min_backoff_ns, 100 * kNsPerMs);
  EXPECT_EQ(settings->more[1].push.server, "b:9095");
  // Pipelines hold state: each end has its own.
  EXPECT_NE(a.tail.targets[0].pipeline, settings->agent.tail.targets[0].pipeline);
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("max_retries")));
}

TEST(AgentConfig, WrongFilesAreErrorsWithAPlace) {
  for (const char* yaml :
       {"scrape_configs: 3", "scrape_configs:\n  - static_configs:\n      - labels: {'1x': a, __path__: /a}",
        "scrape_configs: [{job_name: x, encoding: nonsense}]",
        "scrape_configs: [{job_name: x, encoding: [a]}]", "scrape_configs:\n  - journal: {max_age: soon}",
        "batch: {window: 0}", "scrape_configs: [{job_name: [", "clients: [{name: x}]",
        "clients: [{url: 'ftp://x'}]", "clients: [{url: 'http://x', batchwait: soon}]",
        "clients: [{url: 'http://x', oauth2: {}}]", "clients: [{url: 'http://x', name: ../y}]",
        "clients: [{url: 'http://x', name: a}, {url: 'http://y', name: a}]"}) {
    const auto settings = LoadYaml(yaml);
    EXPECT_FALSE(settings.ok()) << yaml;
  }
}

TEST(AgentConfig, UnknownKeysWarn) {
  const auto settings = LoadYaml(
      "scrape_configs:\n  - job_name: x\n    azure_event_hubs: {}\n    static_configs: [{labels: {__path__: "
      "/a}}]\nwhat: 1\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("azure_event_hubs")));
  EXPECT_THAT(settings->warnings, Contains(HasSubstr("what")));
}

TEST(JournalSource, OpensAnEmptyDirectory) {
  const std::string directory = TestDirectory("journal");
  std::filesystem::create_directories(directory);
  JournalSourceOptions options;
  options.path = directory;
  LineRules rules{LineRuleOptions()};
  auto source = JournalSource::Open(options, &rules, Clock::System());
  ASSERT_TRUE(source.ok()) << source.status();
  (*source)->Start("");
  BatchBuilder batch(nullptr);
  EXPECT_EQ((*source)->ReadSome(10, &batch), 0u);
  EXPECT_FALSE((*source)->ready());
  EXPECT_FALSE((*source)->ReadAgain({"systemd-journal", "bad", "bad"}, &batch));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace skald::agent
