#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stages/stage_metrics.h"
#include "agent/stages/testing.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

// /metrics after the lines.
std::string Scraped(const std::string& metrics, const std::vector<std::string>& lines, int64_t later_ns = 0) {
  StageContext context;
  context.metrics = std::make_shared<StageMetrics>();
  const auto pipeline = MakePipeline(
      R"([{regex: {expression: '(?P<word>\w+)=(?P<n>\S+)'}}, {metrics: )" + metrics + "}]", context);
  EXPECT_TRUE(pipeline.ok()) << pipeline.status();
  if (!pipeline.ok()) return "";
  RunLines(**pipeline, lines);
  std::string text;
  context.metrics->Text(MonotonicNs() + later_ns, &text);
  return text;
}

TEST(MetricsStage, Counters) {
  EXPECT_EQ(
      Scraped(
          "{lines_total: {type: Counter, description: 'all lines', config: {match_all: true, action: inc}}}",
          {"a", "b=1", "c"}),
      "# HELP promtail_custom_lines_total all lines\n# TYPE promtail_custom_lines_total counter\n"
      "promtail_custom_lines_total{job=\"x\",stream=\"stdout\"} 3\n");
  const std::string series = "{job=\"x\",stream=\"stdout\"} ";
  struct Row {
    const char* config;
    const char* want;
  };
  const Row rows[] = {
      {"{m: {type: counter, prefix: my_, config: {match_all: true, count_entry_bytes: true, action: add}}}",
       "my_m{job=\"x\",stream=\"stdout\"} 15\n"},
      {"{m: {type: Counter, source: n, config: {action: add}}}",
       "promtail_custom_m{job=\"x\",stream=\"stdout\"} 6.5\n"},
      {"{m: {type: Counter, source: n, config: {action: inc}}}",
       "promtail_custom_m{job=\"x\",stream=\"stdout\"} 4\n"},
      {"{m: {type: Counter, source: word, config: {value: a, action: inc}}}",
       "promtail_custom_m{job=\"x\",stream=\"stdout\"} 2\n"},
      // The source is the metric's name.
      {"{n: {type: Counter, config: {action: inc}}}", "promtail_custom_n{job=\"x\",stream=\"stdout\"} 4\n"},
  };
  // A counter does not go back: -1 is left out.
  for (const Row& row : rows)
    EXPECT_THAT(Scraped(row.config, {"a=1", "a=5.5", "b=-1", "c=x"}), HasSubstr(row.want));
}

TEST(MetricsStage, Gauges) {
  struct Row {
    const char* config;
    const char* want;
  };
  const Row rows[] = {
      {"{m: {type: Gauge, source: n, config: {action: set}}}", "} 2.5\n"},
      {"{m: {type: Gauge, source: n, config: {action: add}}}", "} 5\n"},
      {"{m: {type: Gauge, source: n, config: {action: sub}}}", "} -5\n"},
      {"{m: {type: Gauge, source: n, config: {action: inc}}}", "} 4\n"},
      {"{m: {type: Gauge, source: n, config: {action: dec}}}", "} -4\n"},
      {"{m: {type: Gauge, source: n, config: {action: set, value: '1'}}}", "} 1\n"},
  };
  // A bool is 1 or 0, a duration is in seconds.
  for (const Row& row : rows)
    EXPECT_THAT(Scraped(row.config, {"a=1", "a=true", "b=500ms", "c=2.5"}), HasSubstr(row.want))
        << row.config;
}

TEST(MetricsStage, Histograms) {
  const std::string text =
      Scraped("{m: {type: Histogram, source: n, config: {buckets: [1, 2.5]}}}", {"a=1", "a=2", "b=3", "b=x"});
  EXPECT_THAT(text, HasSubstr("promtail_custom_m_bucket{job=\"x\",stream=\"stdout\",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("promtail_custom_m_bucket{job=\"x\",stream=\"stdout\",le=\"2.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("promtail_custom_m_bucket{job=\"x\",stream=\"stdout\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("promtail_custom_m_sum{job=\"x\",stream=\"stdout\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("promtail_custom_m_count{job=\"x\",stream=\"stdout\"} 3\n"));
}

TEST(MetricsStage, IdleSeriesGo) {
  const std::string metric =
      "{m: {type: Counter, max_idle_duration: 10s, config: {match_all: true, action: inc}}}";
  EXPECT_THAT(Scraped(metric, {"a"}, 9 * kNsPerSecond), HasSubstr("promtail_custom_m"));
  EXPECT_THAT(Scraped(metric, {"a"}, 11 * kNsPerSecond), Not(HasSubstr("promtail_custom_m")));
}

TEST(MetricsStage, LabelsAreThoseOfTheStage) {
  StageContext context;
  context.metrics = std::make_shared<StageMetrics>();
  const auto pipeline = MakePipeline(
      R"([{static_labels: {a: "q\"\\"}}, {tenant: {value: t}}, {metrics: {m: {type: Counter, config: {match_all: true, action: inc}}}}, {labeldrop: [a]}])",
      context);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  RunLines(**pipeline, {"l"});
  std::string text;
  context.metrics->Text(MonotonicNs(), &text);
  EXPECT_THAT(text, HasSubstr("promtail_custom_m{a=\"q\\\"\\\\\",job=\"x\",stream=\"stdout\"} 1\n"));
}

TEST(MetricsStage, RefusedWhenItIsRead) {
  for (const char* metrics : {
           "{}",
           "{m: {config: {action: inc}}}",
           "{m: {type: Summary, config: {action: inc}}}",
           "{m: {type: Counter}}",
           "{m: {type: Counter, config: {action: set}}}",
           "{m: {type: Counter, config: {match_all: true, value: a, action: inc}}}",
           "{m: {type: Counter, config: {count_entry_bytes: true, action: add}}}",
           "{m: {type: Counter, config: {match_all: true, action: add}}}",
           "{m: {type: Gauge, config: {action: twice}}}",
           "{m: {type: Histogram, config: {}}}",
           "{m: {type: Counter, max_idle_duration: 10ms, config: {action: inc}}}",
           "{'a b': {type: Counter, config: {action: inc}}}",
           "{m: {type: Counter, unknown: 1, config: {action: inc}}}",
       }) {
    EXPECT_FALSE(MakePipeline(std::string("[{metrics: ") + metrics + "}]").ok()) << metrics;
  }
}

}  // namespace
}  // namespace skald::agent
