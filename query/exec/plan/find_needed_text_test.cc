#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(FindNeededText, OfFilters) {
  const struct {
    const char* query;
    const char* text;
  } cases[] = {
      {R"({a="b"} |= "err")", R"("err")"},
      {R"({a="b"} |= "err" |= "x y")", "\"err\"\n\"x y\""},
      {R"({a="b"} |= "err" or "warn")", R"("err" or "warn")"},
      {R"({a="b"} != "err")", ""},
      {R"({a="b"} |= ip("10.0.0.1"))", ""},
      {R"({a="b"} |~ "status=5[0-9]+")", R"("status=5")"},
      {R"({a="b"} |~ "err.*")", R"("err")"},
      {R"({a="b"} |~ "(?i)err")", R"("err" in any case)"},
      {R"({a="b"} |~ "a|b")", ""},
      {R"({a="b"} |~ "late|gone")", R"("late" or "gone")"},
      {R"({a="b"} |~ "(?i)ok task")", R"("o" and " tas" in any case)"},
      {R"({a="b"} |~ "(timeout|refused)[0-9]")", R"("timeout" or "refused")"},
      {R"({a="b"} |~ "took [0-9]|late")", R"("took " or "late")"},
      {R"({a="b"} |~ "[0-9]+")", ""},
      {R"({a="b"} !~ "status=5[0-9]+")", ""},
      {R"({a="b"} |> "<_>took <_>ms")", R"("took ")"},
      {R"({a="b"} | line_format "x" |= "err")", ""},
      {R"({a="b"} | json | level="error" | n > 5)", R"("error" in level)"},
      {R"({a="b"} |= "x" | logfmt | msg=~"not found|gone")",
       "\"x\"\n\"not\" and \"found\" or \"gone\" in msg"},
      {R"({a="b"} | json | level!="error")", ""},
      {R"({a="b"} | json | label_format x="y" | x="error")", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FactOf(PlanOf(c.query, "find_needed_text"), "needed text"), c.text) << c.query;
  }
  EXPECT_EQ(NotesOf(PlanOf(R"({a="b"} |~ "x=5[0-9]+")"), "find_needed_text"),
            R"(read 0: |~ "x=5[0-9]+" needs the text "x=5")");
}

}  // namespace
}  // namespace skald::exec
