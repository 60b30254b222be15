#include "base/hyper_log_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace skald {
namespace {

TEST(HyperLogLog, ExactWhereSmall) {
  for (const uint64_t count : {0, 1, 15, 16, 17, 500, 1023, 1024}) {
    std::mt19937_64 random(count + 1);
    HyperLogLog sketch;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t hash = random();
      for (int repeated = 0; repeated < 3; ++repeated) sketch.Add(hash);
    }
    EXPECT_EQ(sketch.Count(), count);
  }
}

// Of 40 runs each, none is further off than four standard errors, and their mean is not biased.
TEST(HyperLogLog, ErrorBounds) {
  constexpr double kStandardError = 0.0081;
  for (const uint64_t count : {1025, 5000, 20'000, 50'000, 200'000}) {
    constexpr int kRuns = 40;
    double sum = 0;
    double squares = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::mt19937_64 random(static_cast<uint64_t>(run) * 1000 + count);
      HyperLogLog sketch;
      for (uint64_t i = 0; i < count; ++i) sketch.Add(random());
      const double error = static_cast<double>(sketch.Count()) / static_cast<double>(count) - 1;
      EXPECT_LT(std::abs(error), 4 * kStandardError) << count;
      sum += error;
      squares += error * error;
      EXPECT_LE(sketch.bytes(), size_t{16} << 10);
    }
    EXPECT_LT(std::abs(sum / kRuns), kStandardError) << count;
    EXPECT_LT(std::sqrt(squares / kRuns), 1.5 * kStandardError) << count;
  }
}

TEST(HyperLogLog, MergeIsUnion) {
  for (const uint64_t count : {100, 900, 5000}) {
    std::mt19937_64 random(count);
    HyperLogLog all, left, right;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t hash = random();
      all.Add(hash);
      if (i % 3 != 0) left.Add(hash);
      if (i % 3 != 1) right.Add(hash);
    }
    HyperLogLog other = right;
    other.Merge(left);
    left.Merge(right);
    EXPECT_EQ(left.Count(), all.Count());
    EXPECT_EQ(other.Count(), all.Count());
  }
}

}  // namespace
}  // namespace skald
