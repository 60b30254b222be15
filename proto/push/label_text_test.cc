#include "proto/push/label_text.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace skald {
namespace {

// What it says, or the pairs.
std::string Read(std::string_view text) {
  const auto pairs = ParseLabelText(text);
  if (!pairs.ok()) return std::string(MessageOf(pairs.status()));
  std::string out;
  for (const auto& [name, value] : *pairs) out += name + "=" + value + ";";
  return out;
}

TEST(LabelText, Table) {
  const struct {
    const char* text;
    const char* want;
  } rows[] = {
      {"", ""},
      {"{}", ""},
      {"x", "__name__=x;"},
      {"x{a=\"b\"}", "__name__=x;a=b;"},
      {"x{__name__=\"y\"}", "__name__=x;"},
      {"{\"x\"}", "__name__=x;"},
      {" { b = 'c' , a=`d` , } ", "a=d;b=c;"},
      {"{\"a\"=\"b\"}", "a=b;"},
      {"{a=\"\"}", ""},
      {"{a=\"b\",a=\"c\"}", "a=b;a=c;"},
      {"{a=\"\\u00e9\\x41\\\"\"}", "a=\u00e9A\";"},
      {"{a=\"b\"} # c", "a=b;"},
      {"{a=\"b\", # c\nd=\"e\"}", "a=b;d=e;"},
      {"{on=\"x\", by=\"y\"}", "by=y;on=x;"},
      {"foo:bar", "__name__=foo:bar;"},
      // Errors: where, and what.
      {"{a=\"b\"", "1:7: parse error: unexpected end of input inside braces"},
      {"a=\"b\"}", "1:2: parse error: unexpected \"=\""},
      {"{a=b}", "1:4: parse error: unexpected identifier \"b\" in label set, expected string"},
      {"{a=}", "1:4: parse error: unexpected \"}\" in label set, expected string"},
      {"{a=\"b\",,}", "1:8: parse error: unexpected \",\" in label set, expected identifier or \"}\""},
      {"{=\"b\"}", "1:2: parse error: unexpected \"=\" in label set, expected identifier or \"}\""},
      {"{a=\"b\" c=\"d\"}",
       "1:8: parse error: unexpected identifier \"c\" in label set, expected \",\" or \"}\""},
      {"{a!=\"b\"}", "1:3: parse error: unexpected <op:!=> in label set, expected \"=\""},
      {"{a=~\"b\"}", "1:3: parse error: unexpected <op:=~> in label set, expected \"=\""},
      {"{a-b=\"c\"}", "1:3: parse error: unexpected character inside braces: '-'"},
      {"{a:b=\"c\"}", "1:3: parse error: unexpected character inside braces: ':'"},
      {"{a b=\"c\"}", "1:4: parse error: unexpected identifier \"b\" in label set, expected \"=\""},
      {"{a=\"\\q\"}", "1:4: parse error: unknown escape sequence U+0071 'q'"},
      {"{a=\"b}", "1:4: parse error: unterminated quoted string"},
      {"{a=\"\xff\"}", "1:4: parse error: invalid UTF-8 rune"},
      {"{a=\"b\"}x", "1:8: parse error: unexpected identifier \"x\""},
      {"{a=\"b\"}{c=\"d\"}", "1:8: parse error: unexpected \"{\""},
      {"{a=\"b\"} offset 5m", "1:9: parse error: unexpected <offset>"},
      {"{a=\"b\"} @ 5", "1:9: parse error: unexpected <op:@>"},
      {"sum(x)", "1:4: parse error: unexpected \"(\""},
      {"inf", "1:1: parse error: unexpected number \"inf\""},
      {"1", "1:1: parse error: unexpected number \"1\""},
      {"{a=\"b\",\nc}", "2:2: parse error: unexpected \"}\" in label set, expected \"=\""},
  };
  for (const auto& row : rows) EXPECT_EQ(Read(row.text), row.want) << row.text;
}

}  // namespace
}  // namespace skald
