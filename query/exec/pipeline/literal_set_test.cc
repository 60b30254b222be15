#include "query/exec/pipeline/literal_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "query/exec/pipeline/line_filter.h"

namespace skald::exec {
namespace {

using logql::FindNeededLiterals;
using logql::NeededLiteral;

TEST(LiteralSet, EveryPlace) {
  const auto set = LiteralSet::Make({{"ab", false}, {"b\nc", false}, {"err", true}});
  if (!set.has_value()) GTEST_SKIP() << "the library of this machine loses matches";
  std::vector<std::pair<size_t, size_t>> got;
  EXPECT_TRUE(
      set->ForEach("ab\nc ERr eRRab", [&](size_t begin, size_t end) { got.emplace_back(begin, end); }));
  EXPECT_EQ(got, (std::vector<std::pair<size_t, size_t>>{{0, 2}, {1, 4}, {5, 8}, {9, 12}, {12, 14}}));
  EXPECT_FALSE(LiteralSet::Make({}).has_value());
  EXPECT_FALSE(LiteralSet::Make({{"a", false}, {"", false}}).has_value());
}

TEST(NeededLiterals, OfRegexes) {
  const struct {
    const char* regex;
    std::vector<NeededLiteral> want;
  } cases[] = {
      {"(error|fail)ed", {{"errored", false}, {"failed", false}}},
      {"foo[0-9]|bar", {{"foo", false}, {"bar", false}}},
      {"foo[0-9]|[a-z]+", {}},
      {"took [0-9]+ms", {{"took ", false}}},
      {"(bar|buzz)[0-9]", {{"bar", false}, {"buzz", false}}},
      {"(?i)timeout[0-9]|refused", {{"timeout", true}, {"refu", true}}},
      {"(?i)kiss[0-9]", {}},
      {"ab(cd)?e[0-9]", {{"abcde", false}, {"abe", false}}},
      {"(ab)*[0-9]", {}},
      {"(abc|de)+x[0-9]", {{"abc", false}, {"de", false}}},
      {"^abc$|^d[0-9]ef$", {{"abc", false}, {"ef", false}}},
      {"\xef\xbf\xbdzz[0-9]", {}},
      {"(ab", {}},
  };
  for (const auto& c : cases) EXPECT_EQ(FindNeededLiterals(c.regex) == c.want, true) << c.regex;
}

// A random regex out of literals, alternations, options, repetitions and classes.
std::string RandomRegex(std::mt19937& random, int depth) {
  static constexpr const char* kAtoms[] = {"ab", "er", "K",  "s",     "time", "\xc3\xa9", "[0-9]", ".",
                                           "x",  "ed", "Ok", "[a-c]", "^",    "\\.",      "i",     "\\b"};
  std::string out;
  for (size_t n = 1 + random() % 3; n > 0; --n) {
    if (depth == 0 || random() % 2 == 0) {
      out += kAtoms[random() % std::size(kAtoms)];
      continue;
    }
    out += random() % 2 == 0 ? "(" : "(?:";
    for (size_t legs = 1 + random() % 3; legs > 0; --legs) {
      out += RandomRegex(random, depth - 1);
      if (legs > 1) out += '|';
    }
    out += ')';
    static constexpr const char* kRepeats[] = {"", "", "", "?", "*", "+", "{2}", "{1,2}"};
    out += kRepeats[random() % std::size(kRepeats)];
  }
  return out;
}

// A block searched with the sets keeps the lines that RE2 alone keeps.
TEST(LiteralSet, BlockAgreesWithRe2Alone) {
  std::mt19937 random(5);
  static constexpr const char* kWords[] = {
      "ab",   "AB",   "er",       "ER",       "k", "K", "\xe2\x84\xaa", "s",  "\xc5\xbf",
      "time", "TIME", "\xc3\xa9", "\xc3\x89", "7", "x", "ed",           "ED", "o",
      "Ok",   ".",    "\n",       " ",        "c", "i", "\xc4\xb0",     "b"};
  Rows rows;
  for (int i = 0; i < 400; ++i) {
    std::string line;
    for (size_t n = random() % 9; n > 0; --n) line += kWords[random() % std::size(kWords)];
    rows.Append(i, line);
  }
  const auto count = static_cast<uint32_t>(rows.line_end.size());
  int with_sets = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string regex = RandomRegex(random, 2);
    if (random() % 2 == 0) regex += '|' + RandomRegex(random, 2);
    if (random() % 3 == 0) regex = "(?i)" + regex;
    with_sets += FindNeededLiterals(regex).size() > 1;
    const bool negated = random() % 4 == 0;
    logql::LineFilter filter;
    filter.op = negated ? logql::LineFilterOp::kNotRegex : logql::LineFilterOp::kRegex;
    filter.operands.push_back({});
    filter.operands[0].text = regex;
    // Where a regex is folded as text, Unicode's and Loki's foldings differ: lines then judge for themselves.
    const bool simple = logql::SimplifyRegex(regex).has_value();
    auto made = LineFilter::Make(filter);
    ASSERT_TRUE(made.ok()) << regex;
    const re2::RE2 re2(regex, re2::RE2::Quiet);
    ASSERT_TRUE(re2.ok()) << regex;
    std::vector<uint32_t> want;
    for (uint32_t row = 0; row < count; ++row) {
      const std::string_view line = rows.line(row);
      const bool kept =
          simple ? made->Keeps(line) : re2::RE2::PartialMatch({line.data(), line.size()}, re2) != negated;
      if (kept) want.push_back(row);
    }
    std::vector<LineFilter> filters;
    filters.push_back(*std::move(made));
    std::vector<uint32_t> got;
    LineFilters(std::move(filters)).KeepRows(rows, 0, count, &got);
    EXPECT_EQ(got, want) << regex;
  }
  EXPECT_GT(with_sets, 500);
}

}  // namespace
}  // namespace skald::exec
