// JSON, logfmt, pattern: what comes out of lines.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/json_flatten.h"
#include "text/json_path.h"
#include "text/json_scan.h"
#include "text/logfmt.h"
#include "text/pattern.h"
#include "text/sanitize.h"

namespace skald {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Collect {
  Fields fields;
  std::string only_prefix;  // objects elsewhere are not wanted
  size_t most = 1000;
  std::string scratch;

  bool WantPrefix(std::string_view path) { return only_prefix.empty() || only_prefix.starts_with(path); }
  bool OnField(std::string_view name, const JsonValue& value) {
    fields.emplace_back(name, JsonLabelValue(value, &scratch));
    return fields.size() < most;
  }
};

TEST(JsonFlatten, Lines) {
  constexpr auto kObject = JsonError::kObject;
  constexpr auto kJson = JsonError::kJson;
  constexpr auto kNone = JsonError::kNone;
  const struct {
    const char* line;
    Fields fields;
    JsonError error;
  } cases[] = {
      {R"({"a":{"b":1,"c":[1]},"d":null,"e":true,"f":1.50,"g-h":"x","1k":"v","z":""})",
       {{"a_b", "1"}, {"e", "true"}, {"f", "1.50"}, {"g_h", "x"}, {"_1k", "v"}, {"z", ""}},
       kNone},
      {R"( {"a":1,"a":2})", {{"a", "1"}, {"a", "2"}}, kNone},
      {"plain", {}, kObject},
      {"", {}, kObject},
      {"[1]", {}, kObject},
      {R"({"a":1)", {{"a", "1"}}, JsonError::kArray},
      {R"({"a":1,)", {{"a", "1"}}, JsonError::kArray},
      {R"({" ":{"k":"v"}})", {{"k", "v"}}, kNone},
      {R"({" ":{"1k":"v"}})", {{"_1k", "v"}}, kNone},
      {R"({"a":{"1k":"v"," ":{"x":2}}})", {{"a_1k", "v"}, {"a_x", "2"}}, kNone},
      {R"({"a":{"b":1)", {}, kObject},
      {"{", {}, kJson},
      {"{ ", {}, kJson},
      {"{}", {}, kNone},
      {R"({"a" 1})", {}, kJson},
      {R"({"a)", {}, kJson},
      {R"({"a":)", {}, kJson},
      {R"({"a": )", {}, kJson},
      {R"({a:1})", {}, kObject},
      {R"({"a":1 "b":2})", {{"a", "1"}}, kObject},
      {R"({"a":"x)", {}, JsonError::kString},
      {R"({"a":"x\")", {}, JsonError::kString},
      {R"({"a":[1,2)", {}, JsonError::kArray},
      {R"({"a":tru})", {}, JsonError::kValue},
      {R"({"a":})", {}, JsonError::kValue},
      {R"({"b":1,"a":x})", {{"b", "1"}}, JsonError::kValue},
      {R"({"\q":1})", {}, JsonError::kEscape},
      {R"({"\u0061b":1})", {{"ab", "1"}}, kNone},
      {R"({"a":"\q","b":2})", {{"a", ""}, {"b", "2"}}, kNone},
      {R"({"a":"x\ty\/\u00e9\ud83d\ude00"})", {{"a", "x\ty/\xc3\xa9\xf0\x9f\x98\x80"}}, kNone},
      {R"({"a":"\ud83d"})", {{"a", ""}}, kNone},
      {R"({"a":"x\ufffdy"})", {{"a", "x y"}}, kNone},
      {"{\"a\":\"x\xff\xfey\"}", {{"a", "x  y"}}, kNone},
      {R"({"a":1,} trailing)", {{"a", "1"}}, kNone},
      {R"({"a":1}garbage)", {{"a", "1"}}, kNone},
      {R"({"a":{"b":"}"},"c":"{"})", {{"a_b", "}"}, {"c", "{"}}, kNone},
      {R"({"a":{"b":tru},"c":1})", {}, JsonError::kValue},
      {R"({"a":-1e5x ,"b":"0123456789abcdef0123456789abcdef\"0123456789abcdef"})",
       {{"a", "-1e5x"}, {"b", "0123456789abcdef0123456789abcdef\"0123456789abcdef"}},
       kNone},
  };
  JsonFlattener flattener;
  for (const auto& c : cases) {
    Collect collect;
    EXPECT_EQ(JsonErrorText(flattener.Run(c.line, collect)), JsonErrorText(c.error)) << c.line;
    EXPECT_EQ(collect.fields, c.fields) << c.line;
  }
}

TEST(JsonFlatten, StopsAndSkips) {
  JsonFlattener flattener;
  Collect first;
  first.most = 1;
  EXPECT_EQ(flattener.Run(R"({"a":{"b":1,"c":2},"d":tru)", first), JsonError::kNone);
  EXPECT_EQ(first.fields, (Fields{{"a_b", "1"}}));
  Collect prefixed;
  prefixed.only_prefix = "a_b_c";
  EXPECT_EQ(flattener.Run(R"({"a":{"b":{"c":1},"x":{"c":tru}},"d":{"y":1},"e":2})", prefixed),
            JsonError::kNone);
  EXPECT_EQ(prefixed.fields, (Fields{{"a_b_c", "1"}, {"e", "2"}}));
}

TEST(JsonFlatten, DeepNestingIsSafe) {
  std::string line;
  for (int i = 0; i < 5000; ++i) line += "{\"a\":";
  line += "1" + std::string(5000, '}');
  JsonFlattener flattener;
  Collect collect;
  EXPECT_EQ(flattener.Run(line, collect), JsonError::kNone);
}

TEST(JsonPath, Parse) {
  const std::pair<const char*, JsonPath> good[] = {
      {"a", {"a"}},
      {"a.b", {"a", "b"}},
      {" a . b ", {"a", "b"}},
      {"a[0].b", {"a", uint64_t{0}, "b"}},
      {"[\"any key\"][\"b.c\"]", {"any key", "b.c"}},
      {"[1]", {uint64_t{1}}},
      {"a[\"b\"][2]", {"a", "b", uint64_t{2}}},
  };
  for (const auto& [text, want] : good) {
    const auto got = ParseJsonPath(text);
    ASSERT_TRUE(got.ok()) << text << got.status();
    EXPECT_EQ(*got, want) << text;
  }
  const std::pair<const char*, const char*> bad[] = {
      {"p..q", "syntax error: unexpected DOT, expecting FIELD"},
      {".a", "syntax error: unexpected DOT, expecting LSB or FIELD"},
      {"\"a\"", "syntax error: unexpected STRING, expecting LSB or FIELD"},
      {"a b", "syntax error: unexpected FIELD"},
      {"a[\"b]", "syntax error: unexpected $end, expecting RSB"},
      {"a[0", "syntax error: unexpected $end, expecting STRING or INDEX"},
      {"a-b", "unexpected char -"},
      {"a \u00e9", "unexpected char \u00e9"},
      {"\u00e9", "syntax error: unexpected $end, expecting LSB or FIELD"},
      {"a['b']", "syntax error: unexpected $end, expecting STRING or INDEX"},
      {"a[1.5]", "syntax error: unexpected $end, expecting STRING or INDEX"},
      {"a[-1]", "syntax error: unexpected $end, expecting STRING or INDEX"},
      {"a[1x]", "syntax error: unexpected $end, expecting STRING or INDEX"},
      {"[0]5x", "non-integer value: x"},
      {"5]", "syntax error: unexpected INDEX, expecting LSB or FIELD"},
  };
  for (const auto& [text, want] : bad) EXPECT_EQ(MessageOf(ParseJsonPath(text).status()), want) << text;
}

TEST(JsonPath, Find) {
  const struct {
    std::vector<const char*> paths;
    const char* line;
    Fields found;  // path -> raw text
    const char* error;
  } cases[] = {
      {{"s[1]", "o", "o.k", "no"},
       R"({"s":["p","q"],"o":{"k":"v"}})",
       {{"s[1]", "q"}, {"o", R"({"k":"v"})"}, {"o.k", "v"}},
       ""},
      {{"a.b"}, R"({"x":{"b":1},"a":{"c":{"b":2},"b":3}})", {{"a.b", "3"}}, ""},
      {{"a[0].b"}, R"({"a":[{"b":1}]})", {{"a[0].b", "1"}}, ""},
      {{"[1]"}, R"(["p","q"])", {{"[1]", "q"}}, ""},
      {{"x"}, R"({"x":1,"x":2})", {{"x", "1"}}, ""},
      {{"a"}, R"("a:b")", {}, ""},
      {{"a"}, R"("a": 1)", {}, "Malformed JSON error"},
      {{"a"}, R"({"a":"x)", {}, "Value is string, but can't find closing '\"' symbol"},
      {{"a"}, R"({"a":true,)", {{"a", "true"}}, ""},
      {{"a"}, R"([1)", {}, ""},
      {{"a"}, R"({x)", {}, ""},
      // A bracket that closes nothing comes up a level.
      {{"a"}, R"({]"b":1})", {}, "Malformed JSON error"},
      {{"b"}, R"({"a":]"b":1})", {}, "Malformed JSON error"},
      {{"a[0]", "b"}, R"({"a":[1,2],"b":3})", {{"a[0]", "1"}, {"b", "3"}}, ""},
      {{"a"}, R"({"b":[{"a":1}],"a":2})", {{"a", "2"}}, ""},
      {{"a[1][0]"}, R"({"a":[1,[2,3],4]})", {{"a[1][0]", "2"}}, ""},
      {{"a[5]", "b"}, R"({"a":[1],"b":2})", {{"b", "2"}}, ""},
      {{"a", "[\"a\"]"}, R"({"a":1})", {{"a", "1"}, {"[\"a\"]", "1"}}, ""},
      {{"a.b"}, R"({"a":{"x":1},"a":{"b":2}})", {{"a.b", "2"}}, ""},
  };
  for (const auto& c : cases) {
    std::vector<JsonPath> paths;
    for (const char* path : c.paths) paths.push_back(*ParseJsonPath(path));
    JsonPathFinder finder(&paths);
    Fields found;
    std::string error;
    finder.Find(
        c.line, [&](size_t i, const JsonValue& value) { found.emplace_back(c.paths[i], value.text); },
        [&](JsonError e) { error = JsonErrorText(e); });
    EXPECT_EQ(found, c.found) << c.line;
    EXPECT_EQ(error, c.error) << c.line;
  }
}

TEST(Logfmt, Lines) {
  const struct {
    const char* line;
    Fields pairs;
    std::vector<std::string> errors;
  } cases[] = {
      {R"(a=1 b c="x y" d= e="q\"r" =bad f=g=h i=2)",
       {{"a", "1"}, {"b", ""}, {"c", "x y"}, {"d", ""}, {"e", "q\"r"}, {"i", "2"}},
       {"logfmt syntax error at pos 27 : unexpected '='", "logfmt syntax error at pos 35 : unexpected '='"}},
      {"", {}, {}},
      {"  \t ", {}, {}},
      {"a", {{"a", ""}}, {}},
      {"a=", {{"a", ""}}, {}},
      {"a=\"\"b=2", {{"a", ""}, {"b", "2"}}, {}},
      {"a=\"x\"b=2", {{"a", "x"}, {"b", "2"}}, {}},
      {"a\"b=1 c=2", {{"c", "2"}}, {"logfmt syntax error at pos 2 : unexpected '\"'"}},
      {"a=b\"c d=1", {{"d", "1"}}, {"logfmt syntax error at pos 4 : unexpected '\"'"}},
      {"a=\"x y", {}, {"logfmt syntax error at pos 7 : unterminated quoted value"}},
      {"a=\"x\\", {}, {"logfmt syntax error at pos 6 : unterminated quoted value"}},
      {R"(a="\q" b=1)", {{"b", "1"}}, {"logfmt syntax error at pos 7 : invalid quoted value"}},
      {R"(a="\\\/\'\b\f\n\r\t\u00e9\ud83d\ude00\ud83d")",
       {{"a", "\\/'\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd"}},
       {}},
      {"a=\"x\ny\"", {{"a", "x\ny"}}, {}},
      {"k\xff=1 b=2", {{"b", "2"}}, {"logfmt syntax error at pos 3 : invalid key"}},
      {"\xc3\xa9=\xff", {{"\xc3\xa9", "\xff"}}, {}},
      {"averyveryverylongkeythatspansvectors=averyveryverylongvaluethatspansvectors x=1",
       {{"averyveryverylongkeythatspansvectors", "averyveryverylongvaluethatspansvectors"}, {"x", "1"}},
       {}},
  };
  LogfmtScanner scanner;
  for (const auto& c : cases) {
    Fields pairs;
    std::vector<std::string> errors;
    scanner.Reset(c.line);
    for (auto r = scanner.Next(); r != LogfmtScanner::kEnd; r = scanner.Next()) {
      if (r == LogfmtScanner::kPair) {
        pairs.emplace_back(scanner.key(), scanner.value());
      } else {
        errors.push_back(scanner.ErrorText());
      }
    }
    EXPECT_EQ(pairs, c.pairs) << c.line;
    EXPECT_EQ(errors, c.errors) << c.line;
  }
}

PatternPiece Capture(int slot) { return {true, slot, ""}; }
PatternPiece Text(const char* text) { return {false, -1, text}; }

TEST(Pattern, Parser) {
  const struct {
    std::vector<PatternPiece> pieces;
    const char* line;
    std::vector<std::pair<int, std::string>> want;
  } cases[] = {
      {{Capture(0), Text(" - "), Capture(1), Text(" "), Capture(-1)},
       "1.2.3.4 - bob rest",
       {{0, "1.2.3.4"}, {1, "bob"}}},
      {{Capture(0), Text("?"), Capture(-1)}, "/status", {{0, "/status"}}},
      {{Text("GET "), Capture(0), Text(" "), Capture(-1)}, "POST /x 1", {}},
      {{Text("GET "), Capture(0), Text(" "), Capture(-1)}, "GET /x 1", {{0, "/x"}}},
      {{Text("GET "), Capture(0), Text("!")}, "GET /x! more", {{0, "/x"}}},
      {{Capture(0), Text("="), Capture(1)}, "=b", {{0, ""}, {1, "b"}}},
      {{Capture(0)}, "all of it", {{0, "all of it"}}},
      {{Capture(0)}, "", {}},
  };
  for (const auto& c : cases) {
    std::vector<std::pair<int, std::string>> got;
    PatternMatcher(c.pieces).Match(c.line, [&](int slot, std::string_view text) {
      got.emplace_back(slot, text);
      return true;
    });
    EXPECT_EQ(got, c.want) << c.line;
  }
}

TEST(Pattern, LineFilter) {
  const struct {
    std::vector<PatternPiece> pieces;
    const char* line;
    bool want;
  } cases[] = {
      {{}, "", true},
      {{}, "x", false},
      {{Capture(-1), Text(" bar")}, "foo bar", true},
      {{Capture(-1), Text(" bar")}, "foo bar x", false},
      {{Text("foo "), Capture(-1)}, "foo bar", true},
      {{Text("foo "), Capture(-1)}, "xfoo y", true},
      {{Text("foo "), Capture(-1)}, "foo ", false},
      {{Capture(-1), Text("bar")}, "bar", false},
      {{Capture(-1)}, "x", true},
      {{Capture(-1)}, "", false},
      {{Text("a"), Capture(-1), Text("b")}, "ab", false},
      {{Text("a"), Capture(-1), Text("b")}, "a1b", true},
  };
  for (const auto& c : cases) EXPECT_EQ(LinePattern(c.pieces).Matches(c.line), c.want) << c.line;
}

TEST(Sanitize, Keys) {
  const std::pair<const char*, const char*> cases[] = {{"abc", "abc"},
                                                       {"a-b", "a_b"},
                                                       {" a ", "a"},
                                                       {"1a", "_1a"},
                                                       {"", ""},
                                                       {" \t", ""},
                                                       {"a.b", "a_b"},
                                                       {"\xc3\xa9", "_"},
                                                       {"a\xff\xff"
                                                        "b",
                                                        "a__b"},
                                                       {"a b", "a_b"},
                                                       {"_x", "_x"}};
  std::string scratch;
  for (const auto& [key, want] : cases) EXPECT_EQ(SanitizedKey(key, &scratch), want) << key;
  EXPECT_EQ(WithoutInvalidRunes("a\xff"
                                "b\xef\xbf\xbd"
                                "c\xc3\xa9",
                                &scratch),
            "a b c\xc3\xa9");
}

}  // namespace
}  // namespace skald
