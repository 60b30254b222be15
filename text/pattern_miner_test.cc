#include "text/pattern_miner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace skald {
namespace {

// Padded, as lines of a Rows are.
uint32_t Add(PatternMiner* miner, const std::string& line) {
  const std::string padded = line + std::string(PatternMiner::kPadding, 'x');
  return miner->Add(std::string_view(padded).substr(0, line.size()));
}

std::vector<std::string> Mine(const std::vector<std::string>& lines, size_t max_patterns = 100) {
  PatternMiner miner(max_patterns);
  for (const std::string& line : lines) Add(&miner, line);
  std::vector<std::string> out;
  for (uint32_t i = 0; i < miner.size(); ++i) out.push_back(miner.Text(i));
  return out;
}

struct Case {
  std::vector<std::string> lines;
  std::vector<std::string> want;
};

TEST(PatternMiner, Patterns) {
  const std::vector<Case> cases = {
      {{"the same", "the same"}, {"the same"}},
      {{"took 12 ms", "took 7 ms", "took 1234567890123456789 ms"}, {"took <_> ms"}},
      {{R"(level=info status=200 took=3ms msg="all done")",
        R"(level=info status=200 took=5ms msg="all done")"},
       {R"(level=info status=200 took=<_> msg="all done")"}},
      {{R"(10.0.0.1 - - "GET /a/1 HTTP/1.1" 200)", R"(10.0.0.2 - - "GET /b HTTP/1.1" 404)"},
       {R"(<_> - - "GET <_> HTTP/1.1" <_>)"}},
      {{R"({"took":17,"at":"9:30"})", R"({"took":5,"at":"9:31"})"}, {R"({"took":<_>,"at":"<_>"})"}},
      {{"GET /a done", "GET /b done", "PUT /c done"}, {"GET <_> done", "PUT /c done"}},
      {{R"({"a":"x1","b":[1,2]})", R"({"a":"x2","b":[1,3]})"}, {R"({"a":"<_>","b":[1,<_>]})"}},
      {{"user alice logged in from berlin", "user bob logged in from paris"},
       {"user <_> logged in from <_>"}},
      // Other words, or another number of tokens: another pattern.
      {{"cannot open file", "disk full again", "cannot open"},
       {"cannot open file", "disk full again", "cannot open"}},
      {{"", "", "   "}, {""}},
      {{"123", "456"}, {"<_>"}},
      {{"alice", "bob"}, {"alice", "bob"}},
      // What is a placeholder already stays one.
      {{"took <_> ms", "took 7 ms", "took <_> ms"}, {"took <_> ms"}},
      {{"a <_>", "a b"}, {"a <_>"}},
      {{"caf\xc3\xa9 1 open", "caf\xc3\xa9 2 open"}, {"caf\xc3\xa9 <_> open"}},
      {{"one\ntwo 3", "one\ntwo 4"}, {"one\ntwo <_>"}},
  };
  for (const Case& c : cases) EXPECT_EQ(Mine(c.lines), c.want) << c.lines[0];
}

TEST(PatternMiner, TokensOverTheEdgesOfVectors) {
  // A number that moves over every place of a line, and words around it.
  for (size_t before = 0; before < 150; ++before) {
    const std::string head(before, 'a');
    const std::vector<std::string> got =
        Mine({head + " 12345 b", head + " 678901234567890123 b", head + " x1 b"});
    EXPECT_EQ(got, (std::vector<std::string>{head + " <_> b"})) << before;
    // Words of which one byte differs are not the same, wherever it is.
    std::string other = head + "b";
    for (size_t at = 0; at < before; at += 7) {
      std::string changed = other;
      changed[at] = 'z';
      EXPECT_EQ(Mine({"one " + other, "one " + changed}), (std::vector<std::string>{"one <_>"}))
          << before << at;
    }
  }
}

TEST(PatternMiner, LongLinesEndInAPlaceholder) {
  std::string line = "start";
  for (int i = 0; i < 500; ++i) line += " word";
  const std::vector<std::string> many_tokens = Mine({line, line + " and more"});
  ASSERT_EQ(many_tokens.size(), 1);
  EXPECT_TRUE(many_tokens[0].starts_with("start word word"));
  EXPECT_TRUE(many_tokens[0].ends_with(" word<_>"));
  const std::vector<std::string> one_token = Mine({std::string(100'000, 'a')});
  ASSERT_EQ(one_token.size(), 1);
  EXPECT_EQ(one_token[0], std::string(PatternMiner::kMaxBytes, 'a') + "<_>");
}

TEST(PatternMiner, NoMorePatternsThanAllowed) {
  std::vector<std::string> lines;
  for (int i = 0; i < 50; ++i) lines.push_back(std::string(static_cast<size_t>(i) + 1, 'q'));
  const std::vector<std::string> got = Mine(lines, 10);
  ASSERT_EQ(got.size(), 10);
  EXPECT_EQ(got[8], "qqqqqqqqq");
  EXPECT_EQ(got[9], "<_>");
}

TEST(PatternMiner, EachLineIsOfOnePattern) {
  PatternMiner miner(1000);
  std::map<uint32_t, int> counts;
  const std::vector<std::string> words = {"open", "close", "read", "write", "fail", "retry"};
  uint32_t seed = 1;
  const auto next = [&seed](uint32_t n) { return (seed = seed * 1664525 + 1013904223) / 65536 % n; };
  for (int i = 0; i < 5000; ++i) {
    std::string line;
    for (uint32_t n = next(12); n > 0; --n)
      line += words[next(6)] + (next(3) == 0 ? fmt::format("={} ", next(99)) : " ");
    ++counts[Add(&miner, line)];
  }
  int sum = 0;
  for (const auto& [pattern, count] : counts) {
    ASSERT_LT(pattern, miner.size());
    sum += count;
  }
  EXPECT_EQ(sum, 5000);
  // Patterns' texts added to another miner find their place, and what they are there is stable.
  PatternMiner again(1000);
  for (uint32_t i = 0; i < miner.size(); ++i) Add(&again, miner.Text(i));
  EXPECT_LE(again.size(), miner.size());
  const size_t known = again.size();
  for (uint32_t i = 0; i < known; ++i) EXPECT_LT(Add(&again, again.Text(i)), known);
  EXPECT_EQ(again.size(), known);
}

}  // namespace
}  // namespace skald
