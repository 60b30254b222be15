#include "cli/migrate/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <yaml-cpp/yaml.h>

#include "cli/migrate/river.h"
#include "cli/migrate/yaml_tree.h"

namespace skald::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(YamlTree, WritesWhatYamlReads) {
  for (const char* text : {"plain",       "",     "with blank", "it's",
                           "- dash",      "a: b", "#x",         "{app=\"x\"}",
                           "line\nbreak", "~",    "*x",         "/var/log/*.log",
                           "yes",         "\x01", "%x",         "@x",
                           "`x`",         "!x",   "&x",         ":",
                           "x:"}) {
    YamlTree tree;
    tree["key"] = text;
    EXPECT_EQ(YAML::Load(tree.Text())["key"].as<std::string>(), text) << tree.Text();
  }
  YamlTree tree;
  tree.Note("before a");
  tree["a"]["b"].Append("one");
  YamlTree& map = tree["a"]["b"].Append({});
  map["c"] = "two";
  map.Note("before d");
  map["d"] = "three";
  tree["a"]["b"].Note("at the end");
  tree["empty"] = YamlTree::List();
  EXPECT_EQ(tree.Text(),
            "# before a\n"
            "a:\n"
            "  b:\n"
            "    - one\n"
            "    - c: two\n"
            "      # before d\n"
            "      d: three\n"
            "    # at the end\n"
            "empty: []\n");
  EXPECT_EQ(tree.notes(), 3U);
}

TEST(Migrate, Promtail) {
  const auto migration = MigratePromtail(R"(server:
  http_listen_port: 9080
  register_instrumentation: true
positions: {filename: /tmp/positions.yaml}
clients:
  - url: http://loki:3100/loki/api/v1/push
    tenant_id: one
    oauth2: {client_id: x}
    proxy_url: http://p
scrape_configs:
  - job_name: system
    static_configs:
      - targets: [localhost]
        labels: {job: varlogs, __path__: /var/log/*log}
    pipeline_stages:
      - eventlogmessage: {}
      - match:
          selector: '{job="varlogs"}'
          stages:
            - unpack:
            - json: {expressions: {level: lvl}}
      - cri: {}
  - job_name: topics
    gcplog: {project_id: p}
tracing: {enabled: true}
)",
                                         "promtail.yaml");
  ASSERT_TRUE(migration.ok()) << migration.status();
  EXPECT_EQ(migration->yaml, R"(server:
  http_listen_port: 9080
  # promtail.yaml:3: server.register_instrumentation: not needed by the agent; it has /ready, /metrics and /targets
positions:
  filename: /tmp/positions.yaml
clients:
  - url: http://loki:3100/loki/api/v1/push
    tenant_id: one
    oauth2:
      client_id: x
    # promtail.yaml:9: proxy_url: set https_proxy or http_proxy in the agent's environment
scrape_configs:
  - job_name: system
    static_configs:
      - targets:
          - localhost
        labels:
          job: varlogs
          __path__: '/var/log/*log'
    pipeline_stages:
      # promtail.yaml:16: stage eventlogmessage: events of Windows do not come this way; leave it out
      - match:
          selector: '{job="varlogs"}'
          stages:
            # promtail.yaml:20: stage unpack: packed lines are unpacked in the question: | unpack
            - json:
                expressions:
                  level: lvl
      - cri: {}
  # promtail.yaml:23: this job reads from nothing that the agent knows
  - job_name: topics
    # promtail.yaml:24: gcplog: send it to /loki/api/v1/push by a push subscription's function
    static_configs: []
# promtail.yaml:25: tracing: the agent sends no traces; leave it out
)");
  EXPECT_EQ(migration->notes, 7U);
  EXPECT_FALSE(MigratePromtail("a: [", "p").ok());
  EXPECT_FALSE(MigratePromtail("just text", "p").ok());
}

TEST(Migrate, Alloy) {
  const auto migration = MigrateAlloy(R"(// node logs
logging { level = "info" }
local.file_match "node" {
  path_targets = [{
    __path__ = "/var/log/*.log",
    "job"    = "node/" + constants.hostname,
  }]
}
loki.source.file "node" {
  targets    = local.file_match.node.targets
  forward_to = [loki.process.clean.receiver]
}
loki.process "clean" {
  forward_to = [loki.write.default.receiver]
  stage.json { expressions = { level = "lvl", msg = "" } }
  stage.labels { values = { level = "" } }
  stage.label_drop { values = ["filename"] }
  stage.match {
    selector = `{app="x"}`
    stage.drop { expression = ".*healthz.*" }
  }
  stage.metrics {
    metric.counter {
      name = "lines_total"
      match_all = true
      action = "inc"
    }
  }
  stage.luhn { }
}
discovery.kubernetes "pods" { role = "pod" }
discovery.relabel "pods" {
  targets = discovery.kubernetes.pods.targets
  rule {
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }
}
loki.source.kubernetes "pods" {
  targets    = discovery.relabel.pods.output
  forward_to = [loki.write.default.receiver]
}
loki.source.journal "host" {
  path = "/var/log/journal"
  format_as_json = true
  labels = { job = "journal" }
  forward_to = [loki.write.default.receiver]
}
loki.write "default" {
  endpoint {
    url = "https://logs.example/loki/api/v1/push"
    batch_wait = "2s"
    basic_auth {
      username = "me"
      password = sys.env("PASSWORD")
    }
    oauth2 {
      client_id = "id"
      scopes = ["a", "b"]
      tls_config {
        ca_file = "/ca.pem"
      }
    }
  }
  external_labels = { cluster = "c1" }
}
prometheus.exporter.self "me" { }
)",
                                      "config.alloy");
  ASSERT_TRUE(migration.ok()) << migration.status();
  EXPECT_EQ(migration->yaml, R"(server:
  log_level: info
# config.alloy:67: prometheus.exporter.self: not about logs, or not known; it stays with Alloy
clients:
  - url: https://logs.example/loki/api/v1/push
    batchwait: 2s
    basic_auth:
      username: me
      password: '${PASSWORD}'
    oauth2:
      client_id: id
      scopes:
        - a
        - b
      tls_config:
        ca_file: /ca.pem
    external_labels:
      cluster: c1
scrape_configs:
  - job_name: node
    static_configs:
      - labels:
          __path__: '/var/log/*.log'
          # config.alloy:6: node/: computed or from another component; write the value here
          job: ''
    pipeline_stages:
      - json:
          expressions:
            level: lvl
            msg: ''
      - labels:
          level: ''
      - labeldrop:
          - filename
      - match:
          selector: '{app="x"}'
          stages:
            - drop:
                expression: '.*healthz.*'
      - metrics:
          lines_total:
            type: Counter
            config:
              match_all: true
              action: inc
      # config.alloy:29: stage.luhn: use a stage replace with a regular expression for card numbers
  - job_name: pods
    kubernetes_sd_configs:
      - role: pod
    relabel_configs:
      - source_labels:
          - __meta_kubernetes_namespace
        target_label: namespace
    # config.alloy:39: loki.source.kubernetes: the agent reads the pods' files on each node: run it as a DaemonSet
  - job_name: host
    journal:
      path: /var/log/journal
      json: true
      labels:
        job: journal
)");
  EXPECT_EQ(migration->notes, 4U);
}

TEST(Migrate, RiverSaysWhereItIsWrong) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"a {\n b = \n}", "x:3: a value was expected, not }"},
      {"a {\n", "x:2: a block that does not end"},
      {"a \"x\" \n", "x:1: a { or = was expected behind a"},
      {"a = [1, 2", "x:1: a , or ] was expected"},
      {"a = \"x\n", "x:1: a text that does not end"},
      {"/* no end", "x:1: a comment that does not end"},
  };
  for (const auto& test : kCases) {
    const auto parsed = ParseRiver(test.text, "x");
    ASSERT_FALSE(parsed.ok()) << test.text;
    EXPECT_EQ(std::string(parsed.status().message()), test.error) << test.text;
  }
  EXPECT_FALSE(ParseRiver("a = " + std::string(100'000, '['), "x").ok());
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "a {\n";
  EXPECT_FALSE(ParseRiver(deep, "x").ok());
}

TEST(Migrate, FluentBit) {
  const auto migration = MigrateFluentBit(R"([SERVICE]
    Log_Level    warning
    Parsers_File parsers.conf
    HTTP_Server  On
    HTTP_Port    2020
[INPUT]
    Name              tail
    Tag               kube.*
    Path              /var/log/containers/*.log
    Exclude_Path      /var/log/containers/noisy*.log, /var/log/containers/more*.log
    multiline.parser  docker, cri, java
    DB                /var/log/flb.db
    Mem_Buf_Limit     5MB
    Skip_Long_Lines   On
    Refresh_Interval  10
[INPUT]
    Name            systemd
    Tag             host.*
    Systemd_Filter  _SYSTEMD_UNIT=kubelet.service
[INPUT]
    Name  cpu
[FILTER]
    Name    grep
    Match   *
    Exclude log healthz
[FILTER]
    Name    lua
[OUTPUT]
    Name        loki
    Match       *
    Host        loki.example
    Port        443
    Tls         On
    Tenant_Id   one
    Labels      job=fluentbit, ns=$kubernetes['namespace_name']
    Label_Keys  $stream
[OUTPUT]
    Name  es
)",
                                          "fluent-bit.conf");
  ASSERT_TRUE(migration.ok()) << migration.status();
  EXPECT_EQ(migration->yaml, R"(server:
  log_level: warn
  http_listen_port: 2020
# fluent-bit.conf:3: parsers_file: parse in the question, or with stages json, logfmt and regex
memory_limit: 5MB
limits_config:
  max_line_size_truncate: false
target_config:
  sync_period: 10s
tail:
  start_at: end
# fluent-bit.conf:26: filter lua: stages template, replace and match do most of it
clients:
  - url: https://loki.example:443/loki/api/v1/push
    tenant_id: one
    external_labels:
      job: fluentbit
    # fluent-bit.conf:35: label ns=$kubernetes['namespace_name']: from a field of the record; stages json and labels, or what the path tells
    # fluent-bit.conf:36: label_keys $stream: stages json and labels
  # fluent-bit.conf:37: output es: the agent sends to Skald and to Loki alone
scrape_configs:
  - job_name: kube
    # fluent-bit.conf:12: db: positions are kept in positions.directory, known by the files' content
    static_configs:
      - labels:
          job: kube
          __path__: '/var/log/containers/*.log'
          __path_exclude__: '{/var/log/containers/noisy*.log,/var/log/containers/more*.log}'
    pipeline_stages:
      - docker: {}
      - cri: {}
      # fluent-bit.conf:11: multiline.parser java: use a stage multiline, as firstline: '^\S' for stack traces that are indented
      - drop:
          expression: healthz
  - job_name: host
    journal:
      matches: '_SYSTEMD_UNIT=kubelet.service'
      labels:
        job: host
  # fluent-bit.conf:20: input cpu: metrics are Prometheus' matter: run node_exporter
)");
  EXPECT_FALSE(MigrateFluentBit("Name tail\n", "f").ok());
  const auto yaml = MigrateFluentBit(
      "pipeline:\n  inputs:\n    - {name: tail, path: /a.log, read_from_head: true}\n  outputs:\n    - "
      "{name: loki, host: h}\n",
      "f.yaml");
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_THAT(yaml->yaml, HasSubstr("url: http://h:3100/loki/api/v1/push"));
  EXPECT_THAT(yaml->yaml, HasSubstr("__path__: /a.log"));
  EXPECT_THAT(yaml->yaml, Not(HasSubstr("start_at")));
}

TEST(Migrate, GuessesTheFormat) {
  EXPECT_EQ(GuessAgentFormat("", "config.alloy"), "alloy");
  EXPECT_EQ(GuessAgentFormat("scrape_configs: []", "x.yaml"), "promtail");
  EXPECT_EQ(GuessAgentFormat("[INPUT]\n", "x"), "fluent-bit");
  EXPECT_EQ(GuessAgentFormat("pipeline:\n  inputs: []", "x.yaml"), "fluent-bit");
  EXPECT_EQ(GuessAgentFormat("loki.write \"x\" {}", "x"), "alloy");
  EXPECT_EQ(GuessAgentFormat("what is this", "x"), "");
}

}  // namespace
}  // namespace skald::cli
