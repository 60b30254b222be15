#include "agent/unit_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "agent/testing/test_directory.h"
#include "base/file.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kConfig[] = R"(
scrape_configs:
  - job_name: pods
    kubernetes_sd_configs: [{role: pod}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {source_labels: [__meta_kubernetes_pod_label_app], target_label: app}
      - {source_labels: [__meta_kubernetes_namespace], regex: kube-.*, action: drop}
    pipeline_stages:
      - cri: {}
      - logfmt: {mapping: {level: , tenant: , id: }}
      - labels: {level: }
      - structured_metadata: {id: }
      - tenant: {source: tenant}
      - drop: {source: level, value: debug}
  - job_name: stacks
    syslog: {listen_address: 127.0.0.1:1}
    pipeline_stages: [{multiline: {firstline: '^\S'}}]
)";

constexpr char kPodTest[] = R"(
tests:
  - name: a pod
    path: /var/log/pods/shop_web-0_1/main/0.log
    discovered: {__meta_kubernetes_pod_label_app: web}
    input: |
      2026-01-01T00:00:00Z stdout P level=err
      2026-01-01T00:00:01Z stderr F level=info other
      2026-01-01T00:00:02Z stdout F or id=7 whole
      2026-01-01T00:00:03Z stdout F level=debug no
      2026-01-01T00:00:04Z stdout F tenant=blue for blue
    expect:
      - line: level=error id=7 whole
        labels: {app: web, namespace: shop, level: error, stream: stdout, none: ''}
        metadata: {id: '7', other: ''}
        time: 2026-01-01T00:00:00Z
      - {line: tenant=blue for blue, tenant: blue}
      - line: level=info other
        tenant: ''
        stream: '{level="info", filename="/var/log/pods/shop_web-0_1/main/0.log", app="web", stream="stderr", namespace="shop"}'
    dropped: {drop_stage: 1, sampling_stage: 0}
  - {name: not wanted, path: /var/log/pods/kube-system_x_1/main/0.log, taken: false}
  - name: stages alone
    job: stacks
    labels: {host: a}
    time: 2026-01-01T00:00:00Z
    input: [one, '  at a', '  at b', two]
    expect:
      - {line: "one\n  at a\n  at b", stream: '{host="a"}', time: 2026-01-01T00:00:00Z}
      - two
)";

class ConfigTests : public testing::Test {
 protected:
  void SetUp() override {
    root_ = TestDirectory("unit");
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    Write("agent.yaml", kConfig);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(root_ + "/" + name, text).ok());
    return root_ + "/" + name;
  }
  std::string root_;
};

TEST_F(ConfigTests, InAFileOfTheirOwnAndInTheConfiguration) {
  for (const std::string& path : {Write("t.yaml", "config: agent.yaml\n" + std::string(kPodTest)),
                                  Write("both.yaml", std::string(kConfig) + kPodTest)}) {
    const auto failures = RunConfigTests(path, {"--node-name=n1"});
    ASSERT_TRUE(failures.ok()) << failures.status();
    EXPECT_THAT(*failures, IsEmpty());
  }
}

TEST_F(ConfigTests, SayWhatIsDifferent) {
  const auto run = [&](const std::string& test) {
    const auto failures = RunConfigTests(Write("t.yaml", "config: agent.yaml\ntests: [{" + test + "}]"), {});
    EXPECT_TRUE(failures.ok()) << failures.status();
    return failures.value_or(std::vector<std::string>());
  };
  EXPECT_THAT(
      run("name: x, job: stacks, input: [a], expect: [b]"),
      ElementsAre(testing::AllOf(HasSubstr("t.yaml:2: x:"), HasSubstr("exp: b"), HasSubstr("Z {} a"))));
  EXPECT_THAT(run("job: stacks, input: [a], expect: [a, a]"), ElementsAre(HasSubstr("exp: a")));
  EXPECT_THAT(run("job: stacks, input: [a, b], expect: [a]"), ElementsAre(HasSubstr("got: ")));
  EXPECT_THAT(run("job: stacks, input: [a], expect: [{line: a, labels: {x: y}}]"),
              ElementsAre(HasSubstr("exp: a labels {x: y}")));
  EXPECT_THAT(run("job: stacks, input: [a], expect: [a], dropped: {drop_stage: 2}"),
              ElementsAre(HasSubstr("0 lines dropped for drop_stage, not 2")));
  EXPECT_THAT(run("path: /nowhere, input: [a], expect: [a]"),
              ElementsAre(HasSubstr("no target takes /nowhere")));
  EXPECT_THAT(run("path: /var/log/pods/a_b_c/d/0.log, taken: false"),
              ElementsAre(HasSubstr("a target takes")));
}

TEST_F(ConfigTests, MalformedOnes) {
  const auto error = [&](const std::string& test) {
    return std::string(RunConfigTests(Write("t.yaml", "config: agent.yaml\n" + test), {}).status().message());
  };
  EXPECT_THAT(error(""), HasSubstr("there are no tests"));
  EXPECT_THAT(error("tests: [{job: nobody}]"), HasSubstr("no scrape config has the name nobody"));
  EXPECT_THAT(error("tests: [{job: stacks, path: /x}]"), HasSubstr("either path or job"));
  EXPECT_THAT(error("tests: [{job: stacks, outptu: 1}]"), HasSubstr("outptu is not known"));
  EXPECT_THAT(error("tests: [{job: stacks, expect: [{lime: a}]}]"), HasSubstr("lime is not known"));
  EXPECT_THAT(error("tests: [{job: stacks, time: now}]"), HasSubstr("is not a time"));
  EXPECT_THAT(error("tests: [{"), HasSubstr("t.yaml:"));
  EXPECT_FALSE(RunConfigTests(root_ + "/none.yaml", {}).ok());
}

}  // namespace
}  // namespace skald::agent
