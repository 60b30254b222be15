#include "base/failpoint.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace skald {
namespace {

TEST(Failpoint, AnswersOnlyWhereSetAndUntilCleared) {
  EXPECT_TRUE(Failpoint("a").ok());
  int hits = 0;
  SetFailpoint("a", [&] {
    ++hits;
    return hits == 1 ? Unavailable("first") : absl::OkStatus();
  });
  EXPECT_EQ(Failpoint("a").message(), "first");
  EXPECT_TRUE(Failpoint("a").ok());
  EXPECT_TRUE(Failpoint("b").ok());
  ClearFailpoints();
  EXPECT_TRUE(Failpoint("a").ok());
  EXPECT_EQ(hits, 2);
}

}  // namespace
}  // namespace skald
