#include <gtest/gtest.h>

#include "query/exec/plan/testing/plan_test.h"

namespace skald::exec {
namespace {

TEST(UseHeaders, WhatTheyAnswer) {
  const struct {
    const char* query;
    const char* headers;
  } cases[] = {
      {R"({a="b"})", "no: lines are asked for"},
      {R"(sum(count_over_time({a="b"}[1m])))", "counts"},
      {R"(sum(count_over_time({a="b"} |= ""[1m])))", "counts"},
      {R"(sum by (app) (bytes_rate({a="b"}[1m])))", "counts, also of levels"},
      {R"(sum by (app) (rate({a="b"} | env="x"[1m])))", "counts"},
      {R"(sum(count_over_time({a="b"} |= "x"[1m])))", "no: lines are filtered"},
      {R"(sum(count_over_time({a="b"} | json[1m])))", "no: a stage reads lines"},
      {R"(sum(count_over_time({a="b"} | line_format "x"[1m])))", "counts"},
      {R"(sum(bytes_over_time({a="b"} | line_format "x"[1m])))", "no: a stage reads lines"},
      {R"(sum(count_over_time({a="b"} | size > 5[1m])))", "no: a stage may fail on a row"},
      {R"(count_over_time({a="b"}[1m]))", "no: all labels of a row are asked for"},
      {R"(sum(max_over_time({a="b"} | unwrap u[1m])))", "no: more than sums is asked for"},
  };
  for (const auto& c : cases) EXPECT_EQ(FactOf(PlanOf(c.query), "headers"), c.headers) << c.query;
}

}  // namespace
}  // namespace skald::exec
