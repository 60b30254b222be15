#include "query/logql/parser.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "query/logql/lexer.h"
#include "query/logql/pattern.h"
#include "query/logql/printer.h"
#include "query/logql/regex_simplify.h"

namespace skald::logql {
namespace {

ExprPtr MustParse(std::string_view query) {
  absl::StatusOr<ExprPtr> expr = ParseExpr(query);
  EXPECT_TRUE(expr.ok()) << query << ": " << MessageOf(expr.status());
  return expr.ok() ? *expr : nullptr;
}

std::string TokensOf(std::string_view query) {
  std::string out;
  for (const Token& token : Lex(query)) {
    if (!out.empty()) out += ' ';
    out += DisplayName(token.kind);
    if (token.kind == TokenKind::kDuration || token.kind == TokenKind::kRange)
      out += fmt::format("={}", token.duration);
    if (token.kind == TokenKind::kBytes) out += fmt::format("={}", token.bytes);
    const bool has_text = token.kind == TokenKind::kIdentifier || token.kind == TokenKind::kString ||
                          token.kind == TokenKind::kNumber || token.kind == TokenKind::kFunctionFlag;
    if (has_text) out += "=" + token.text;
    if (!token.error.empty()) out += "!" + token.error;
  }
  return out;
}

TEST(Lexer, Tokens) {
  const struct {
    std::string_view query;
    std::string_view want;
  } rows[] = {
      {"", "$end"},
      {"# only a comment", "$end"},
      {"a // b\n/* c */ d", "IDENTIFIER=a IDENTIFIER=d $end"},
      {"|= |~ |> | = =~ == != !~ !> >= > <= <", "|= |~ |> | = =~ == != !~ !> >= > <= < $end"},
      {"5m 1.5h 1d12h -5m 5µs",
       "DURATION=300000000000 DURATION=5400000000000 DURATION=129600000000000 "
       "DURATION=-300000000000 DURATION=5000 $end"},
      {"5 - 0 -0 -5 .5 1e3", "NUMBER=5 - NUMBER=0 DURATION=0 - NUMBER=5 NUMBER=.5 NUMBER=1e3 $end"},
      {"5MB 2.5KiB 5K 5B 5mb",
       "BYTES=5000000 BYTES=2560 BYTES=5000 BYTES=5 DURATION=300000000000 IDENTIFIER=b $end"},
      {"--strict --keep-empty --foo",
       "FUNCTION_FLAG=--strict FUNCTION_FLAG=--keep-empty - - IDENTIFIER=foo $end"},
      {"[5m] [1h30m] [0]", "RANGE=300000000000 RANGE=5400000000000 RANGE=0 $end"},
      {"[5", "$end!missing closing ']' in duration"},
      {"sum SUM(x sum by (a sum bypass Rate\n(",
       "IDENTIFIER=sum SUM ( IDENTIFIER=x SUM by ( IDENTIFIER=a "
       "IDENTIFIER=sum IDENTIFIER=bypass RATE ( $end"},
      {"BY Offset json", "by offset json $end"},
      {R"("a\tb\x41\101\u00e9" `c\d`)", "STRING=a\tbAAé STRING=c\\d $end"},
      {R"("\ud800")", "$end!invalid syntax"},
      {"é1 _a $ ' '", "IDENTIFIER=é1 IDENTIFIER=_a IDENTIFIER=$ IDENTIFIER=' ' $end"},
      {"'ab'", "$end!invalid char literal"},
      {"\"a\nb\"", "$end!literal not terminated"},
      {"1__0", "$end!'_' must separate successive digits"},
      {"0x", "$end!hexadecimal literal has no digits"},
      {"\xff", "$end!invalid UTF-8 encoding"},
  };
  for (const auto& row : rows) EXPECT_EQ(TokensOf(row.query), row.want) << row.query;
}

TEST(Parser, RangesCoverTheSource) {
  const std::string query = "sum by (a) (\n  rate({x=\"y\"} |= \"é\" | json [5m])\n)";
  const ExprPtr expr = MustParse(query);
  const auto& sum = std::get<VectorAggregation>(expr->node);
  EXPECT_EQ(expr->range.begin, 0u);
  EXPECT_EQ(expr->range.end, query.size());
  EXPECT_EQ(query.substr(sum.grouping->range.begin, sum.grouping->range.end - sum.grouping->range.begin),
            "by (a)");
  const auto& rate = std::get<RangeAggregation>(sum.inner->node);
  EXPECT_EQ(sum.inner->range.line, 2u);
  EXPECT_EQ(sum.inner->range.col, 3u);
  const auto text = [&](SourceRange range) { return query.substr(range.begin, range.end - range.begin); };
  EXPECT_EQ(text(rate.log_range.range), "{x=\"y\"} |= \"é\" | json [5m]");
  EXPECT_EQ(text(rate.log_range.source.range), "{x=\"y\"} |= \"é\" | json");
  EXPECT_EQ(text(rate.log_range.source.selector.range), "{x=\"y\"}");
  EXPECT_EQ(text(std::get<LineFilter>(rate.log_range.source.stages[0]).range), "|= \"é\"");
  const SourceRange json = std::get<JsonParser>(rate.log_range.source.stages[1]).range;
  EXPECT_EQ(text(json), "| json");
  EXPECT_EQ(json.col, 23u);  // runes, not bytes
}

TEST(Parser, LogRange) {
  const ExprPtr expr = MustParse(
      R"(quantile_over_time(0.99, {a="b"} | logfmt --strict x, y="z" | unwrap duration_seconds(x) | n>5KB [5m] offset 1h) without (c))");
  const auto& range = std::get<RangeAggregation>(expr->node);
  EXPECT_EQ(range.op, RangeOp::kQuantileOverTime);
  EXPECT_EQ(range.parameter, 0.99);
  EXPECT_TRUE(range.grouping->without);
  EXPECT_EQ(range.log_range.range_ns, 300'000'000'000);
  EXPECT_EQ(range.log_range.offset_ns, 3'600'000'000'000);
  const auto& logfmt = std::get<LogfmtParser>(range.log_range.source.stages.at(0));
  EXPECT_TRUE(logfmt.strict);
  EXPECT_FALSE(logfmt.keep_empty);
  EXPECT_EQ(logfmt.extractions.at(0).expression, "x");
  EXPECT_EQ(logfmt.extractions.at(1).expression, "z");
  const Unwrap& unwrap = *range.log_range.unwrap;
  EXPECT_EQ(unwrap.conversion, UnwrapConversion::kDurationSeconds);
  EXPECT_EQ(unwrap.label, "x");
  EXPECT_EQ(std::get<BytesFilter>(unwrap.filters.at(0).node).bytes, 5000u);
}

TEST(Parser, RangePlacesMeanTheSame) {
  const std::string want = Print(*MustParse(R"(count_over_time({a="b"} |= "e" [12h] offset 5m))"));
  for (const std::string_view query : {
           R"(count_over_time({a="b"}[12h] offset 5m |= "e"))",
           R"(count_over_time(({a="b"} |= "e")[12h] offset 5m))",
           R"(count_over_time(({a="b"} |= "e" [12h] offset 5m)))",
           R"(count_over_time((({a="b"}[12h] offset 5m |= "e"))))",
       }) {
    EXPECT_EQ(Print(*MustParse(query)), want) << query;
  }
}

TEST(Parser, BytesThresholdIsThatOfThePrint) {
  const struct {
    std::string_view literal;
    uint64_t bytes;
    uint64_t threshold;
  } rows[] = {{"2.5KiB", 2560, 2600},
              {"1KiB", 1024, 1000},
              {"2560B", 2560, 2600},
              {"10GB", 10'000'000'000, 10'000'000'000}};
  for (const auto& row : rows) {
    const ExprPtr expr = MustParse("{a=\"b\"} | s>" + std::string(row.literal));
    const auto& filter = std::get<LabelFilter>(std::get<LogSelectorExpr>(expr->node).stages.at(0));
    EXPECT_EQ(std::get<BytesFilter>(filter.node).bytes, row.bytes) << row.literal;
    EXPECT_EQ(std::get<BytesFilter>(filter.node).threshold, row.threshold) << row.literal;
  }
}

TEST(Parser, AndTokens) {
  const auto token_of = [](std::string_view query) {
    const ExprPtr expr = MustParse(query);
    const auto& filter = std::get<LabelFilter>(std::get<LogSelectorExpr>(expr->node).stages.at(0));
    return std::get<AndFilter>(filter.node).token;
  };
  EXPECT_EQ(token_of(R"({a="b"} | x=1 and y=2)"), AndToken::kAnd);
  EXPECT_EQ(token_of(R"({a="b"} | x=1, y=2)"), AndToken::kComma);
  EXPECT_EQ(token_of(R"({a="b"} | x=1 y=2)"), AndToken::kJuxtaposed);
}

TEST(Parser, FoldsLiterals) {
  const struct {
    std::string_view query;
    double want;
  } rows[] = {{"1+1--1", 3}, {"10 / (5 / 2)", 4}, {"-2 ^ 2", 4},  {"1 > 1 > bool 1", 0}, {"1 == bool 1", 1},
              {"7 % 4", 3},  {"-7 % 4", -3},      {"1 / 0", NAN}, {"5 % 0", NAN},        {"0x1p4", 16},
              {"010", 10},   {"2 * (3 + 4)", 14}, {"1 < 2", 1},   {"2 <= 1", 0}};
  for (const auto& row : rows) {
    const double value = std::get<Literal>(MustParse(row.query)->node).value;
    if (std::isnan(row.want)) {
      EXPECT_TRUE(std::isnan(value)) << row.query;
    } else {
      EXPECT_EQ(value, row.want) << row.query;
    }
  }
}

TEST(Parser, VectorMatching) {
  const ExprPtr expr = MustParse(R"(rate({a="b"}[1m]) / bool on (x, y) group_left (z) rate({a="c"}[1m]))");
  const auto& node = std::get<BinaryOp>(expr->node);
  EXPECT_TRUE(node.return_bool);
  EXPECT_TRUE(node.matching->on);
  EXPECT_EQ(node.matching->labels, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(node.matching->cardinality, MatchCardinality::kManyToOne);
  EXPECT_EQ(node.matching->include, std::vector<std::string>{"z"});
  EXPECT_FALSE(std::get<BinaryOp>(MustParse(R"(rate({a="b"}[1m]) + rate({a="c"}[1m]))")->node).matching);
  int selectors = 0;
  ForEachLogSelector(*expr, [&](const LogSelectorExpr&) { ++selectors; });
  EXPECT_EQ(selectors, 2);
}

TEST(Pattern, Tokens) {
  using Kind = PatternToken::Kind;
  EXPECT_EQ(*ParsePattern("<ip> - <_><"),
            (std::vector<PatternToken>{
                {Kind::kNamed, "ip"}, {Kind::kLiteral, " - "}, {Kind::kUnnamed, ""}, {Kind::kLiteral, "<"}}));
  EXPECT_EQ(*ParsePattern("<1a><a b><><x>"),
            (std::vector<PatternToken>{{Kind::kLiteral, "<1a><a b><>"}, {Kind::kNamed, "x"}}));
  EXPECT_TRUE(ParseLinePattern("")->empty());
  EXPECT_EQ(MessageOf(ParseLinePattern("a <x>").status()), "named captures are not allowed: found '<x>'");
  EXPECT_EQ(MessageOf(ParseLinePattern("<_><_>").status()),
            "found consecutive capture '<_><_>': invalid expression");
  EXPECT_EQ(MessageOf(ParsePattern("<a> <a>").status()), "duplicate capture name (a): invalid expression");
  EXPECT_EQ(MessageOf(ParsePattern("<_>").status()), "at least one capture is required");
}

std::string TestText(const RegexTest& test) {
  const std::string_view fold = test.fold_case ? "i" : "";
  switch (test.kind) {
    case RegexTest::Kind::kAlways:
      return "always";
    case RegexTest::Kind::kNonEmpty:
      return "nonempty";
    case RegexTest::Kind::kLiteral:
      return fmt::format("lit{}({})", fold, test.text);
    case RegexTest::Kind::kContains:
      return fmt::format("has{}({})", fold, test.text);
    case RegexTest::Kind::kAnyOf: {
      std::string out;
      for (const RegexTest& leg : test.legs) out += (out.empty() ? "" : "|") + TestText(leg);
      return out;
    }
  }
  return "?";
}

TEST(SimplifyRegex, Rows) {
  const struct {
    std::string_view regex;
    std::string_view want;  // "" where it stays a regex
  } rows[] = {
      {"foo", "lit(foo)"},
      {"", "always"},
      {".*", "always"},
      {".+", "nonempty"},
      {"(?s).*", ""},
      {"foo|bar", "lit(foo)|lit(bar)"},
      {"foo|", "lit(foo)"},
      {"foo|.*", "lit(foo)"},
      {"400|404", ""},
      {"a|b", ""},
      {"bar|buzz", "has(bar)|has(buzz)"},
      {"warn|warning", "has(warn)|has(warning)"},
      {"prod|preprod", "has(prod)|has(preprod)"},
      {"err.*", "has(err)"},
      {".*err", "has(err)"},
      {".*err.*", "has(err)"},
      {"(err).*", "has(err)"},
      {"^err.*", ""},
      {"fo+", ""},
      {"a.*b", ""},
      {"(?i)ERR", "liti(err)"},
      {"(?i)err.*", "hasi(err)"},
      {"foo(?i:bar|baz)", ""},
      {"(foo|bar)", "lit(foo)|lit(bar)"},
      {"foo.?", ""},
      {R"(a\.b)", "lit(a.b)"},
      {"[a]b", "lit(ab)"},
      {"(", ""},
      {".*foo(bar|qux).*", ""},
      {".*foo(?:bar|qux)", "has(foobar)|has(fooqux)"},
      {"foo{1}", ""},
  };
  for (const auto& row : rows) {
    const std::optional<RegexTest> test = SimplifyRegex(row.regex);
    EXPECT_EQ(test ? TestText(*test) : "", row.want) << row.regex;
  }
}

}  // namespace
}  // namespace skald::logql
