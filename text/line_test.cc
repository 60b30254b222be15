// Substrings, addresses, levels, escape sequences.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/error.h"
#include "text/decolorize.h"
#include "text/ip_filter.h"
#include "text/level.h"
#include "text/substring.h"

namespace skald {
namespace {

TEST(Substring, AgreesWithStdFind) {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text(random() % 150, ' ');
    for (char& c : text) c = static_cast<char>("abAB["[random() % 5]);
    std::string needle(1 + random() % 6, ' ');
    for (char& c : needle) c = static_cast<char>("abAB["[random() % 5]);
    const size_t from = random() % 10;
    EXPECT_EQ(SubstringFinder(needle).Find(text, from), text.find(needle, from)) << text << " " << needle;
    std::string lower_text = text;
    std::string lower_needle = needle;
    for (char& c : lower_text) c = static_cast<char>(tolower(c));
    for (char& c : lower_needle) c = static_cast<char>(tolower(c));
    EXPECT_EQ(SubstringFinder(needle, true).Find(text, from), lower_text.find(lower_needle, from))
        << text << " " << needle;
  }
  EXPECT_EQ(SubstringFinder("").Find("abc", 3), 3u);
  EXPECT_EQ(SubstringFinder("").Find("abc", 4), SubstringFinder::kNotFound);
  EXPECT_EQ(SubstringFinder("abcd").Find("abc"), SubstringFinder::kNotFound);
}

TEST(Substring, Folded) {
  const struct {
    const char* needle;
    const char* text;
    bool want;
  } cases[] = {
      {"ERR", "an error", true},
      {"kelvin",
       "\xe2\x84\xaa"
       "elvin",
       false},
      {"ok", "xo\xe2\x84\xaay", true},
      {"\xc8\xba", "\xe2\xb1\xa5", true},
      {"\xc8\xba", "\xc8\xba", false},
      {"\xc3\x84pfel", "\xc3\xa4PFEL", true},
      {"\xc3\xa4pfel", "\xc3\x84pfel", true},
      {"", "x", true},
      {"aab", "aaab", true},
      {"x", "", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(FoldedFinder(c.needle).FoundIn(c.text), c.want) << c.needle << " in " << c.text;
  EXPECT_TRUE(FoldedFinder("Warn").Equals("wARN"));
  EXPECT_FALSE(FoldedFinder("Warn").Equals("wARNs"));
}

TEST(IpFilter, Addresses) {
  for (const char* good :
       {"1.2.3.4", "0.0.0.0", "255.255.255.255", "::", "::1", "1::", "fe80::1", "1:2:3:4:5:6:7:8",
        "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::3:4:5:6:7:8", "A::b"}) {
    EXPECT_TRUE(ParseIpAddress(good).has_value()) << good;
  }
  for (const char* bad :
       {"", "1.2.3", "1.2.3.4.", "1.2.3.256", "01.2.3.4", "1..2.3", "1.2.3.4.5", ":::", "1:2",
        "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "1:2:3:4:5:6:7:1.2.3.4", ":1", "1:", "::1.2.3", "g::"}) {
    EXPECT_FALSE(ParseIpAddress(bad).has_value()) << bad;
  }
}

TEST(IpFilter, Lines) {
  const struct {
    const char* pattern;
    const char* line;
    bool want;
  } cases[] = {
      {"10.0.0.0/8", "src=10.1.2.3:80 ok", true},
      {"10.0.0.0/8", "src=11.0.0.1 ok", false},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.1.", false},
      {"10.0.0.1", "x10.0.0.1x", true},
      {"10.0.0.1-10.0.0.9", "at 10.0.0.5", true},
      {"10.0.0.1-10.0.0.9", "at 10.0.0.10", false},
      {"10.1.2.3/8", "10.9.9.9", true},
      {"0.0.0.0/0", "::ffff:1.2.3.4", false},
      {"2001:db8::/32", "from 2001:db8::1 ok", true},
      {"2001:db8::/32", "from 2001:db9::1 ok", false},
      {"::1", "::1 ", false},  // at least five bytes are looked at
      {"::1", "a ::1 b", true},
      {"1.2.3.4", "1.2.3.4", true},
      {"1.2.3.4", "1234.1.2.3.4", false},
      {"1.2.3.4", "12 1.2.3.4", true},
      {"1.2.3.4", "", false},
  };
  for (const auto& c : cases) {
    const auto matcher = IpMatcher::Make(c.pattern);
    ASSERT_TRUE(matcher.ok()) << c.pattern;
    EXPECT_EQ(matcher->FoundIn(c.line), c.want) << c.pattern << " in " << c.line;
  }
  for (const char* bad : {"1.1", "", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "1.2.3.4-",
                          "2.0.0.0-1.0.0.0", "1.2.3.4-::1", "1.2.3.4 - 1.2.3.5"}) {
    EXPECT_EQ(MessageOf(IpMatcher::Make(bad).status()), fmt::format("ip: invalid pattern: \"{}\"", bad));
  }
}

TEST(Level, OfLine) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"msg":"x","level":"ERR"})", "error"},
      {R"({"a":{"level":"warn"}})", "warn"},
      {R"({"a":{"b":{"level":"dbg"}},"m":"info"})", "info"},
      {R"({"level":{"x":1},"Level":"debug"})", "debug"},
      {R"({"level":3,"m":" fatal "})", "fatal"},
      {R"({"leVel":"debug"})", "debug"},
      {R"({"level":"notice","m":"error"})", "error"},
      {R"({"level":"notice"})", "unknown"},
      {R"(  {"lvl":"trc"}  )", "trace"},
      {"level=info msg=x", "info"},
      {"LEVEL=Warning msg=\"an error\"", "warn"},
      {"msg=\"level=error\" lvl=info", "info"},
      {"lvl=info level=error", "error"},
      {"severity=notice msg=error", "error"},
      {"x=1 error happened", "error"},
      {"an error: b", "error"},
      {"misc:error", "unknown"},
      {"terrors", "unknown"},
      {"ERROR", "error"},
      {"[WARN] x", "warn"},
      {"warnings", "unknown"},
      {"warning, error", "warn"},
      {"debug: x error", "debug"},
      {"a long line of more than sixteen bytes, then (Critical) it is", "critical"},
      {"", "unknown"},
      {"info", "info"},
      {"inform info", "info"},
      {"\"fatal\"", "fatal"},
      {"err", "error"},
      {"trace\tx", "trace"},
  };
  const LevelDetector detector;
  for (const auto& [line, want] : cases) EXPECT_EQ(detector.OfLine(line), want) << line;
}

TEST(Level, Sources) {
  const LevelDetector detector;
  using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;
  const auto lookup = [](Pairs pairs) {
    return [pairs](std::string_view name) -> std::optional<std::string_view> {
      for (const auto& [key, value] : pairs) {
        if (key == name) return value;
      }
      return std::nullopt;
    };
  };
  const struct {
    Pairs stream;
    Pairs metadata;
    const char* line;
    const char* want;
  } cases[] = {
      {{{"level", "debug"}}, {{"detected_level", "WARN"}}, "error", "warn"},
      {{{"level", "notice"}}, {{"level", "debug"}}, "error", "notice"},
      {{{"app", "x"}}, {{"lvl", "DBG"}, {"severity_number", "17"}}, "error", "debug"},
      {{}, {{"severity_number", "17"}}, "debug", "error"},
      {{}, {{"severity_number", "x"}}, "debug", "info"},
      {{}, {{"severity_number", "0"}}, "debug", "unknown"},
      {{}, {{"severity_number", "25"}}, "debug", "unknown"},
      {{}, {}, "debug", "debug"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(detector.Detect(lookup(c.stream), lookup(c.metadata), c.line), c.want) << c.want;
}

TEST(Decolorize, Lines) {
  const std::pair<const char*, const char*> cases[] = {
      {"plain", "plain"},
      {"\x1b[31mred\x1b[0m", "red"},
      {"\x1b[1;31;40mred\x1b[m!", "red!"},
      {"\xc2\x9b"
       "31mred",
       "red"},
      {"\xc2\xa9 stays", "\xc2\xa9 stays"},
      {"\x1b]0;title\ax", "x"},
      {"\x1b", "\x1b"},
      {"a\x1b z", "a\x1b z"},
      {"\x1b[12 x", " x"},
      {"\x1b[2Kline\x1b[1Gx", "linex"},
      {"\x1b[12345mx", "mx"},
      {"\x1b(Bx", "x"},
  };
  std::string scratch;
  for (const auto& [line, want] : cases) EXPECT_EQ(Decolorize(line, &scratch), want) << want;
}

}  // namespace
}  // namespace skald
