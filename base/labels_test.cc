#include "base/labels.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/matcher.h"

namespace skald {
namespace {

TEST(Labels, SortedAndLastWins) {
  const Labels labels({{"b", "2"}, {"a", "1"}, {"b", "3"}});
  EXPECT_EQ(labels.ToString(), R"({a="1", b="3"})");
  EXPECT_EQ(labels.Get("a"), "1");
  EXPECT_EQ(labels.Get("zz"), "");
  EXPECT_FALSE(labels.Has("zz"));
}

TEST(Labels, SetAndRemoveKeepOrder) {
  Labels labels{{"b", "2"}};
  labels.Set("a", "1");
  labels.Set("c", "3");
  labels.Set("b", "x");
  labels.Remove("c");
  labels.Remove("nothing");
  EXPECT_EQ(labels.ToString(), R"({a="1", b="x"})");
}

TEST(ParseLabels, Accepts) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({a="b", c="d"})", R"({a="b", c="d"})"},
      {R"({c="d",a="b",})", R"({a="b", c="d"})"},
      {R"({a="q\"\n\\x"})", R"({a="q\"\n\\x"})"},
      {R"({a=`raw\n`})", R"({a="raw\\n"})"},
      {"{a=\"\xc3\xa9\"}", "{a=\"\xc3\xa9\"}"},
      {R"({a="",b="1"})", R"({b="1"})"},
      {"", "{}"},
      {"{}", "{}"},
      {"x", R"({__name__="x"})"},
      {R"( x { a = "b" } )", R"({__name__="x", a="b"})"},
  };
  for (const auto& [text, want] : rows) {
    auto labels = ParseLabels(text);
    ASSERT_TRUE(labels.ok()) << text << ": " << labels.status();
    EXPECT_EQ(labels->ToString(), want);
  }
}

TEST(ParseLabels, Refuses) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({a-b="c"})", "1:3: parse error: unexpected character inside braces: '-'"},
      {R"({a="b)", "1:6: parse error: unterminated quoted string"},
      {R"({a="b" c="d"})", "1:8: parse error: unexpected character inside braces: 'c'"},
      {R"({a="b")", "1:7: parse error: unexpected end of input inside braces"},
      {R"({a="b",a="c"})", "1:14: parse error: duplicate label name: a"},
      {R"({a="\d"})", "1:8: parse error: unknown escape sequence"},
  };
  for (const auto& [text, want] : rows) {
    auto labels = ParseLabels(text);
    ASSERT_FALSE(labels.ok()) << text;
    EXPECT_EQ(MessageOf(labels.status()), want);
  }
}

TEST(Matcher, RegexIsAnchoredAndDotMatchesNewline) {
  const auto match = [](MatchOp op, const char* pattern, const char* value) {
    return Matcher::Make(op, "a", pattern)->Matches(value);
  };
  EXPECT_TRUE(match(MatchOp::kRegex, "a|b.*", "b\nx"));
  EXPECT_FALSE(match(MatchOp::kRegex, "a", "xa"));
  EXPECT_TRUE(match(MatchOp::kNotRegex, "a", "xa"));
  EXPECT_TRUE(match(MatchOp::kNotEqual, "x", ""));
  EXPECT_TRUE(Matcher::Make(MatchOp::kRegex, "a", ".*")->MatchesEmpty());
  EXPECT_FALSE(Matcher::Make(MatchOp::kRegex, "a", ".+")->MatchesEmpty());
  EXPECT_FALSE(Matcher::Make(MatchOp::kRegex, "a", "(").ok());
}

}  // namespace
}  // namespace skald
