#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(DropIdleStages, WhatIsLeft) {
  const struct {
    const char* query;
    const char* stages;
  } cases[] = {
      {R"({a="b"} |= "" |= "x" |~ ".*")", R"(|= "x")"},
      // May be wrong in its second part, which is an error of the query.
      {R"({a="b"} |~ ".*" or "(")", R"(|~ ".*" or "(")"},
      {R"({a="b"} != "")", R"(!= "")"},
      {R"({a="b"} | line_format "x")", R"(| line_format "x")"},
      {R"(rate({a="b"} | line_format "x"[1m]))", ""},
      {R"(rate({a="b"} | line_format "x" |= "x"[1m]))", "| line_format \"x\"\n|= \"x\""},
      {R"(rate({a="b"} | line_format "x" | json | line_format "y"[1m]))", "| line_format \"x\"\n| json"},
      {R"(bytes_rate({a="b"} | line_format "x"[1m]))", R"(| line_format "x")"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FactOf(PlanOf(c.query, "drop_idle_stages"), "stages"), c.stages) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
