#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(ChooseColumns, WhatIsDecoded) {
  const struct {
    const char* query;
    const char* columns;
  } cases[] = {
      {R"({a="b"})", "lines, metadata"},
      {R"({a="b"} | line_format "{{ __timestamp__ }}")", "times, lines, metadata"},
      {R"(sum(count_over_time({a="b"}[1m])))", "none"},
      {R"(sum(bytes_over_time({a="b"}[1m])))", "lines"},
      {R"(sum(count_over_time({a="b"} |= "x"[1m])))", "lines"},
      {R"(sum by (app) (count_over_time({a="b"}[1m])))", "metadata"},
      {R"(sum(count_over_time({a="b"} | level="x"[1m])))", "metadata"},
      {R"(count_over_time({a="b"}[1m]))", "metadata"},
      {R"(sum(count_over_time({a="b"} | json[1m])))", "lines, metadata"},
      {R"(sum(count_over_time({a="b"} | logfmt[1m])))", "lines"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FactOf(PlanOf(c.query, "choose_columns"), "columns"), c.columns) << c.query;
  }
}

TEST(ChooseColumns, MetadataMatters) {
  const Labels stream = {{"app", "s"}};
  const struct {
    const char* query;
    bool matters;
  } cases[] = {
      {R"(sum by (app) (count_over_time({a="b"}[1m])))", false},
      {R"(sum by (app, level) (count_over_time({a="b"}[1m])))", true},
      {R"(sum by (app) (count_over_time({a="b"} | app="s"[1m])))", false},
      {R"(sum by (app) (count_over_time({a="b"} | app > 5[1m])))",
       true},  // may fail, and shows all labels then
      {R"(count_over_time({a="b"}[1m]))", true},
      {R"({a="b"})", true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(PlanOf(c.query).reads[0].pipeline.MetadataMatters(stream), c.matters) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
