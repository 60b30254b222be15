#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(FindFields, ParserHints) {
  using Mode = ParserHints::Mode;
  const struct {
    const char* query;
    Mode mode;
    std::vector<std::string> required;
    bool early;
    bool preserve;
  } cases[] = {
      {R"(count_over_time({a="b"} | json | x="1"[1m]))", Mode::kAll, {}, true, false},
      {R"(sum without (a)(rate({a="b"} | json[1m])))", Mode::kAll, {}, true, false},
      {R"(sum(rate({a="b"} | json[1m])))", Mode::kNone, {}, false, false},
      {R"(sum(rate({a="b"} | json | x="1" or y > 2[1m])))", Mode::kRequired, {"x", "y"}, true, false},
      {R"(sum by (c)(rate({a="b"} | json | x_extracted="1"[1m])))",
       Mode::kRequired,
       {"c", "x", "x_extracted"},
       false,
       false},
      {R"(sum by (c)(rate({a="b"} | json | label_format q=r,s="{{.t}}"[1m])))",
       Mode::kRequired,
       {"c", "r", "t"},
       false,
       false},
      {R"(sum(sum_over_time({a="b"} | json | unwrap v | __error__=""[1m])))",
       Mode::kRequired,
       {"__error__", "v"},
       true,
       true},
      {R"(avg(rate({a="b"} | json[1m])))", Mode::kAll, {}, true, false},
      {R"(absent_over_time({a="b"} | json[1m]))", Mode::kNone, {}, false, false},
      {R"(max_over_time({a="b"} | json | unwrap v[1m]) by (z))", Mode::kRequired, {"v", "z"}, false, false},
  };
  for (const auto& c : cases) {
    const ParserHints hints = PlanOf(c.query).reads[0].pipeline.hints;
    EXPECT_EQ(hints.mode, c.mode) << c.query;
    EXPECT_EQ(hints.required, c.required) << c.query;
    EXPECT_EQ(hints.early_filters, c.early) << c.query;
    EXPECT_EQ(hints.preserve_error, c.preserve) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
