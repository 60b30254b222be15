#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stages/selector.h"
#include "agent/stages/testing.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Selector, Matches) {
  struct Row {
    const char* selector;
    bool want;
  };
  const Labels labels{{"app", "nginx"}, {"env", "prod"}};
  const std::string line = "GET /health 200 \"ok\"";
  const Row rows[] = {
      {R"({app="nginx"})", true},
      {R"({app="ngin"})", false},
      {R"({ app = `nginx` , env != "dev" })", true},
      {R"({app=~"ng.*",env!~"dev|test",})", true},
      {R"({app=~"gin"})", false},
      {R"({})", true},
      {R"({app="nginx", missing=""})", true},
      {R"({app="nginx"} |= "GET")", true},
      {R"({app="nginx"} |= "POST")", false},
      {R"({app="nginx"} |= "POST" or "GET")", true},
      {R"({app="nginx"} != "POST")", true},
      {R"({app="nginx"} != "POST" or "GET")", false},
      {R"({app="nginx"} |~ `/he[a-z]+ \d{3}` !~ "PO.T")", true},
      {R"({app="nginx"} |= "\"ok\"")", true},
      {R"({app="nginx"}|="GET"|="health"!="x")", true},
  };
  for (const Row& row : rows) {
    const auto selector = Selector::Parse(row.selector);
    ASSERT_TRUE(selector.ok()) << row.selector << selector.status();
    EXPECT_EQ(selector->Matches(labels, line), row.want) << row.selector;
  }
}

TEST(Selector, Refused) {
  for (const char* text : {"", "app=\"x\"", "{app}", "{app=x}", "{app=\"x\"", "{app=\"x\" env=\"y\"}",
                           "{app=\"\"}", "{app=~\".*\"}", "{app=~\"(\"}", "{app=\"x\"} | json",
                           "{app=\"x\"} |= y", "{app=\"x\"} |~ \"(\"", "{a-b=\"x\"}", "{app=\"x}"}) {
    EXPECT_FALSE(Selector::Parse(text).ok()) << text;
  }
  EXPECT_THAT(std::string(Selector::Parse("{app=\"x\"} | json").status().message()),
              HasSubstr("position 11"));
}

TEST(MatchStage, Examples) {
  struct Row {
    const char* stages;
    const char* line;
    const char* want;
  };
  const Row rows[] = {
      {R"([{match: {selector: '{stream="stdout"}', stages: [{static_labels: {a: b}}]}}])", "l",
       R"({a="b", stream="stdout"}|l)"},
      {R"([{match: {selector: '{stream="stderr"}', stages: [{static_labels: {a: b}}]}}])", "l",
       R"({stream="stdout"}|l)"},
      {R"([{match: {selector: '{job="x"} |= "secret"', action: drop}}])", "a secret", "dropped: match_stage"},
      {R"([{match: {selector: '{job="x"} |= "secret"', action: drop, drop_counter_reason: hidden}}])",
       "secret", "dropped: hidden"},
      {R"([{match: {selector: '{job="x"} |= "secret"', action: drop}}])", "public",
       R"({stream="stdout"}|public)"},
      // Labels as they are at this stage; what nested stages extract is there afterwards.
      {R"([{static_labels: {a: b}}, {match: {selector: '{a="b"}', stages: [{regex: {expression: '(?P<w>\w+)'}}]}}, {labels: {w: }}])",
       "word x", R"({a="b", stream="stdout", w="word"}|word x)"},
      {R"([{match: {selector: '{job="x"}', stages: [{match: {selector: '{job="x"} != "k"', action: drop}}]}}])",
       "l", "dropped: match_stage"},
      {R"([{match: {pipeline_name: p, selector: '{job="x"}', action: keep, stages: [{drop: {expression: l}}]}}])",
       "l", "dropped: drop_stage"},
  };
  for (const Row& row : rows) {
    const auto pipeline = MakePipeline(row.stages);
    ASSERT_TRUE(pipeline.ok()) << row.stages << pipeline.status();
    EXPECT_THAT(RunLines(**pipeline, {row.line}), ElementsAre(row.want)) << row.stages;
  }
}

TEST(MatchStage, RefusedWhenItIsRead) {
  for (const char* stages : {
           "[{match: {stages: [{decolorize: {}}]}}]",
           R"([{match: {selector: '{a="b"}'}}])",
           R"([{match: {selector: '{a="b"}', action: drop, stages: [{decolorize: {}}]}}])",
           R"([{match: {selector: '{a="b"}', action: take, stages: [{decolorize: {}}]}}])",
           R"([{match: {selector: '{a="b"} | json', stages: [{decolorize: {}}]}}])",
           R"([{match: {selector: '{a="b"}', stages: [{nothing: {}}]}}])",
           R"([{match: {selector: '{a="b"}', stages: [{regex: {}}]}}])",
       }) {
    EXPECT_FALSE(MakePipeline(stages).ok()) << stages;
  }
}

TEST(MatchStage, HoldsWhatNestedStagesHold) {
  const auto pipeline = MakePipeline(
      R"([{match: {selector: '{job="x"} != "alone"', stages: [{multiline: {firstline: '^S'}}]}}])");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_THAT(RunLines(**pipeline, {"S1", "a", "alone", "b"}),
              ElementsAre(R"({stream="stdout"}|alone)", "{stream=\"stdout\"}|S1\na\nb"));
}

}  // namespace
}  // namespace skald::agent
