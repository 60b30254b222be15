#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(MergeReads, CountsReads) {
  const struct {
    const char* query;
    size_t reads;
    const char* note;
  } cases[] = {
      {R"(rate({a="b"}[1m]))", 1, ""},
      {R"(rate({a="b"}[1m]) / rate({a="b"}[1m]))", 1, "2 range aggregations share 1 reads"},
      {R"(sum(rate({a="b"}[1m])) / sum(rate({ a = "b" } [60s])))", 1, "2 range aggregations share 1 reads"},
      {R"(sum(rate({a="b"}[1m])) / rate({a="b"}[1m]))", 2, ""},
      {R"(sum by (x) (rate({a="b"}[1m])) / sum by (y) (rate({a="b"}[1m])))", 2, ""},
      {R"(rate({a="b"}[1m]) - rate({a="b"}[1m] offset 1m) + rate({a="b"}[1m]))", 2,
       "3 range aggregations share 2 reads"},
      {R"(rate({a="b"}[1m]) / count_over_time({a="b"}[1m]))", 2, ""},
  };
  for (const auto& c : cases) {
    const Plan plan = PlanOf(c.query, "merge_reads");
    EXPECT_EQ(plan.reads.size(), c.reads) << c.query;
    EXPECT_EQ(NotesOf(plan, "merge_reads"), c.note) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
