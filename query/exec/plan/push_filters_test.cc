#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(PushFilters, FiltersAndStages) {
  const struct {
    const char* query;
    const char* filters;
    const char* stages;
    const char* note;
  } cases[] = {
      {R"({a="b"})", "", "", ""},
      {R"({a="b"} |= "x" != "y")", "|= \"x\"\n!= \"y\"", "", "read 0: 2 line filters run over whole blocks"},
      {R"({a="b"} | json |= "x")", R"(|= "x")", "| json",
       "read 0: 1 line filters moved forward\nread 0: 1 line filters run over whole blocks"},
      {R"({a="b"} |= "x" | json | y="1" |= "z")", R"(|= "x")", "| json\n| y=\"1\"\n|= \"z\"",
       "read 0: 1 line filters run over whole blocks"},
      {R"({a="b"} | line_format "q" | logfmt |= "x")", "", "| line_format \"q\"\n|= \"x\"\n| logfmt",
       "read 0: 1 line filters moved forward"},
      {R"({a="b"} | unpack |= "x")", "", "| unpack\n|= \"x\"", ""},
      {R"({a="b"} | decolorize | keep q |~ "x")", R"(|~ "x")", "| decolorize\n| keep q",
       "read 0: 1 line filters moved forward\nread 0: 1 line filters run over whole blocks"},
  };
  for (const auto& c : cases) {
    const Plan plan = PlanOf(c.query, "push_filters");
    EXPECT_EQ(FactOf(plan, "filters"), c.filters) << c.query;
    EXPECT_EQ(FactOf(plan, "stages"), c.stages) << c.query;
    EXPECT_EQ(NotesOf(plan, "push_filters"), c.note) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
