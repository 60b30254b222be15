#include "query/exec/pipeline/line_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "query/exec/pipeline/regex_match.h"
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

}  // namespace
}  // namespace skald::exec
