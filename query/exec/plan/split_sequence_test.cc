#include <gtest/gtest.h>

#include "base/error.h"
#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

absl::StatusOr<Plan> Extended(const std::string& query) {
  const auto expr = logql::ParseExpr(query, {.extensions = true});
  EXPECT_TRUE(expr.ok()) << query << " " << expr.status();
  return MakePlan(*expr, QueryLimits());
}

TEST(SplitSequence, StagesOfTheAnswer) {
  const auto plan = Extended(R"({a="b"} | json | context before=1 after=2 | distinct x, y)");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(FactOf(*plan, "stages"), "| json");
  EXPECT_EQ(FactOf(*plan, "on the answer"), "| context before=1 after=2\n| distinct x,y");
  EXPECT_EQ(NotesOf(*plan, "split_sequence"), "read 0: 2 stages run on the answer");
}

TEST(SplitSequence, OnlyAtTheEndOfLogQueries) {
  EXPECT_EQ(MessageOf(Extended(R"({a="b"} | distinct x | json)").status()),
            "parse error : stage '| json' : may not follow '| distinct x'");
  EXPECT_EQ(MessageOf(Extended(R"(rate({a="b"} | distinct x [1m]))").status()),
            "parse error : stage '| distinct x' : is for log queries only");
}

}  // namespace
}  // namespace skald::exec
