// Error texts, as a live Loki 3.7.6 gives them where a row has no comment.
#include <gtest/gtest.h>

#include <string_view>

#include "base/error.h"
#include "query/logql/parser.h"

namespace skald::logql {
namespace {

using std::string_view_literals::operator""sv;

struct Row {
  std::string_view query;
  std::string_view want;
};

std::string ErrorOf(std::string_view query) {
  const absl::StatusOr<ExprPtr> expr = ParseExpr(query);
  return expr.ok() ? "" : std::string(MessageOf(expr.status()));
}

TEST(ParseError, TextsOfLoki) {
  const std::string no_matcher = "parse error : " + std::string(kEmptyMatcherMessage);
  const std::string_view kNoMatcher = no_matcher;
  const Row rows[] = {
      {"{app=~\".*\"}"sv, kNoMatcher},
      {"{app!=\"x\"}"sv, kNoMatcher},
      {"{app!~\"a|b\"}"sv, kNoMatcher},
      {"{}"sv, kNoMatcher},
      {"1 + rate({app=~\".+\"}[5m]) + rate({app=~\".*\"}[5m])"sv, kNoMatcher},
      {"{app=\"x\""sv, "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,"sv},
      {"{app=\"x}"sv, "parse error at line 1, col 6: literal not terminated"sv},
      {"{app='xy'}"sv, "parse error at line 1, col 6: invalid char literal"sv},
      {"{app=\"x\"} |~"sv,
       "parse error at line 1, col 13: syntax error: unexpected $end, expecting STRING or ip"sv},
      {"{app=\"x\"} |~ \"\\d\""sv, "parse error at line 1, col 14: invalid char escape"sv},
      {"rate({app=\"x\"}[5minutes])"sv,
       "parse error at line 0, col 15: unknown unit \"minutes\" in duration \"5minutes\""sv},
      {"rate({app=\"x\"}[5)"sv, "parse error at line 0, col 15: missing closing ']' in duration"sv},
      {"min({app=\"x\"}[5m])"sv, "parse error at line 0, col 14: syntax error: unexpected RANGE"sv},
      {"unk({app=\"x\"}[5m])"sv, "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"sv},
      {"bool 1 > 1"sv, "parse error at line 1, col 1: syntax error: unexpected bool"sv},
      {"vector(abc)"sv,
       "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting NUMBER"sv},
      {"count without (rate({a=\"b\"}[15s]))"sv,
       "parse error at line 1, col 16: syntax error: unexpected RATE, expecting IDENTIFIER or )"sv},
      {"{a=\"b\"} |logfmt|addr>ip(\"1.2.3.4\")"sv,
       "parse error at line 1, col 22: syntax error: unexpected ip"sv},
      {"sum_over_time({a=\"b\"}[5m])"sv, "parse error : invalid aggregation sum_over_time without unwrap"sv},
      {"count_over_time({a=\"b\"} | json | unwrap x [5m])"sv,
       "parse error : invalid aggregation count_over_time with unwrap"sv},
      {"sum_over_time({a=\"b\"} | unwrap x [5m]) by (c)"sv,
       "parse error : grouping not allowed for sum_over_time aggregation"sv},
      {"topk(0, rate({a=\"b\"}[1m]))"sv, "parse error : invalid parameter (must be greater than 0) topk(0"sv},
      {"sort(rate({a=\"b\"}[1m])) by (c)"sv, "parse error : sort and sort_desc doesn't allow grouping by "sv},
      {"{a=\"b\"} + {a=\"c\"}"sv,
       "parse error : unexpected type for left leg of binary operation (+): *syntax.MatchersExpr"sv},
      {"rate({a=\"b\"}[1m]) or 1"sv,
       "parse error : unexpected literal for right leg of logical/set binary operation (or): 1.000000"sv},
      {"{a=\"b\"} | regexp \"x(y)\""sv,
       "parse error : invalid regexp parser: at least one named capture must be supplied"sv},
      {"{a=\"b\"} | pattern \"<x><y>\""sv,
       "parse error : invalid pattern parser: found consecutive capture '<x><y>': invalid expression"sv},
      {"1 -0"sv, "parse error at line 0, col 3: syntax error: unexpected DURATION"sv},
      {"{app=\"s\", ex=\"1\"} /* x"sv, "parse error at line 1, col 19: comment not terminated"sv},
      {"vector(-1)"sv, "parse error at line 1, col 8: syntax error: unexpected -, expecting NUMBER"sv},
      {"{json=\"x\"}"sv,
       "parse error at line 1, col 2: syntax error: unexpected json, expecting IDENTIFIER or }"sv},
      {"{Offset=\"x\"}"sv,
       "parse error at line 1, col 2: syntax error: unexpected offset, expecting IDENTIFIER or }"sv},
      {"{a.b=\"x\"}"sv,
       "parse error at line 1, col 3: syntax error: unexpected ., expecting = or =~ or !~ or !="sv},
      {"{\"a\"=\"x\"}"sv,
       "parse error at line 1, col 2: syntax error: unexpected STRING, expecting IDENTIFIER or }"sv},
      {"{a=\"\\w\"}"sv, "parse error at line 1, col 4: invalid char escape"sv},
      {"{a=\"\\'\"}"sv, "parse error at line 1, col 4: invalid char escape"sv},
      {"vector(0x10)"sv,
       "parse error : unable to parse vectorExpr as a float: strconv.ParseFloat: parsing \"0x10\": invalid syntax"sv},
      {"vector(0b10)"sv,
       "parse error : unable to parse vectorExpr as a float: strconv.ParseFloat: parsing \"0b10\": invalid syntax"sv},
      {"vector(08)"sv, "parse error at line 1, col 8: invalid digit '8' in octal literal"sv},
      {"{a=\"b\"} | d > 1.5d"sv, "parse error at line 1, col 19: syntax error: unexpected $end"sv},
      {"{a=\"b\"} | s > 5mb"sv, "parse error at line 1, col 18: syntax error: unexpected $end"sv},
      {"rate({a=\"b\"}[])"sv, "parse error at line 0, col 13: empty duration string"sv},
      {"rate({a=\"b\"}[1.5h])"sv, "parse error at line 0, col 13: unknown unit \".\" in duration \"1.5h\""sv},
      {"rate({a=\"b\"}[30m1h])"sv, "parse error at line 0, col 13: not a valid duration string: \"30m1h\""sv},
      {"rate({a=\"b\"} | json [5m] | logfmt)"sv,
       "parse error at line 1, col 26: syntax error: unexpected |, expecting )"sv},
      {"({a=\"b\"}) | json"sv, "parse error at line 1, col 11: syntax error: unexpected |"sv},
      {"{a=\"b\"} offset 5m"sv, "parse error at line 1, col 9: syntax error: unexpected offset"sv},
      {"{a=\"b\",}"sv, "parse error at line 1, col 8: syntax error: unexpected }, expecting IDENTIFIER"sv},
      {"sum by (a,) (rate({a=\"b\"}[1m]))"sv,
       "parse error at line 1, col 11: syntax error: unexpected ), expecting IDENTIFIER"sv},
      {"{a=\"b\"} | unwrap x"sv, "parse error at line 1, col 11: syntax error: unexpected unwrap"sv},
      {"sum_over_time({a=\"b\"} | unwrap x | json [1m])"sv,
       "parse error at line 1, col 36: syntax error: unexpected json, expecting IDENTIFIER or ("sv},
      {"-rate({a=\"b\"}[1m])"sv,
       "parse error at line 1, col 2: syntax error: unexpected RATE, expecting NUMBER"sv},
      {"rate({a=\"b\"}[1m] offset 1m offset 1m)"sv,
       "parse error at line 1, col 28: syntax error: unexpected offset, expecting )"sv},
      {"rate({a=\"b\"}[1m]) / group_left rate({a=\"b\"}[1m])"sv,
       "parse error at line 1, col 21: syntax error: unexpected group_left"sv},
      {"{a=\"b\"} | foo==\"x\""sv, "parse error at line 1, col 16: syntax error: unexpected STRING"sv},
      {"{a=\"b\"} | foo > ip(\"1.2.3.4\")"sv, "parse error at line 1, col 17: syntax error: unexpected ip"sv},
      {"rate(({a=\"b\"})[1m] | json)"sv,
       "parse error at line 1, col 22: syntax error: unexpected json, expecting unwrap"sv},
      {"rate({a=\"b\"}[1m] |= \"x\" offset 1m)"sv,
       "parse error at line 1, col 25: syntax error: unexpected offset, expecting )"sv},
      {"{a=\"b\"} | logfmt --foo"sv,
       "parse error at line 1, col 20: syntax error: unexpected IDENTIFIER, expecting NUMBER"sv},
      {"{a=\"b\"} | json | unwrap x"sv, "parse error at line 1, col 18: syntax error: unexpected unwrap"sv},
      {"{a='a'}"sv, "parse error at line 1, col 4: syntax error: unexpected IDENTIFIER, expecting STRING"sv},
      {"{a=\"b\"}\000"sv, "parse error at line 1, col 7: invalid character NUL"sv},
      {""sv, "parse error : syntax error: unexpected $end"sv},
      {"{a=~\"(\"}"sv, "parse error : error parsing regexp: missing closing ): `(`"sv},
      {"{a=\"b\"} | x=~\"(\""sv, "parse error : error parsing regexp: missing closing ): `(`"sv},
      {"{a=\"b\"} | regexp \"(\""sv,
       "parse error : invalid regexp parser: error parsing regexp: missing closing ): `(`"sv},
      {"{a=\"b\"} | regexp \"(?P<a>x)(?P<a>y)\""sv,
       "parse error : invalid regexp parser: duplicate extracted label name 'a'"sv},
      {"{a=\"b\"} | pattern \"\""sv,
       "parse error : invalid pattern parser: parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL"sv},
      {"{a=\"b\"} | pattern \"<_>\""sv,
       "parse error : invalid pattern parser: at least one capture is required"sv},
      {"{a=\"b\"} | pattern \"<a> <a>\""sv,
       "parse error : invalid pattern parser: duplicate capture name (a): invalid expression"sv},
      {"label_replace(rate({a=\"b\"}[1m]),\"x\",\"\",\"a\",\"(\")"sv,
       "parse error : invalid regex in label_replace: error parsing regexp: missing closing ): `^(?:()$`"sv},
      {"sum_over_time(50, {a=\"b\"} | unwrap x [1m])"sv,
       "parse error : parameter 50 not supported for operation sum_over_time"sv},
      {"quantile_over_time({a=\"b\"} | unwrap x [1m])"sv,
       "parse error : parameter required for operation quantile_over_time"sv},
      {"count_over_time({a=\"b\"}[1m]) by (c)"sv,
       "parse error : grouping not allowed for count_over_time aggregation"sv},
      {"rate({a=\"b\"} | unwrap x [1m]) by (c)"sv,
       "parse error : grouping not allowed for rate aggregation"sv},
      {"absent_over_time({a=\"b\"}[1m]) by (c)"sv,
       "parse error : grouping not allowed for absent_over_time aggregation"sv},
      {"bytes_rate({a=\"b\"} | unwrap x [1m])"sv,
       "parse error : invalid aggregation bytes_rate with unwrap"sv},
      {"rate_counter({a=\"b\"}[1m])"sv, "parse error : invalid aggregation rate_counter without unwrap"sv},
      {"topk(rate({a=\"b\"}[1m]))"sv, "parse error : parameter required for operation topk"sv},
      {"topk(1.5, rate({a=\"b\"}[1m]))"sv, "parse error : invalid parameter topk(1.5,"sv},
      {"sum(3, rate({a=\"b\"}[1m]))"sv, "parse error : unsupported parameter for operation sum(3,"sv},
      {"approx_topk(3, rate({a=\"b\"}[1m])) by (c)"sv,
       "parse error : grouping not allowed for approx_topk aggregation"sv},
      {"rate({a=\"b\"}[1m]) + {a=\"b\"}"sv,
       "parse error : unexpected type for right leg of binary operation (+): *syntax.MatchersExpr"sv},
      {"{a=\"b\"} |= \"x\" + 1"sv,
       "parse error : unexpected type for left leg of binary operation (+): *syntax.PipelineExpr"sv},
      {"1 and rate({a=\"b\"}[1m])"sv,
       "parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000"sv},
      {"quantile_over_time(-1, {app=\"a\"} | logfmt | unwrap l [30s])"sv,
       "parse error at line 1, col 20: syntax error: unexpected -, expecting NUMBER or { or ("sv},
      {"{"sv, "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER or }"sv},
      {"{app=\"api\""sv, "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"sv},
      {"rate({app=\"api\"})"sv, "parse error at line 1, col 17: syntax error: unexpected )"sv},
      {"rate({app=\"api\"}[5m]"sv,
       "parse error at line 1, col 21: syntax error: unexpected $end, expecting )"sv},
      {"{app=\"api\"} |"sv, "parse error at line 1, col 14: syntax error: unexpected $end"sv},
      {"{app=\"api\"} | json |"sv, "parse error at line 1, col 21: syntax error: unexpected $end"sv},
      {"sum(count_over_time({app=\"api\"}[5m]) by"sv,
       "parse error at line 1, col 40: syntax error: unexpected $end, expecting ("sv},
      {"unknown_fn({app=\"api\"}[5m])"sv,
       "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"sv},
      {"{app=\"api\"} | regexp \"(.*)\""sv,
       "parse error : invalid regexp parser: at least one named capture must be supplied"sv},
      {"{app=\"api\"} | pattern \"<a><b>\""sv,
       "parse error : invalid pattern parser: found consecutive capture '<a><b>': invalid expression"sv},
      {"quantile_over_time({app=\"api\"} | unwrap x [5m])"sv,
       "parse error : parameter required for operation quantile_over_time"sv},
      {"sum_over_time({app=\"api\"}[5m])"sv,
       "parse error : invalid aggregation sum_over_time without unwrap"sv},
      {"topk(sum(rate({app=\"api\"}[5m])))"sv, "parse error : parameter required for operation topk"sv},
      {"count_over_time({app=\"api\"} | unwrap x [5m])"sv,
       "parse error : invalid aggregation count_over_time with unwrap"sv},
      {"{app=\"api\"} | x >"sv, "parse error at line 1, col 18: syntax error: unexpected $end"sv},
      {"sum by (app) (rate({app=\"api\"}[5m])) + on(app) group_left {app=\"x\"}"sv,
       "parse error : unexpected type for right leg of binary operation (+): *syntax.MatchersExpr"sv},
      {"{app=\"a\",}"sv, "parse error at line 1, col 10: syntax error: unexpected }, expecting IDENTIFIER"sv},
      {"{\"app\"=\"a\"}"sv,
       "parse error at line 1, col 2: syntax error: unexpected STRING, expecting IDENTIFIER or }"sv},
      {"rate({app=\"api\"}[5x])"sv, "parse error at line 0, col 17: unknown unit \"x\" in duration \"5x\""sv},
  };
  for (const Row& row : rows) EXPECT_EQ(ErrorOf(row.query), row.want) << row.query;
}

// By the rules of the grammar: a place lists its tokens only where nothing can be completed first.
TEST(ParseError, ExpectedTokens) {
  const Row rows[] = {
      {R"({a)", "parse error at line 1, col 3: syntax error: unexpected $end, expecting = or =~ or !~ or !="},
      {R"({a=)", "parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING"},
      {R"({a=="x"})",
       "parse error at line 0, col 3: syntax error: unexpected ==, expecting = or =~ or !~ or !="},
      {R"({a="b"} |= "x" or)",
       "parse error at line 1, col 18: syntax error: unexpected $end, expecting STRING or ip"},
      {R"({a="b"} != 5)",
       "parse error at line 1, col 12: syntax error: unexpected NUMBER, expecting STRING or ip"},
      {R"({a="b"} | json x=)",
       "parse error at line 1, col 18: syntax error: unexpected $end, expecting STRING"},
      {R"({a="b"} | json x,)",
       "parse error at line 1, col 18: syntax error: unexpected $end, expecting IDENTIFIER"},
      {R"({a="b"} | json x y)", "parse error at line 1, col 18: syntax error: unexpected IDENTIFIER"},
      {R"({a="b"} | regexp)",
       "parse error at line 1, col 17: syntax error: unexpected $end, expecting STRING"},
      {R"({a="b"} | label_format x)",
       "parse error at line 1, col 25: syntax error: unexpected $end, expecting ="},
      {R"({a="b"} | label_format x=)",
       "parse error at line 1, col 26: syntax error: unexpected $end, expecting IDENTIFIER or STRING"},
      {R"({a="b"} | drop)",
       "parse error at line 1, col 15: syntax error: unexpected $end, expecting IDENTIFIER"},
      {R"({a="b"} | x=~5)",
       "parse error at line 1, col 14: syntax error: unexpected NUMBER, expecting STRING"},
      {R"({a="b"} | x=1 and)",
       "parse error at line 1, col 18: syntax error: unexpected $end, expecting IDENTIFIER or ("},
      {R"({a="b"} | x>-)", "parse error at line 1, col 14: syntax error: unexpected $end, expecting NUMBER"},
      {R"({a="b"} | (x=1)", "parse error at line 1, col 15: syntax error: unexpected $end"},
      {R"(rate(5))", "parse error at line 1, col 7: syntax error: unexpected ), expecting ,"},
      {R"(rate("x"))",
       "parse error at line 1, col 6: syntax error: unexpected STRING, expecting NUMBER or { or ("},
      {R"(rate({a="b"}[5m] offset 5))",
       "parse error at line 1, col 25: syntax error: unexpected NUMBER, expecting DURATION"},
      {R"(rate({a="b"}[5m] [5m]))",
       "parse error at line 0, col 18: syntax error: unexpected RANGE, expecting )"},
      {R"(rate(({a="b"})))", "parse error at line 1, col 15: syntax error: unexpected ), expecting RANGE"},
      {R"(sum_over_time({a="b"} | unwrap [5m]))",
       "parse error at line 0, col 32: syntax error: unexpected RANGE, expecting IDENTIFIER or BYTES_CONV or "
       "DURATION_CONV or "
       "DURATION_SECONDS_CONV"},
      {R"(sum_over_time({a="b"} | unwrap x))",
       "parse error at line 1, col 33: syntax error: unexpected ), expecting RANGE or |"},
      {R"(sum_over_time(({a="b"} | unwrap x,))",
       "parse error at line 1, col 34: syntax error: unexpected ,, expecting RANGE or ) or |"},
      {R"(sum by (a) rate({a="b"}[5m]))",
       "parse error at line 1, col 12: syntax error: unexpected RATE, expecting ("},
      {R"(sum(rate({a="b"}[5m])) by (a)",
       "parse error at line 1, col 29: syntax error: unexpected $end, expecting , or )"},
      {R"(sum({a="b"}))", "parse error at line 1, col 12: syntax error: unexpected )"},
      {R"(sum(rate({a="b"}[5m]))", "parse error at line 1, col 22: syntax error: unexpected $end"},
      {R"(topk(-1, rate({a="b"}[5m])))", "parse error at line 1, col 8: syntax error: unexpected ,"},
      {R"(label_replace(rate({a="b"}[5m]), "x"))",
       "parse error at line 1, col 37: syntax error: unexpected ), expecting ,"},
      {R"(rate({a="b"}[5m]) / on)",
       "parse error at line 1, col 23: syntax error: unexpected $end, expecting ("},
      {R"((variants(1) of ({a="b"}[5m])))", "parse error at line 1, col 30: syntax error: unexpected )"},
      {R"(sum(variants(1) of ({a="b"}[5m])))", "parse error at line 1, col 33: syntax error: unexpected )"},
      {R"(1 - variants)", "parse error at line 1, col 13: syntax error: unexpected $end, expecting ("},
      {R"(variants(rate({a="b"}[5m])) by)",
       "parse error at line 1, col 29: syntax error: unexpected by, expecting of"},
      {"\n\n{a=\"b\"} |\n", "parse error at line 4, col 1: syntax error: unexpected $end"},
      {" ", "parse error at line 1, col 2: syntax error: unexpected $end"},
  };
  for (const Row& row : rows) EXPECT_EQ(ErrorOf(row.query), row.want) << row.query;
}

// A check made while reading goes before a later syntax error, one made at the end after it.
TEST(ParseError, Order) {
  const Row rows[] = {
      {R"({a=~"("} foo)", "parse error : error parsing regexp: missing closing ): `(`"},
      {R"(sum_over_time({a="b"}[5m]) foo)",
       "parse error at line 1, col 28: syntax error: unexpected IDENTIFIER"},
      {R"({a="b"} |= "\d" foo)", "parse error at line 1, col 12: invalid char escape"},
      {R"(topk(0, sum_over_time({a="b"}[5m])))",
       "parse error : invalid parameter (must be greater than 0) topk(0"},
      {R"(sum_over_time({a=~".*"}[5m]))", "parse error : invalid aggregation sum_over_time without unwrap"},
      {R"(0x10 + 1)",
       "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"0x10\": invalid "
       "syntax"},
      {R"({a="b"} | pattern "<_>b<_>")",
       "parse error : invalid pattern parser: at least one capture is required"},
      {"{a=\"b\"} | regexp `(?P<\u00e9>x)`",
       "parse error : invalid regexp parser: error parsing regexp: invalid named capture: `(?P<\u00e9>`"},
  };
  for (const Row& row : rows) EXPECT_EQ(ErrorOf(row.query), row.want) << row.query;
}

TEST(ParseError, DetailTellsThePlace) {
  const auto expr = ParseExpr(R"({app="x")");
  const auto detail = DetailOf(expr.status());
  ASSERT_TRUE(detail);
  EXPECT_EQ(detail->line, 1);
  EXPECT_EQ(detail->col, 9);
  EXPECT_EQ(detail->message, "syntax error: unexpected $end, expecting } or ,");
  const auto whole = DetailOf(ParseExpr("sum_over_time({a=\"b\"}[1m])").status());
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->line, 0);
  EXPECT_EQ(whole->col, 0);
  EXPECT_EQ(whole->message, "invalid aggregation sum_over_time without unwrap");
  EXPECT_FALSE(DetailOf(InvalidArgument("x")));
}

TEST(ParseError, StageErrorsQuoteTheStage) {
  EXPECT_EQ(MessageOf(StageError(Stage(JsonParser{{{"app", "p..q"}}, {}}), "cannot parse")),
            "parse error : stage '| json app=\"p..q\"' : cannot parse");
}

TEST(ParseError, LimitsHoldTheStack) {
  const auto repeated = [](std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  EXPECT_EQ(ErrorOf(std::string(131072, ' ')), "parse error : input size too long (131072 > 131072)");
  EXPECT_EQ(ErrorOf(repeated("(", 150) + "1" + repeated(")", 150)), "");
  EXPECT_EQ(ErrorOf(repeated("(", 60000) + "1" + repeated(")", 60000)),
            "parse error at line 1, col 201: query is nested too deeply (limit 200)");
  EXPECT_EQ(ErrorOf("1" + repeated("+1", 60000)), "");
  EXPECT_EQ(ErrorOf("vector(1)" + repeated("+1", 900)), "");
  EXPECT_EQ(ErrorOf("vector(1)" + repeated("+1", 60000)),
            "parse error at line 1, col 2010: query has too many operators (limit 1000)");
  EXPECT_NE(ErrorOf("1" + repeated("^1", 60000)), "");
  EXPECT_NE(ErrorOf("{a=\"b\"} | x=1" + repeated(",x=1", 30000)), "");
  EXPECT_NE(ErrorOf("{a=\"b\"} | x=1" + repeated(" or x=1", 15000)), "");
  EXPECT_NE(ErrorOf("{a=\"b\"} | " + repeated("(", 60000)), "");
  EXPECT_NE(ErrorOf("rate(" + repeated("(", 60000)), "");
  EXPECT_EQ(ErrorOf("{a=\"b\"}" + repeated("|json", 20000)), "");
}

TEST(ParseSelectors, OnlyWhatIsAskedFor) {
  EXPECT_EQ(ParseMatchers(R"({a="b", c!~"d"})")->size(), 2u);
  EXPECT_EQ(ParseMatchers(R"(({a="b"}))")->size(), 1u);
  EXPECT_EQ(MessageOf(ParseMatchers(R"({a="b"} |= "x")").status()), "only label matchers are supported");
  EXPECT_EQ(MessageOf(ParseMatchers("1").status()), "only label matchers are supported");
  EXPECT_EQ(MessageOf(ParseMatchers("{}").status()), "parse error : " + std::string(kEmptyMatcherMessage));
  EXPECT_TRUE(ParseMatchers("{}", EmptyMatchers::kAllow)->empty());
  EXPECT_EQ(ParseLogSelector(R"({a="b"} |= "x" | json)")->stages.size(), 2u);
  EXPECT_EQ(MessageOf(ParseLogSelector(R"(rate({a="b"}[1m]))").status()), "only log selector is supported");
  EXPECT_EQ(MessageOf(ParseLogSelector("").status()), "parse error : syntax error: unexpected $end");
}

}  // namespace
}  // namespace skald::logql
