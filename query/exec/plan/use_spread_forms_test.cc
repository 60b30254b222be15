#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(UseSpreadForms, Changes) {
  const struct {
    const char* query;
    const char* note;
  } cases[] = {
      {R"(rate({a="b"}[1m]))", ""},
      {R"(sum by (x) (rate({a="b"} | drop y[1m])))", ""},
      {R"(rate({a="b"} | drop y[1m]))", R"(computed as sum without ()(rate({a="b"} | drop y[1m])))"},
      {R"(max_over_time({a="b"} | unwrap u[1m]) by (x))",
       R"(computed as max by (x)(max_over_time({a="b"} | unwrap u[1m]) by (x)))"},
      {R"(avg_over_time({a="b"} | unwrap u[1m]) by (x))",
       R"(computed as (sum by (x)(sum_over_time({a="b"} | unwrap u[1m])) / sum by (x)(count_over_time({a="b"}[1m]))))"},
      // A least or greatest of them is not spread as a whole, a sum is.
      {R"(sum(avg_over_time({a="b"} | unwrap u[1m]) by (x)))", ""},
      {R"(min(avg_over_time({a="b"} | unwrap u[1m]) by (x)))",
       R"(computed as min((sum by (x)(sum_over_time({a="b"} | unwrap u[1m])) / sum by (x)(count_over_time({a="b"}[1m])))))"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(NotesOf(PlanOf(c.query, "use_spread_forms"), "use_spread_forms"), c.note) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
