#include "query/exec/plan/plan_printer.h"

#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

constexpr char kQuery[] =
    R"(topk(3, sum by (status) (rate({app="x"} | json | status > 499 |~ "path=/a/[0-9]+" [5m]))) > bool on (status) vector(2))";

TEST(PlanPrinter, Text) {
  EXPECT_EQ(PlanTextOf(kQuery), R"(> bool on (status)
  topk 3
    sum by (status)
      rate [5m] <- read 0
  vector 2
read 0
  streams       {app="x"}
  stages        | json
                | status>499
                |~ "path=/a/[0-9]+"
  extracts      status
  value         1 a line
  labels        status
  columns       lines, metadata
  headers       no: a stage reads lines
passes
  push_grouping     read 0: the sum around it is taken while lines are read
)");
}

TEST(PlanPrinter, Json) {
  std::string out;
  JsonWriter w(&out);
  WritePlanJson(PlanOf(R"({a="b"} |= "x")"), &w);
  EXPECT_EQ(
      out,
      R"({"query":"{a=\"b\"} |= \"x\"","computed":"{a=\"b\"} |= \"x\"","steps":[{"name":"lines","depth":0,"read":0}],)"
      R"("reads":[{"streams":"{a=\"b\"}","filters":["|= \"x\""],"needed text":["\"x\""],"columns":"lines, metadata",)"
      R"("headers":"no: lines are asked for"}],)"
      R"("passes":[{"name":"push_filters","did":"read 0: 1 line filters run over whole blocks"}]})");
}

}  // namespace
}  // namespace skald::exec
