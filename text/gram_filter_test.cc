#include "text/gram_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "text/substring.h"

namespace skald {
namespace {

struct GramSet {
  std::string bits;
  int log2_bits = 0;
};

GramSet SetOf(std::string_view text, size_t max_bytes) {
  GramSetBuilder builder;
  builder.Start(text.size());
  builder.Add(text);
  GramSet set;
  EXPECT_TRUE(builder.Finish(max_bytes, &set.log2_bits, &set.bits));
  EXPECT_LE(set.bits.size(), max_bytes);
  return set;
}

bool MayHold(const GramSet& set, const GramNeed& need) {
  return need.MayHold(reinterpret_cast<const unsigned char*>(set.bits.data()), set.log2_bits);
}

bool MayHold(const GramSet& set, std::string_view literal) {
  GramNeed need;
  need.AddAlternative(literal);
  return MayHold(set, need);
}

std::string RandomText(std::mt19937* random, size_t size) {
  // Few bytes, so that searches find something, and all that fold in odd ways.
  constexpr std::string_view kBytes = "abABkKsS019 _-\n\"{}[]@`\x80\xc4\xb0\xff";
  std::string out;
  while (out.size() < size) out += kBytes[(*random)() % kBytes.size()];
  return out;
}

TEST(GramFilter, NeverMissesWhatAScanFinds) {
  std::mt19937 random(3);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(&random, random() % 3000);
    const GramSet set = SetOf(text, 64 << (random() % 6));
    for (int i = 0; i < 100; ++i) {
      std::string literal = RandomText(&random, random() % 12);
      if (i % 2 == 0 && !text.empty()) literal = text.substr(random() % text.size(), random() % 30);
      const bool may = MayHold(set, literal);
      refused += may ? 0 : 1;
      if (may) continue;
      ASSERT_EQ(text.find(literal), std::string::npos) << literal;
      ASSERT_FALSE(SubstringFinder(literal, true).FoundIn(text)) << literal;
    }
    for (int i = 0; i < 30; ++i) {
      const std::string literal = RandomText(&random, 4 + random() % 6);
      const FoldedFinder finder(literal);
      GramNeed need;
      need.AddAlternative(finder.NeededParts());
      if (!MayHold(set, need)) {
        ASSERT_FALSE(finder.FoundIn(text)) << literal;
      }
    }
  }
  EXPECT_GT(refused, 1000);  // it is of some use, too
}

TEST(GramFilter, ShortTextsAndLiterals) {
  EXPECT_TRUE(MayHold(SetOf("", 64), "abc"));
  EXPECT_FALSE(MayHold(SetOf("", 64), "abcd"));
  EXPECT_FALSE(MayHold(SetOf("abc", 64), "abcd"));
  EXPECT_TRUE(MayHold(SetOf("xabcdx", 64), "ABCD"));
  EXPECT_TRUE(MayHold(SetOf("abcdefgh", 64), "efgh"));
}

TEST(GramFilter, AlternativesAndTheirParts) {
  const GramSet set = SetOf("connection reset by peer", 64);
  GramNeed either;
  either.AddAlternative("timeout");
  EXPECT_FALSE(MayHold(set, either));
  either.AddAlternative("reset");
  EXPECT_TRUE(MayHold(set, either));
  GramNeed both;
  both.AddAlternative(std::vector<std::string_view>{"reset", "timeout"});
  EXPECT_FALSE(MayHold(set, both));
  GramNeed nothing;
  EXPECT_TRUE(nothing.Trivial());
  EXPECT_TRUE(MayHold(set, nothing));
  both.AddAlternative("of");
  EXPECT_TRUE(both.Trivial());
  EXPECT_TRUE(MayHold(set, both));
}

TEST(GramFilter, KelvinSignIsAK) {
  const GramSet set = SetOf("brea\xe2\x84\xaa fast", 64);
  const FoldedFinder finder("break fast");
  ASSERT_TRUE(finder.FoundIn("brea\xe2\x84\xaa fast"));
  GramNeed need;
  need.AddAlternative(finder.NeededParts());
  EXPECT_TRUE(MayHold(set, need));
}

TEST(GramFilter, NoRoomNoSet) {
  GramSetBuilder builder;
  builder.Start(1 << 20);
  builder.Add("some text");
  std::string out = "before";
  int log2_bits = 0;
  EXPECT_FALSE(builder.Finish(63, &log2_bits, &out));
  EXPECT_EQ(out, "before");
  EXPECT_TRUE(builder.Finish(64, &log2_bits, &out));
  EXPECT_EQ(log2_bits, GramSetBuilder::kMinLog2Bits);
}

}  // namespace
}  // namespace skald
