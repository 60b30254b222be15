#include "base/fair_share.h"

#include <gtest/gtest.h>

namespace skald {
namespace {

TEST(FairShare, HalfOfWhatTheOthersLeave) {
  MemoryBudget budget("all", 1000);
  FairShare share(&budget);
  EXPECT_TRUE(share.Reserve("a", 500).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(share.Reserve("a", 1)));
  EXPECT_TRUE(share.Reserve("b", 200).ok());
  EXPECT_TRUE(share.Reserve("b", 50).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(share.Reserve("b", 1)));
  EXPECT_TRUE(share.Reserve("c", 125).ok());
  EXPECT_EQ(budget.used(), 875);
  share.Release("a", 500);
  EXPECT_EQ(budget.used(), 375);
  EXPECT_TRUE(share.Reserve("b", 187).ok());  // (1000 - 125) / 2 - 250
  EXPECT_FALSE(share.Reserve("b", 1).ok());
  share.Release("b", 437);
  share.Release("c", 100);
  share.Release("c", 25);
  EXPECT_EQ(budget.used(), 0);
}

TEST(FairShare, WithoutASharerTheBudgetAloneCounts) {
  MemoryBudget budget("all", 1000);
  FairShare share(&budget);
  EXPECT_TRUE(share.Reserve("", 1000).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(share.Reserve("", 1)));
  EXPECT_TRUE(absl::IsResourceExhausted(share.Reserve("a", 1)));
  share.Release("", 1000);
  EXPECT_TRUE(share.Reserve("a", 0).ok());
  EXPECT_EQ(budget.used(), 0);
}

TEST(FairShare, ARefusalOfTheParentTakesNothing) {
  MemoryBudget parent("machine", 100);
  MemoryBudget budget("all", 1000, &parent);
  FairShare share(&budget);
  EXPECT_FALSE(share.Reserve("a", 200).ok());
  EXPECT_TRUE(share.Reserve("a", 100).ok());
  share.Release("a", 100);
  EXPECT_EQ(parent.used(), 0);
}

}  // namespace
}  // namespace skald
