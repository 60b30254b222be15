#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(CollectReads, EachRangeAggregation) {
  EXPECT_EQ(PlanTextOf(R"(sum(rate({a="b"} |= "x"[1m])) / bytes_rate({a="c"} | unpack[5m] offset 1h))",
                       "collect_reads"),
            R"(/
  sum
    rate [1m] <- read 0
  bytes_rate [5m] offset 1h0m0s <- read 1
read 0
  streams       {a="b"}
  stages        |= "x"
  value         1 a line
  labels        all
  columns       none
read 1
  streams       {a="c"}
  stages        | unpack
  extracts      every field
  value         bytes of the line
  labels        all
  columns       none
)");
}

TEST(CollectReads, LogQuery) {
  EXPECT_EQ(PlanTextOf(R"({a="b"} | json | x > 1 |= "y")", "collect_reads"), R"(lines <- read 0
read 0
  streams       {a="b"}
  stages        | json
                | x>1
                |= "y"
  extracts      every field
  columns       none
)");
}

TEST(CollectReads, NoReads) { EXPECT_EQ(PlanTextOf("vector(1) + 2"), "+\n  vector 1\n  2\n"); }

}  // namespace
}  // namespace skald::exec
