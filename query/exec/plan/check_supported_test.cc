#include <gtest/gtest.h>

#include "base/error.h"
#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(CheckSupported, Refuses) {
  const struct {
    const char* query;
    const char* error;
  } cases[] = {
      {R"(variants(rate({a="b"}[1m])) of ({a="b"}[1m]))",
       "multi variant queries are disabled for this instance"},
      {R"(approx_topk(2, rate({a="b"}[1m])))", "approx_topk is not enabled. See -limits.shard_aggregations"},
      {"approx_topk(2, 1)", "approx_topk is not enabled. See -limits.shard_aggregations"},
      {"approx_topk(2, vector(1))",
       "parse error : queries require at least one regexp or equality matcher that does not have an "
       "empty-compatible "
       "value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will"},
      {"sum(1)",
       "parse error : queries require at least one regexp or equality matcher that does not have an "
       "empty-compatible "
       "value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will"},
      {"max(1)", "unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) "},
      {R"(label_replace(1, "a", "b", "c", "d"))",
       "unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) "},
      {R"(rate({a="b"}[1m]) + max(1))",
       "unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) "},
  };
  for (const auto& c : cases) {
    const auto expr = logql::ParseExpr(c.query);
    ASSERT_TRUE(expr.ok()) << c.query;
    EXPECT_EQ(MessageOf(MakePlan(*expr, QueryLimits()).status()), c.error) << c.query;
  }
}

TEST(CheckSupported, LimitsAllow) {
  QueryLimits limits;
  limits.approx_topk = true;
  EXPECT_EQ(StepsOf(PlanOf(R"(approx_topk(2, rate({a="b"}[1m])))", {}, limits))[0].name, "approx_topk 2");
}

}  // namespace
}  // namespace skald::exec
