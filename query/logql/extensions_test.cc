// What Skald adds to the language: words that mean something only where ParseOptions take them.
#include <gtest/gtest.h>

#include "base/error.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace skald::logql {
namespace {

constexpr ParseOptions kExtended{.extensions = true};

TEST(Extensions, PrintAndReadBack) {
  const struct {
    const char* query;
    const char* printed;
  } cases[] = {
      {R"({a="b"}|distinct  x , y)", R"({a="b"} | distinct x,y)"},
      {R"({a="b"} | context before=2 after=0)", R"({a="b"} | context before=2 after=0)"},
      {R"({a="b"} | context after=1 | distinct x)", R"({a="b"} | context after=1 | distinct x)"},
      {R"({a="b"} | distinct="x" | context=~"y")", R"({a="b"} | distinct="x" | context=~"y")"},
      {R"({a="b"} | distinct > 5)", R"({a="b"} | distinct>5)"},
      {R"(count_distinct_over_time(u,{a="b"}|json[5m])by(x))",
       R"(count_distinct_over_time(u,{a="b"} | json[5m]) by (x))"},
      {R"(sum(count_distinct_over_time(u, {a="b"}[1m] offset 1h)) / 2)",
       R"((sum(count_distinct_over_time(u,{a="b"}[1m] offset 1h0m0s)) / 2))"},
  };
  for (const auto& c : cases) {
    const auto expr = ParseExpr(c.query, kExtended);
    ASSERT_TRUE(expr.ok()) << c.query << " " << expr.status();
    EXPECT_EQ(Print(**expr), c.printed);
    const auto again = ParseExpr(c.printed, kExtended);
    ASSERT_TRUE(again.ok()) << c.printed << " " << again.status();
    EXPECT_EQ(Print(**again), c.printed);
    const auto pretty = ParseExpr(Pretty(**expr), kExtended);
    EXPECT_TRUE(pretty.ok()) << Pretty(**expr);
  }
}

TEST(Extensions, Mistakes) {
  const struct {
    const char* query;
    const char* error;
  } cases[] = {
      {R"({a="b"} | distinct x,)",
       "parse error at line 1, col 22: syntax error: unexpected $end, expecting IDENTIFIER"},
      {R"({a="b"} | context around=1)", "parse error at line 1, col 19: context has nothing called around"},
      {R"({a="b"} | context before=1 before=2)",
       "parse error at line 1, col 28: before of context stands twice"},
      {R"({a="b"} | context before=1.5)",
       "parse error at line 1, col 26: before of context is a whole number up to 1000, not 1.5"},
      {R"(count_distinct_over_time({a="b"}[1m]))",
       "parse error at line 1, col 26: syntax error: unexpected {, expecting IDENTIFIER"},
      {R"(count_distinct_over_time(u, {a="b"} | unwrap v [1m]))",
       "parse error : invalid aggregation count_distinct_over_time with unwrap"},
      {R"(count_distinct_over_time(u, 0.5, {a="b"}[1m]))",
       "parse error : parameter 0.5 not supported for operation count_distinct_over_time"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(MessageOf(ParseExpr(c.query, kExtended).status()), c.error) << c.query;
}

TEST(Extensions, RefusedUnlessTaken) {
  for (const char* query : {R"({a="b"} | distinct x)", R"({a="b"} | context before=1)",
                            R"(count_distinct_over_time(u, {a="b"}[1m]))"}) {
    const std::string error(MessageOf(ParseExpr(query).status()));
    EXPECT_NE(error.find("syntax error: unexpected IDENTIFIER"), std::string::npos) << query << " " << error;
  }
}

}  // namespace
}  // namespace skald::logql
