#include "query/logql/printer.h"

#include <gtest/gtest.h>

#include <fstream>
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

std::string PrintOf(std::string_view query) {
  const absl::StatusOr<ExprPtr> expr = ParseExpr(query);
  return expr.ok() ? Print(**expr) : std::string(MessageOf(expr.status()));
}

std::string PrettyOf(std::string_view query) {
  const absl::StatusOr<ExprPtr> expr = ParseExpr(query);
  return expr.ok() ? Pretty(**expr) : std::string(MessageOf(expr.status()));
}

// Answers of a live Loki 3.7.6.
TEST(Printer, OneLine) {
  const Row rows[] = {
      {"{a=\"f\"} != \"x\" or \"y\""sv, "{a=\"f\"} != \"x\" != \"y\""sv},
      {"1 > bool 1 > count_over_time({a=\"b\"}[1m])"sv, "(0 > count_over_time({a=\"b\"}[1m]))"sv},
      {"sum(rate({a=\"b\"}[300s])) by (c)"sv, "sum by (c)(rate({a=\"b\"}[5m]))"sv},
      {"{a=\"b\"}|json|n=5,d<1m"sv, "{a=\"b\"} | json | ( n==5 , d<1m0s )"sv},
      {"{a=\"b\"} | json x"sv, "{a=\"b\"} | json x=\"x\""sv},
      {"count_over_time({a=\"b\"}[1d] offset 2h)"sv, "count_over_time({a=\"b\"}[1d] offset 2h0m0s)"sv},
      {"quantile_over_time(0.99,{c=\"d\"}|json|unwrap x|__error__=\"\"[1m]) by (k)"sv,
       "quantile_over_time(0.99,{c=\"d\"} | json | unwrap x | __error__=\"\"[1m]) by (k)"sv},
      {"{a=\"b\"} | x=1 or y=2, z=3"sv, "{a=\"b\"} | ( x==1 or ( y==2 , z==3 ) )"sv},
      {"{a=\"b\"} | x=1, y=2 or z=3"sv, "{a=\"b\"} | ( x==1 , ( y==2 or z==3 ) )"sv},
      {"{a=\"b\"} | x=1 y=2 or z=3"sv, "{a=\"b\"} | ( x==1 , ( y==2 or z==3 ) )"sv},
      {"{a=\"b\"} | x=1 or y=2 and z=3"sv, "{a=\"b\"} | ( x==1 or ( y==2 , z==3 ) )"sv},
      {"{a=\"b\"} | x=1 and y=2 or z=3"sv, "{a=\"b\"} | ( ( x==1 , y==2 ) or z==3 )"sv},
      {"{a=\"b\"} | (x=1 or y=2) and z=3"sv, "{a=\"b\"} | ( ( x==1 or y==2 ) , z==3 )"sv},
      {"1 - 0"sv, "1"sv},
      {"{a=\"b\"} | x > -0"sv, "{a=\"b\"} | x>0s"sv},
      {"-5"sv, "-5"sv},
      {"1e6"sv, "1e+06"sv},
      {"SUM BY (a) (RATE({a=\"b\"}[1m]))"sv, "sum by (a)(rate({a=\"b\"}[1m]))"sv},
      {"{a=\"b\"} | LOGFMT | rate=\"a\""sv, "{a=\"b\"} | logfmt | rate=\"a\""sv},
      {"{ip=\"x\", count=\"y\"}"sv, "{ip=\"x\", count=\"y\"}"sv},
      {"sum by (count) (rate({a=\"b\"}[1m]))"sv, "sum by (count)(rate({a=\"b\"}[1m]))"sv},
      {"{é=\"x\"}"sv, "{\"é\"=\"x\"}"sv},
      {"{a=\"b\"} | é=\"x\" | é=5 | drop é | keep é=\"x\""sv,
       "{a=\"b\"} | \"é\"=\"x\" | é==5 | drop é | keep \"é\"=\"x\""sv},
      {"{a=\"\\x41\\101\\u00e9\\U0001F600\\t\"}"sv, "{a=\"AAé😀\\t\"}"sv},
      {"{a=`x\ny`}"sv, "{a=\"x\\ny\"}"sv},
      {"vector(010)"sv, "vector(10.000000)"sv},
      {"vector(1_000)"sv, "vector(1000.000000)"sv},
      {"vector(0x1p4)"sv, "vector(16.000000)"sv},
      {"vector(.5)"sv, "vector(0.500000)"sv},
      {"{a=\"b\"} | d > 1h15m30.918273645s"sv, "{a=\"b\"} | d>1h15m30.918273645s"sv},
      {"{a=\"b\"} | d > 1.5h"sv, "{a=\"b\"} | d>1h30m0s"sv},
      {"{a=\"b\"} | d > 1d12h"sv, "{a=\"b\"} | d>36h0m0s"sv},
      {"{a=\"b\"} | d > -5m"sv, "{a=\"b\"} | d>-5m0s"sv},
      {"{a=\"b\"} | d > 5µs"sv, "{a=\"b\"} | d>5µs"sv},
      {"{a=\"b\"} | d > 5us"sv, "{a=\"b\"} | d>5µs"sv},
      {"{a=\"b\"} | d > 1w"sv, "{a=\"b\"} | d>168h0m0s"sv},
      {"{a=\"b\"} | d > 100ms"sv, "{a=\"b\"} | d>100ms"sv},
      {"{a=\"b\"} | s > 5MB"sv, "{a=\"b\"} | s>5.0MB"sv},
      {"{a=\"b\"} | s > 2.5KiB"sv, "{a=\"b\"} | s>2.6kB"sv},
      {"{a=\"b\"} | s > 5K"sv, "{a=\"b\"} | s>5.0kB"sv},
      {"{a=\"b\"} | s >= 10GB"sv, "{a=\"b\"} | s>=10GB"sv},
      {"{a=\"b\"} | s > 5B"sv, "{a=\"b\"} | s>5B"sv},
      {"{a=\"b\"} | n >= -1"sv, "{a=\"b\"} | n>=-1"sv},
      {"{a=\"b\"} | n > 1e3"sv, "{a=\"b\"} | n>1000"sv},
      {"rate({a=\"b\"}[0])"sv, "rate({a=\"b\"}[0s])"sv},
      {"rate({a=\"b\"}[90d])"sv, "rate({a=\"b\"}[90d])"sv},
      {"rate({a=\"b\"}[90s])"sv, "rate({a=\"b\"}[1m30s])"sv},
      {"rate({a=\"b\"}[7d])"sv, "rate({a=\"b\"}[1w])"sv},
      {"rate({a=\"b\"}[1h30m])"sv, "rate({a=\"b\"}[1h30m])"sv},
      {"rate({a=\"b\"}[5m] offset 90m)"sv, "rate({a=\"b\"}[5m] offset 1h30m0s)"sv},
      {"rate({a=\"b\"}[1m] | json)"sv, "rate({a=\"b\"} | json[1m])"sv},
      {"rate(({a=\"b\"} | json) [1m])"sv, "rate({a=\"b\"} | json[1m])"sv},
      {"rate(({a=\"b\"}[1m]))"sv, "rate({a=\"b\"}[1m])"sv},
      {"({a=\"b\"})"sv, "{a=\"b\"}"sv},
      {"sum_over_time(({a=\"b\"})[1m] | unwrap x)"sv, "sum_over_time({a=\"b\"} | unwrap x[1m])"sv},
      {"{a=\"b\"} | logfmt --keep-empty --strict"sv, "{a=\"b\"} | logfmt --strict --keep-empty"sv},
      {"{a=\"b\"} |= ip(\"1.2.3.4\") or \"x\""sv, "{a=\"b\"} |= ip(\"1.2.3.4\") or \"x\""sv},
      {"{a=\"b\"} | a=~\"x.y\""sv, "{a=\"b\"} | a=~`x.y`"sv},
      {"{a=\"b\"} | a=~\"xy\""sv, "{a=\"b\"} | a=~\"xy\""sv},
      {"{a=\"b\"} | a!~\"x.y\""sv, "{a=\"b\"} | a!~\"x.y\""sv},
      {"{a=\"b\"} | label_format x=y,z=\"{{.q}}\""sv, "{a=\"b\"} | label_format x=y,z=\"{{.q}}\""sv},
      {"{a=\"b\"} | drop a,b=\"x\""sv, "{a=\"b\"} | drop a,b=\"x\""sv},
      {"{a=\"b\"} | keep a"sv, "{a=\"b\"} | keep a"sv},
      {"sum(rate({a=\"b\"}[1m])) by ()"sv, "sum(rate({a=\"b\"}[1m]))"sv},
      {"topk(5, rate({a=\"b\"}[1m]))"sv, "topk(5,rate({a=\"b\"}[1m]))"sv},
      {"rate({a=\"b\"}[1m]) / on (a) rate({a=\"b\"}[1m])"sv,
       "(rate({a=\"b\"}[1m]) / on (a)  rate({a=\"b\"}[1m]))"sv},
      {"rate({a=\"b\"}[1m]) / on (a) group_left (c) rate({a=\"b\"}[1m])"sv,
       "(rate({a=\"b\"}[1m]) / on (a) group_left (c) rate({a=\"b\"}[1m]))"sv},
      {"label_replace(rate({a=\"b\"}[1m]),\"x\",\"$1\",\"a\",\"(.*)\")"sv,
       "label_replace(rate({a=\"b\"}[1m]),\"x\",\"$1\",\"a\",\"(.*)\")"sv},
      {"avg_over_time({a=\"b\"} | unwrap x [1m]) by ()"sv, "avg_over_time({a=\"b\"} | unwrap x[1m]) by ()"sv},
      {"1 + 2 * 3"sv, "7"sv},
      {"sum_over_time({a=\"b\"} | unwrap duration(x) [1m])"sv,
       "sum_over_time({a=\"b\"} | unwrap duration(x)[1m])"sv},
      {"\ufeff{a=\"b\"}"sv, "{a=\"b\"}"sv},
      {"vector(1) + bool vector(2)"sv, "(vector(1.000000) + bool vector(2.000000))"sv},
      {"vector(0.00000004)"sv, "vector(0.000000)"sv},
      {"vector(1) * (1/0)"sv, "(vector(1.000000) * NaN)"sv},
      {"vector(1) / on (a) group_left() (vector(1) + vector(2))"sv,
       "(vector(1.000000) / on (a) group_left (vector(1.000000) + vector(2.000000)))"sv},
      {"{app=\"api\"}|=\"x\"|json|status>=500"sv, "{app=\"api\"} |= \"x\" | json | status>=500"sv},
      {"sum by(app)(rate({app=\"api\"}|=\"x\"[5m]))/2"sv,
       "(sum by (app)(rate({app=\"api\"} |= \"x\"[5m])) / 2)"sv},
      {"topk(3,sum(count_over_time({a=\"b\"}[1h]))by(c))"sv,
       "topk(3,sum by (c)(count_over_time({a=\"b\"}[1h])))"sv},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(PrintOf(row.query), row.want) << row.query;
    EXPECT_EQ(PrettyOf(row.query), row.want) << row.query;
  }
}

TEST(Printer, PrettyLokis) {
  const Row rows[] = {
      {"quantile_over_time(0.99,{c=\"d\", cluster=\"a-rather-long-name-here-to-split\"}|json|unwrap x|__error__=\"\"[1m]) by (k)"sv,
       "quantile_over_time(\n"
       "  0.99,\n"
       "  {c=\"d\", cluster=\"a-rather-long-name-here-to-split\"} | json\n"
       "    | unwrap x\n"
       "    | __error__=\"\" [1m]\n"
       ") by (k)"},
      {"{a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"} |= \"one\" or \"two\" |= \"three three three three three three three three three three three three three three three three\" or \"four\" | json | decolorize | line_format \"{{.x}}\""sv,
       "{a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}\n"
       "  |= \"one\" or \"two\"\n"
       "  |= \"three three three three three three three three three three three three three three three "
       "three\"\n"
       "  | json\n"
       "| decolorize\n"
       "  | line_format \"{{.x}}\""},
      {"sum by (a) (rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m] offset 20m)) * on (a) group_left (c) sum(rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m]))"sv,
       "  sum by (a)(\n"
       "    rate(\n"
       "      {a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"} "
       "[5m] offset 20m\n"
       "    )\n"
       "  )\n"
       "* on (a) group_left (c)\n"
       "  sum(\n"
       "    rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m])\n"
       "  )"},
      {"topk(5, sum without (a) (rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m])))"sv,
       "topk(\n"
       "  5,\n"
       "  sum without (a)(\n"
       "    rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m])\n"
       "  )\n"
       ")"},
      {"(sum(rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m])) + sum(rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m]))) / sum(rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m]))"sv,
       "    sum(\n"
       "      rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m])\n"
       "    )\n"
       "  +\n"
       "    sum(\n"
       "      rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m])\n"
       "    )\n"
       "/\n"
       "  sum(\n"
       "    rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m])\n"
       "  )"},
      {"label_replace(rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", namespace=\"another-long-namespace-name\"}[5m]), \"x\", \"$1\", \"a\", \"(.*)\")"sv,
       "label_replace(\n"
       "  rate({a=\"b\", cluster=\"a-rather-long-cluster-name\", "
       "namespace=\"another-long-namespace-name\"}[5m]),\n"
       "  \"x\",\n"
       "  \"$1\",\n"
       "  \"a\",\n"
       "  \"(.*)\"\n"
       ")"},
  };
  for (const Row& row : rows) EXPECT_EQ(PrettyOf(row.query), row.want) << row.query;
}

// By the rules, where no answer of a server was recorded.
TEST(Printer, ByTheRules) {
  const Row rows[] = {
      {R"({a="b"} |= "A" or "B" or ip("x") or "C")", R"({a="b"} |= "A" or "C")"},
      {R"({a="b"} != "a" or ip("1.1.1.1") or "c")", R"({a="b"} != "a" != ip("1.1.1.1") != "c")"},
      {R"({a="b"} | x=~"err.*" | y=~"warn|warning" | z=~"^err" | v=~"a`.b")",
       "{a=\"b\"} | x=~\"err.*\" | y=~\"warn|warning\" | z=~`^err` | v=~\"a`.b\""},
      {R"(sum without () (rate({a="b"}[1m])))", R"(sum without ()(rate({a="b"}[1m])))"},
      {R"(max_over_time({a="b"} | unwrap bytes(x) | y=1 | z="c" [1m] offset -5m) without (c))",
       R"(max_over_time({a="b"} | unwrap bytes(x) | y==1 | z="c"[1m] offset -5m0s) without (c))"},
      {R"(rate({a="b"}[1m]) > bool ignoring(x, y) group_right(z) rate({a="b"}[1m]))",
       R"((rate({a="b"}[1m]) > bool ignoring (x,y) group_right (z) rate({a="b"}[1m])))"},
      {R"(rate({a="b"}[1m]) + ignoring() rate({a="b"}[1m]))", R"((rate({a="b"}[1m]) + rate({a="b"}[1m])))"},
      {R"(rate({a="b"}[1m]) + on() rate({a="b"}[1m]))", R"((rate({a="b"}[1m]) + on ()  rate({a="b"}[1m])))"},
      {R"({a="b"} | n>1e-7 | n<1e21)", R"({a="b"} | n>0.0000001 | n<1000000000000000000000)"},
      {R"(1 - variants(rate({a="b"}[1m])) of ({a="b"}[1m]))",
       R"((1 - variants(rate({a="b"}[1m])) of ({a="b"}[1m])))"},
      {R"(variants(count_over_time({a="b"}[1m]), rate({a="b"}[1m])) of ({a="b"}[1m]))",
       R"(variants(count_over_time({a="b"}[1m]), rate({a="b"}[1m])) of ({a="b"}[1m]))"},
      {R"(sum_over_time(({a="b"} | json | unwrap x)[1m] offset 1h))",
       R"(sum_over_time({a="b"} | json | unwrap x[1m] offset 1h0m0s))"},
      {R"(sum_over_time({a="b"}[1m] offset 1h | json | unwrap x))",
       R"(sum_over_time({a="b"} | json | unwrap x[1m] offset 1h0m0s))"},
      {R"(1 + -2 ^ 2)", "5"},
      {R"(2 ^ 3 ^ 2)", "512"},
      {R"(10 / 5 / 2)", "1"},
      {R"(vector(1) or vector(2) and vector(3) > vector(4) + vector(5) * vector(6) ^ vector(7) ^ vector(8))",
       "(vector(1.000000) or (vector(2.000000) and (vector(3.000000) > (vector(4.000000) + (vector(5.000000) "
       "* "
       "(vector(6.000000) ^ (vector(7.000000) ^ vector(8.000000))))))))"},
      {R"(vector(1) - vector(2) - vector(3))", "((vector(1.000000) - vector(2.000000)) - vector(3.000000))"},
      {"{a=\"b\"} // note\n |= \"x\" # more\n /* and\n more */ |= `y\"`", R"({a="b"} |= "x" |= "y\"")"},
  };
  for (const Row& row : rows) EXPECT_EQ(PrintOf(row.query), row.want) << row.query;
}

TEST(Printer, PrettyPeelsLineFilters) {
  const std::string forty(40, 'x');
  const std::string query =
      "{a=\"b\"} |= \"" + forty + "\" or \"1\" |= \"" + forty + "\" |= \"" + forty + "\" or \"2\"";
  EXPECT_EQ(PrettyOf(query),
            "{a=\"b\"}\n  |= \"" + forty + "\" or \"1\" |= \"" + forty + "\"\n  |= \"" + forty + "\"");
}

TEST(Printer, PrettySplits) {
  const std::string selector = "{a=\"" + std::string(60, 'x') + "\"}";
  const std::string rate = "rate(" + selector + "[1m])";
  EXPECT_EQ(PrettyOf("avg_over_time(" + selector + " | json | logfmt | unwrap x [1m] offset -1500ms)"),
            "avg_over_time(\n  " + selector + " | json | logfmt\n    | unwrap x [1m] offset -1s500ms\n)");
  EXPECT_EQ(PrettyOf(rate + " unless on() " + rate), "  " + rate + "\nunless\n  " + rate);
  EXPECT_EQ(PrettyOf(rate + " unless on(b, c) " + rate), "  " + rate + "\nunless on (b, c) \n  " + rate);
  EXPECT_EQ(PrettyOf(R"(variants(count_over_time({a="b"}[1m]), sum(rate({a="b"}[1m]))) of ({a="b"}[1m]))"),
            "variants(\n  count_over_time({a=\"b\"}[1m]),\n  sum(rate({a=\"b\"}[1m]))\n) of (\n  {a=\"b\"} "
            "[1m]\n)");
}

// Numbers that are none are not refused in label filters, as they are elsewhere.
TEST(Printer, NumbersOfLabelFilters) {
  EXPECT_EQ(PrintOf(R"({a="b"} | n > 0x10 | m < 1e999 | o = +0b1)"), R"({a="b"} | n>0 | m<+Inf | o==0)");
}

// Each query prints to something that parses and prints the same.
TEST(Printer, PrintParsesBack) {
  std::ifstream file(SKALD_LOGQL_TESTDATA "/queries.txt");
  ASSERT_TRUE(file.is_open());
  int count = 0;
  for (std::string query; std::getline(file, query); ++count) {
    const absl::StatusOr<ExprPtr> expr = ParseExpr(query);
    ASSERT_TRUE(expr.ok()) << query << "\n" << MessageOf(expr.status());
    const std::string printed = Print(**expr);
    // The forms that lose something: NaN, quoted names, group_left in front of a parenthesis.
    const bool lossy = printed.find("NaN") != std::string::npos || query.find("é") != std::string::npos ||
                       printed.find("group_left (vector") != std::string::npos;
    if (lossy) continue;
    EXPECT_EQ(PrintOf(printed), printed) << query;
    EXPECT_TRUE(ParseExpr(Pretty(**expr)).ok()) << query;
  }
  EXPECT_GT(count, 600);
}

}  // namespace
}  // namespace skald::logql
