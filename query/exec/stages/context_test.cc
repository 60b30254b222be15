#include <gtest/gtest.h>

#include "query/exec/stages/testing/sequence_test.h"

namespace skald::exec {
namespace {

class ContextTest : public SequenceTest {
 protected:
  ContextTest() {
    for (int block = 0; block < 4; ++block) {
      std::vector<std::pair<int64_t, std::string>> lines;
      for (int i = 0; i < 5; ++i) {
        const int n = block * 5 + i;
        lines.emplace_back(n * 10,
                           (n == 7 || n == 9 || n == 16 ? "match n=" : "other n=") + std::to_string(n));
      }
      Add(lines);
    }
    Add({{85, "match n=y"}}, {{"app", "x"}, {"pod", "2"}});
  }
};

TEST_F(ContextTest, LinesAround) {
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "match" | context before=1 after=1)"), "6 7 8 9 10 15 16 17");
  EXPECT_EQ(Backward(R"({app="x", pod=""} |= "match" | context before=1 after=1)"), "17 16 15 10 9 8 7 6");
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "match" | context before=2)"), "5 6 7 8 9 14 15 16");
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "n=16" | context after=100)"), "16 17 18 19");
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "n=7" | context before=100)"), "0 1 2 3 4 5 6 7");
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "n=7" | context before=0)"), "7");
}

TEST_F(ContextTest, OfTheSameStream) {
  EXPECT_EQ(Forward(R"({app="x"} |= "n=y" | context before=2 after=2)"), "y");
  EXPECT_EQ(Forward(R"({app="x"} |= "match" | context before=1 after=0)"), "6 7 8 y 9 15 16");
}

TEST_F(ContextTest, LimitCountsAllLines) {
  EXPECT_EQ(Forward(R"({app="x", pod=""} |= "match" | context before=1 after=1)", 4), "6 7 8 9");
  EXPECT_EQ(Backward(R"({app="x", pod=""} |= "match" | context before=1 after=1)", 2), "17 16");
}

// A match stays one when it is another one's context; what is beside it comes as it is stored.
TEST_F(ContextTest, LabelsOfMatches) {
  EXPECT_EQ(Labeled(R"({app="x", pod=""} | logfmt | n=~"7|8" | context after=1)"),
            R"({app="x", n="7"} {app="x", n="8"} {app="x"})");
}

TEST_F(ContextTest, DistinctBehindIt) {
  EXPECT_EQ(Forward(R"({app="x"} |= "match" | context before=1 | distinct app)"), "6");
}

}  // namespace
}  // namespace skald::exec
