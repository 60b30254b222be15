#include "base/go_regex.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/matcher.h"

namespace skald {
namespace {

TEST(GoRegex, NamedGroupsBecomeRe2s) {
  const struct {
    std::string_view regex;
    std::string_view want;
  } rows[] = {
      {"abc", "abc"},
      {"(?<a>x)(?P<b>y)", "(?P<a>x)(?P<b>y)"},
      {"(?P<a>x)|(?<a>y)", "(?P<a>x)|(y)"},
      {R"(\(?<a>x)", R"(\(?<a>x)"},
      {R"(\Q(?<a>\E(?<a>))", R"(\Q(?<a>\E(?P<a>))"},
      {"[(?<a>](?<a>.)", "[(?<a>](?P<a>.)"},
      {"[](?<a>]", "[](?<a>]"},
      {"[^](?<a>[:alpha:]](?<b>)", "[^](?<a>[:alpha:]](?P<b>)"},
      {"", ""},
      {"\\", "\\"},
      {"[", "["},
      {"(?<", "(?<"},
  };
  for (const auto& row : rows) EXPECT_EQ(GoRegexToRe2(row.regex), row.want) << row.regex;
}

TEST(GoRegex, GroupNames) {
  EXPECT_EQ(GoRegexGroupNames("(?P<a>x)(y)(?<b>z)(?<a>)"), (std::vector<std::string>{"a", "b", "a"}));
}

TEST(GoRegex, ErrorsAreGos) {
  const struct {
    std::string_view regex;
    std::string_view want;  // "" where it compiles
  } rows[] = {
      {"a(?<n>b)+", ""},
      {"(", "missing closing ): `(`"},
      {"a)", "unexpected ): `a)`"},
      {"a[b", "missing closing ]: `[b`"},
      {"*a", "missing argument to repetition operator: `*`"},
      {"a**", "invalid nested repetition operator: `**`"},
      {"a{1001}", "invalid repeat count: `{1001}`"},
      {"[b-a]", "invalid character class range: `b-a`"},
      {"[[:foo:]]", "invalid character class range: `[:foo:]`"},
      {R"(\y)", R"(invalid escape sequence: `\y`)"},
      {R"(a\Cb)", R"(invalid escape sequence: `\C`)"},
      {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
      {"(?<=a)", "invalid named capture: `(?<=a)`"},
      {"(?<a-b>x)", "invalid named capture: `(?<a-b>`"},
      {"x(?P<\u00e9>a)", "invalid named capture: `(?P<\u00e9>`"},
      {"(?<a>(", "missing closing ): `(?<a>(`"},
      {"a\\", "trailing backslash at end of expression: ``"},
  };
  for (const auto& row : rows) {
    const auto compiled = CompileGoRegex(row.regex);
    if (row.want.empty()) {
      EXPECT_TRUE(compiled.ok()) << row.regex;
    } else {
      ASSERT_FALSE(compiled.ok()) << row.regex;
      EXPECT_EQ(MessageOf(compiled.status()), "error parsing regexp: " + std::string(row.want)) << row.regex;
    }
  }
}

TEST(Matcher, TakesGoRegexes) {
  const auto matcher = Matcher::Make(MatchOp::kRegex, "a", "(?<x>b)c");
  ASSERT_TRUE(matcher.ok());
  EXPECT_TRUE(matcher->Matches("bc"));
  EXPECT_FALSE(matcher->Matches("bcd"));
  EXPECT_EQ(matcher->value(), "(?<x>b)c");
  EXPECT_EQ(MessageOf(Matcher::Make(MatchOp::kNotRegex, "a", "(").status()),
            "error parsing regexp: missing closing ): `(`");
}

}  // namespace
}  // namespace skald
