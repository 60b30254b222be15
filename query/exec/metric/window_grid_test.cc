#include "query/exec/metric/window_grid.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace skald::exec {
namespace {

constexpr int64_t kSecond = kNsPerSecond;

TEST(WindowGrid, EdgesAreExactToTheNanosecond) {
  const WindowGrid grid(100 * kSecond, 0, 1, 10 * kSecond, 0);  // (90, 100]
  const struct {
    int64_t t_ns;
    bool in_window;
  } rows[] = {
      {90 * kSecond, false}, {90 * kSecond + 1, true},   {95 * kSecond, true},
      {100 * kSecond, true}, {100 * kSecond + 1, false},
  };
  for (const auto& row : rows) EXPECT_EQ(grid.Find(row.t_ns).in_window, row.in_window) << row.t_ns;
  EXPECT_EQ(grid.data_range().begin_ns, 90 * kSecond + 1);
  EXPECT_EQ(grid.data_range().end_ns, 100 * kSecond + 1);
}

TEST(WindowGrid, OffsetShiftsWindows) {
  const WindowGrid past(100, 0, 1, 10, 5);
  EXPECT_EQ(past.window_begin_ns(0), 85);
  EXPECT_EQ(past.window_end_ns(0), 95);
  const WindowGrid future(100, 0, 1, 10, -5);
  EXPECT_EQ(future.window_begin_ns(0), 95);
  EXPECT_EQ(future.window_end_ns(0), 105);
}

TEST(WindowGrid, ZeroRangeHoldsNothing) {
  const WindowGrid grid(100, 10, 3, 0, 0);
  for (int64_t t = 95; t < 125; ++t) EXPECT_FALSE(grid.Find(t).in_window);
  for (uint32_t step = 0; step < 3; ++step) EXPECT_LT(grid.last_bucket(step), grid.first_bucket(step));
}

TEST(WindowGrid, FarTimesSaturate) {
  const int64_t huge = std::numeric_limits<int64_t>::max();
  const WindowGrid grid(kMinTimeNs + 10, 1, 2, huge, huge);
  EXPECT_EQ(grid.data_range().begin_ns, kMinTimeNs);
  EXPECT_FALSE(grid.Find(huge).in_window);
}

// Each window must hold exactly the times of its definition, by way of buckets.
TEST(WindowGrid, BucketsMatchWindowsOnRandomGrids) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const int64_t start = static_cast<int64_t>(random() % 50) - 25;
    const int64_t step = 1 + static_cast<int64_t>(random() % 12);
    const uint32_t steps = 1 + random() % 8;
    const int64_t range = static_cast<int64_t>(random() % 30);
    const int64_t offset = static_cast<int64_t>(random() % 21) - 10;
    const WindowGrid grid(start, step, steps, range, offset);
    for (int64_t t = -120; t < 150; ++t) {
      const WindowGrid::Bucket bucket = grid.Find(t);
      ASSERT_TRUE(bucket.Contains(t));
      ASSERT_EQ(grid.Find(bucket.first_ns).id, bucket.id);
      ASSERT_EQ(grid.Find(bucket.last_ns).id, bucket.id);
      bool any = false;
      for (uint32_t i = 0; i < steps; ++i) {
        const int64_t at = start + static_cast<int64_t>(i) * step;
        const bool want = t > at - offset - range && t <= at - offset;
        const bool got = bucket.id >= grid.first_bucket(i) && bucket.id <= grid.last_bucket(i);
        ASSERT_EQ(got, want) << "start " << start << " step " << step << " range " << range << " offset "
                             << offset << " t " << t << " window " << i;
        any |= want;
      }
      ASSERT_EQ(bucket.in_window, any);
      uint32_t reaching = 0;
      while (reaching < steps && grid.last_bucket(reaching) < bucket.id) ++reaching;
      ASSERT_EQ(grid.FirstStepReaching(bucket.id), reaching);
      uint32_t ending = 0;
      while (ending < steps && grid.window_end_ns(ending) < t) ++ending;
      ASSERT_EQ(grid.FirstStepEndingAt(t), ending);
      if (any) {
        ASSERT_TRUE(grid.data_range().Contains(t));
      }
    }
  }
}

}  // namespace
}  // namespace skald::exec
