#include "query/exec/line_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "query/exec/parser_hints.h"
#include "query/exec/regex_match.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

LineFilters FiltersOf(const std::string& stages) {
  const auto query = logql::ParseLogSelector("{a=\"b\"} " + stages);
  EXPECT_TRUE(query.ok()) << stages << query.status();
  std::vector<LineFilter> filters;
  for (const logql::Stage& stage : query->stages) {
    auto filter = LineFilter::Make(std::get<logql::LineFilter>(stage));
    EXPECT_TRUE(filter.ok()) << filter.status();
    filters.push_back(std::move(*filter));
  }
  return LineFilters(std::move(filters));
}

// Searching a block must keep the rows that looking at each line keeps.
TEST(LineFilters, BlockAgreesWithLines) {
  std::mt19937 random(11);
  Rows rows;
  const char* words[] = {"error",
                         "ERROR",
                         "warn",
                         "a",
                         "b",
                         "ab",
                         "timeout",
                         "\n",
                         " ",
                         "10.1.2.3",
                         "x",
                         "\xe2\x84\xaa"
                         "elvin",
                         "ok",
                         ""};
  for (int i = 0; i < 500; ++i) {
    std::string line;
    for (size_t n = random() % 6; n > 0; --n) line += words[random() % std::size(words)];
    rows.Append(i, line);
  }
  for (const char* stages : {R"(|= "error")",
                             R"(!= "error")",
                             R"(|= "a" |= "timeout")",
                             R"(|= "a" != "timeout")",
                             R"(|= "error" or "warn")",
                             R"(!= "error" or "warn")",
                             R"(|~ "(?i)error")",
                             R"(!~ "(?i)error")",
                             R"(|~ "error.*timeout")",
                             R"(|~ "error|warn|ti")",
                             R"(|~ "e[r]+or")",
                             R"(!~ "ab+")",
                             R"(|> "<_>error<_>")",
                             R"(!> "<_>error<_>")",
                             R"(|= ip("10.0.0.0/8"))",
                             R"(|= "\n")",
                             R"(|= "a\nb")",
                             R"(|~ "(?i)ok")",
                             R"(|~ "(?i)elvin" != "x")",
                             R"(|= "")",
                             R"(!= "")",
                             R"(|~ "^$")",
                             R"(|~ ".+" |= "a")",
                             R"(|~ "(?i)warn|ok")",
                             R"(|= "ab" |~ "b.*x")"}) {
    const LineFilters filters = FiltersOf(stages);
    for (const auto& [begin, end] : {std::pair<uint32_t, uint32_t>{0, 500}, {17, 200}, {499, 500}, {3, 3}}) {
      std::vector<uint32_t> got;
      filters.KeepRows(rows, begin, end, &got);
      std::vector<uint32_t> want;
      for (uint32_t row = begin; row < end; ++row) {
        if (filters.Keep(rows.line(row))) want.push_back(row);
      }
      EXPECT_EQ(got, want) << stages << " of " << begin << " to " << end;
    }
  }
}

TEST(RegexMatch, RequiredLiteral) {
  const struct {
    const char* regex;
    const char* literal;  // "" for none
    bool fold;
  } cases[] = {
      {"error.*timeout", "timeout", false},
      {"foo|bar", "", false},
      {"ab(cd|ef)ghij", "ghij", false},
      {"abc?", "ab", false},
      {"abc+d", "abc", false},
      {"abc*", "ab", false},
      {"abc{0,3}de", "ab", false},
      {R"(a\.b\.c)", "a.b.c", false},
      {R"(\d+ms)", "ms", false},
      {R"(abc\x41)", "", false},
      {"(?i)error: x", "error: x", true},
      {"(?i)ask", "", true},
      {"(?s)ab.cd", "", false},
      {"a[bc]d", "", false},
      {"[]a]bcd", "bcd", false},
      {"[[:alpha:]]]bcd", "]bcd", false},
      {"(a|b)", "", false},
      {R"(\Qa.b\E)", "", false},
      {"x(?i)yz", "", false},
      {"(?P<n>ab)cde(?:x)", "cde", false},
      {"\xc3\xa9\xc3\xa9?x", "\xc3\xa9", false},
      {"(ab", "", false},
  };
  for (const auto& c : cases) {
    const auto got = FindRequiredLiteral(c.regex);
    EXPECT_EQ(got ? got->text : "", c.literal) << c.regex;
    EXPECT_EQ(got && got->fold_ascii, got && c.fold) << c.regex;
  }
}

TEST(ParserHints, Modes) {
  using Mode = ParserHints::Mode;
  const struct {
    const char* query;
    Mode mode;
    std::vector<std::string> required;
    bool early;
    bool preserve;
  } cases[] = {
      {R"(count_over_time({a="b"} | json | x="1"[1m]))", Mode::kAll, {}, true, false},
      {R"(sum without (a)(rate({a="b"} | json[1m])))", Mode::kAll, {}, true, false},
      {R"(sum(rate({a="b"} | json[1m])))", Mode::kNone, {}, false, false},
      {R"(sum(rate({a="b"} | json | x="1" or y > 2[1m])))", Mode::kRequired, {"x", "y"}, true, false},
      {R"(sum by (c)(rate({a="b"} | json | x_extracted="1"[1m])))",
       Mode::kRequired,
       {"c", "x", "x_extracted"},
       false,
       false},
      {R"(sum by (c)(rate({a="b"} | json | label_format q=r,s="{{.t}}"[1m])))",
       Mode::kRequired,
       {"c", "r", "t"},
       false,
       false},
      {R"(sum(sum_over_time({a="b"} | json | unwrap v | __error__=""[1m])))",
       Mode::kRequired,
       {"__error__", "v"},
       true,
       true},
      {R"(avg(rate({a="b"} | json[1m])))", Mode::kAll, {}, true, false},
      {R"(absent_over_time({a="b"} | json[1m]))", Mode::kNone, {}, false, false},
      {R"(max_over_time({a="b"} | json | unwrap v[1m]) by (z))", Mode::kRequired, {"v", "z"}, false, false},
  };
  for (const auto& c : cases) {
    const auto expr = logql::ParseExpr(c.query);
    ASSERT_TRUE(expr.ok()) << c.query << expr.status();
    const auto* parent = std::get_if<logql::VectorAggregation>(&(*expr)->node);
    const auto& range =
        std::get<logql::RangeAggregation>(parent == nullptr ? (*expr)->node : parent->inner->node);
    const ParserHints hints =
        HintsForSamples(range.log_range.source.stages, range.log_range.unwrap, GroupingOf(range, parent));
    EXPECT_EQ(hints.mode, c.mode) << c.query;
    EXPECT_EQ(hints.required, c.required) << c.query;
    EXPECT_EQ(hints.early_filters, c.early) << c.query;
    EXPECT_EQ(hints.preserve_error, c.preserve) << c.query;
  }
}

}  // namespace
}  // namespace skald::exec
