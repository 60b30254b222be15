#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(KeepOrder, OfSort) {
  EXPECT_FALSE(PlanOf(R"(topk(2, rate({a="b"}[1m])))").keeps_value_order);
  EXPECT_TRUE(PlanOf(R"(sort(rate({a="b"}[1m])))").keeps_value_order);
  EXPECT_TRUE(PlanOf(R"(sum(sort_desc(rate({a="b"}[1m]))))").keeps_value_order);
}

}  // namespace
}  // namespace skald::exec
