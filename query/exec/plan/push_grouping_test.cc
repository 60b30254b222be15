#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(PushGrouping, LabelsOfSamples) {
  const struct {
    const char* query;
    const char* labels;
    bool pushed;
  } cases[] = {
      {R"(rate({a="b"}[1m]))", "all", false},
      {R"(sum(rate({a="b"}[1m])))", "none", true},
      {R"(sum by (z, y, z) (count_over_time({a="b"}[1m])))", "y, z", true},
      {R"(sum without (y) (bytes_rate({a="b"}[1m])))", "all but y", true},
      {R"(max by (y) (rate({a="b"}[1m])))", "all", false},
      {R"(sum by (y) (max_over_time({a="b"} | unwrap u[1m])))", "all", false},
      {R"(max_over_time({a="b"} | unwrap u[1m]) by (y))", "y", false},
      {R"(sum by (x) (quantile_over_time(0.5, {a="b"} | unwrap u[1m]) by (y)))", "y", false},
      {R"(absent_over_time({a="b"}[1m]))", "none", false},
      {R"(sum by (y) (rate({a="b"}[1m]) * 2))", "all", false},
  };
  for (const auto& c : cases) {
    const Plan plan = PlanOf(c.query, "push_grouping");
    EXPECT_EQ(FactOf(plan, "labels"), c.labels) << c.query;
    EXPECT_EQ(NotesOf(plan, "push_grouping"),
              c.pushed ? "read 0: the sum around it is taken while lines are read" : "")
        << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
