#include <gtest/gtest.h>

#include "query/exec/stages/testing/sequence_test.h"

namespace skald::exec {
namespace {

class DistinctTest : public SequenceTest {
 protected:
  DistinctTest() {
    // Two blocks, so that work is shared out: users a b a c, then b d a.
    Add({{10, "user=a n=1"}, {20, "user=b n=2"}, {30, "user=a n=3"}, {40, "user=c n=4"}});
    Add({{50, "user=b n=5"}, {60, "user=d n=6"}, {70, "user=a n=7"}});
  }
};

TEST_F(DistinctTest, FirstInTheDirection) {
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct user)"), "1 2 4 6");
  EXPECT_EQ(Backward(R"({app="x"} | logfmt | distinct user)"), "7 6 5 4");
}

TEST_F(DistinctTest, Combinations) {
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct user, n)"), "1 2 3 4 5 6 7");
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct app)"), "1");
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct missing)"), "1");
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | n > 2 | distinct user)"), "3 4 5 6");
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct user | distinct app)"), "1");
}

TEST_F(DistinctTest, Limit) {
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | distinct user)", 2), "1 2");
  EXPECT_EQ(Backward(R"({app="x"} | logfmt | distinct user)", 3), "7 6 5");
}

// More lines than are read at a time, many of them at one time.
TEST_F(DistinctTest, ManyPieces) {
  std::vector<std::pair<int64_t, std::string>> lines;
  for (int i = 0; i < 20'000; ++i)
    lines.emplace_back(100 + i / 3000, "user=u" + std::to_string(i % 7) + " n=x");
  lines.emplace_back(200, "user=last n=8");
  Add(lines);
  EXPECT_EQ(Forward(R"({app="x"} | logfmt | user=~"u.|last" | distinct user)"), "x x x x x x x 8");
}

}  // namespace
}  // namespace skald::exec
