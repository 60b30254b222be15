// Stages that decide how much goes where: limit and tenant; and the token bucket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/stages/stage_metrics.h"
#include "agent/stages/testing.h"
#include "agent/stages/token_bucket.h"
#include "base/clock.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TokenBucket, RefillsWithTime) {
  TokenBucket bucket(10, 2);
  EXPECT_TRUE(bucket.Take(kNsPerSecond));
  EXPECT_TRUE(bucket.Take(kNsPerSecond));
  EXPECT_FALSE(bucket.Take(kNsPerSecond));
  EXPECT_FALSE(bucket.Take(kNsPerSecond + 99 * kNsPerMs));
  EXPECT_TRUE(bucket.Take(kNsPerSecond + 101 * kNsPerMs));
  // Never more than the burst.
  EXPECT_TRUE(bucket.Take(100 * kNsPerSecond));
  EXPECT_TRUE(bucket.Take(100 * kNsPerSecond));
  EXPECT_FALSE(bucket.Take(100 * kNsPerSecond));
}

TEST(TokenBucket, GivesCredit) {
  TokenBucket bucket(10, 1);
  EXPECT_EQ(bucket.TakeOnCredit(kNsPerSecond), 0);
  EXPECT_EQ(bucket.TakeOnCredit(kNsPerSecond), kNsPerSecond + 100 * kNsPerMs);
  EXPECT_EQ(bucket.TakeOnCredit(kNsPerSecond), kNsPerSecond + 200 * kNsPerMs);
}

TEST(LimitStage, DropsWhatIsTooMuch) {
  const auto pipeline = MakePipeline("[{limit: {rate: 0.001, burst: 2, drop: true}}]");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_THAT(RunLines(**pipeline, {"1", "2", "3"}),
              ElementsAre(HasSubstr("|1"), HasSubstr("|2"), "dropped: ratelimit_drop_stage"));
  EXPECT_EQ((*pipeline)->paused_until_ns(), 0);
}

TEST(LimitStage, PausesWithoutDrop) {
  const auto pipeline =
      MakePipeline(R"([{match: {selector: '{job="x"}', stages: [{limit: {rate: 0.001, burst: 1}}]}}])");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(RunLines(**pipeline, {"1"}).size(), 1u);
  EXPECT_EQ((*pipeline)->paused_until_ns(), 0);
  EXPECT_THAT(RunLines(**pipeline, {"2", "3"}), ElementsAre(HasSubstr("|2"), HasSubstr("|3")));
  EXPECT_GT((*pipeline)->paused_until_ns(), MonotonicNs() + 1000 * kNsPerSecond);
}

TEST(LimitStage, ByLabel) {
  StageContext context;
  context.metrics = std::make_shared<StageMetrics>();
  const auto pipeline = MakePipeline(
      R"([{regex: {expression: '(?P<ns>\w)'}}, {labels: {ns: }}, {limit: {rate: 0.001, burst: 1, drop: true, by_label_name: ns}}])",
      context);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const std::vector<std::string> shown = RunLines(**pipeline, {"a", "b", "a", "b", "c", "--", "--"});
  EXPECT_EQ(std::count(shown.begin(), shown.end(), "dropped: ratelimit_drop_stage"), 2);
  EXPECT_EQ(shown.size(), 7u);  // those without the label are not limited
  std::string text;
  context.metrics->Text(MonotonicNs(), &text);
  EXPECT_THAT(text,
              HasSubstr("logentry_dropped_lines_by_label_total{label_name=\"ns\",label_value=\"a\"} 1\n"));
}

TEST(LimitStage, RefusedWhenItIsRead) {
  for (const char* stages :
       {"[{limit: {}}]", "[{limit: {rate: 1}}]", "[{limit: {rate: 0, burst: 1}}]",
        "[{limit: {rate: 1, burst: 0}}]", "[{limit: {rate: 1, burst: 1, by_label_name: a}}]",
        "[{limit: {rate: 1, burst: 1, dorp: true}}]"}) {
    EXPECT_FALSE(MakePipeline(stages).ok()) << stages;
  }
}

TEST(TenantStage, Examples) {
  struct Row {
    const char* stages;
    const char* want;
  };
  const Row rows[] = {
      {"[{tenant: {value: t1}}]", "t1"},
      {"[{tenant: {label: stream}}]", "stdout"},
      {"[{tenant: {label: missing}}]", ""},
      {"[{regex: {expression: 'user=(?P<u>\\w+)'}}, {tenant: {source: u}}]", "ann"},
      {"[{tenant: {source: missing}}]", ""},
      {"[{tenant: {value: t1}}, {tenant: {source: missing}}]", "t1"},
  };
  for (const Row& row : rows) {
    const auto pipeline = MakePipeline(row.stages);
    ASSERT_TRUE(pipeline.ok()) << row.stages << pipeline.status();
    Entry entry;
    entry.labels = Labels{{"stream", "stdout"}};
    entry.line = "user=ann";
    ASSERT_TRUE((*pipeline)->Run(&entry));
    EXPECT_EQ(entry.labels.Get(kTenantLabel), row.want) << row.stages;
  }
  for (const char* stages : {"[{tenant: {}}]", "[{tenant: {value: a, source: b}}]"})
    EXPECT_FALSE(MakePipeline(stages).ok()) << stages;
}

}  // namespace
}  // namespace skald::agent
