// Rolling windows against full evaluation, over lines that arrive in any order.
#include "query/exec/windows/rolling_windows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "query/exec/metric/value_bag.h"
#include "query/exec/testing/rolling_fixture.h"

namespace skald::exec {
namespace {

class RandomArrival : public RollingWindowsTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RandomArrival, EqualsFullEvaluation) {
  std::mt19937_64 random(GetParam());
  const auto below = [&](uint64_t n) { return random() % n; };
  const int64_t interval_ns = std::vector<int64_t>{5, 13, 15, 60}[below(4)] * kS;
  const int64_t phase_ns = static_cast<int64_t>(below(1'000'000'000));
  // As it is, and with spans that are folded at once.
  if (below(2) == 0) windows_ = std::make_unique<RollingWindows>(int64_t{256} << 20, 1);
  int64_t now_ns = kStart + phase_ns;
  for (int slot = 0; slot < 40; ++slot) {
    now_ns += interval_ns * (below(8) == 0 ? 3 : 1);  // some are missed
    for (uint64_t batch = below(4); batch > 0; --batch) {
      ArriveAtRandom(&random, now_ns, interval_ns);
    }
    // A sender repeats itself.
    if (!sent_.empty() && below(5) == 0) {
      const Sent again = sent_[below(sent_.size())];
      Arrive(again.labels, again.entries, again.tenant);
    }
    if (!sent_.empty() && below(10) == 0) Hide(below(sent_.size()));
    for (const char* query : kQueries)
      ExpectSame(query, now_ns, interval_ns, fmt::format("in slot {} of seed {}", slot, GetParam()));
    for (const char* query : kQueriesOfTwo) {
      ExpectSame(query, now_ns, interval_ns, fmt::format("of two in slot {} of seed {}", slot, GetParam()),
                 "t|u");
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(windows_->states(), 0u);
}

INSTANTIATE_TEST_SUITE_P(RollingWindowsTest, RandomArrival, testing::Range<uint64_t>(1, 33));

class LongWindows : public RollingWindowsTest, public testing::WithParamInterface<const char*> {};

// A long window whose spans are folded: the same numbers, and lines are not read again with each evaluation.
TEST_P(LongWindows, AreNotReadAgain) {
  const int64_t interval_ns = 15 * kS;
  const std::string query = GetParam();
  // A line of each of 5 pods every 30 s for four days: more than is kept as it is.
  constexpr int kDays = 4;
  for (int pod = 0; pod < 5; ++pod) {
    for (int hour = 0; hour < 24 * kDays; ++hour) {
      std::vector<MemoryEntry> entries;
      for (int i = 0; i < 120; ++i) {
        entries.push_back({kStart + hour * 3600 * kS + i * 30 * kS + pod,
                           fmt::format("a line n={} d={}", (hour * 120 + i) % 5000, i * 7 % 50),
                           {}});
      }
      Arrive(Labels{{"app", "a"}, {"pod", std::to_string(pod)}}, std::move(entries));
    }
  }
  // The lines of the fourth day are there already; the evaluation times go through its first hours.
  const int64_t begin_ns = kStart + 72 * 3600 * kS;
  ExpectSame(query, begin_ns, interval_ns, "at first");
  uint64_t most = 0;
  uint64_t sum = 0;
  constexpr int kSlots = 4 * 60 * 3;
  for (int slot = 1; slot <= kSlots; ++slot) {
    const uint64_t before = source_.reads();
    const absl::StatusOr<QueryResult> rolled = Run(query, begin_ns + slot * interval_ns, interval_ns);
    ASSERT_TRUE(rolled.ok());
    const uint64_t reads = source_.reads() - before;
    most = std::max(most, reads);
    sum += reads;
    if (slot % 97 == 0)
      ExpectSame(query, begin_ns + slot * interval_ns, interval_ns, fmt::format("in slot {}", slot));
  }
  // A full evaluation reads 360 blocks; an evaluation here those of the newest hour, and at times of the hour
  // that leaves the window.
  EXPECT_LE(most, 25u);
  EXPECT_LE(sum, uint64_t{kSlots} * 8);
  // A late line goes into a span that was folded.
  Arrive(Labels{{"app", "a"}, {"pod", "7"}}, {{begin_ns - 30 * 3600 * kS, "a late line n=3 d=3", {}}});
  Arrive(Labels{{"app", "a"}, {"pod", "3"}}, {{begin_ns - 30 * 3600 * kS, "a late line n=3 d=3", {}}});
  ExpectSame(query, begin_ns + (kSlots + 1) * interval_ns, interval_ns, "after a late line");
  ExpectSame(query, begin_ns + (kSlots + 2) * interval_ns, interval_ns, "and once more");
}

INSTANTIATE_TEST_SUITE_P(
    RollingWindowsTest, LongWindows,
    testing::Values("sum by (app, pod) (count_over_time({app=\"a\"} |= \"line\" [3d]))",
                    "sum by (pod) (rate_counter({app=\"a\"} | logfmt n | unwrap n [3d]))",
                    "quantile_over_time(0.95, {app=\"a\"} | logfmt d | unwrap d [3d]) by (pod)",
                    "stddev_over_time({app=\"a\"} | logfmt d | unwrap d [3d]) by (pod)"));

TEST_F(RollingWindowsTest, OneStateServesAllWindowsOfARead) {
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  for (const char* range : {"5m", "1h", "30m", "6h"}) {
    ASSERT_TRUE(
        Run(fmt::format("sum(count_over_time({{app=\"a\"}}[{}]))", range), kStart + kS, 60 * kS).ok());
    ASSERT_TRUE(Run(fmt::format("sum(rate({{app=\"a\"}}[{}]))", range), kStart + kS, 60 * kS).ok());
  }
  EXPECT_EQ(windows_->states(), 1u);
  ASSERT_TRUE(Run("sum(count_over_time({app=\"a\"} |= \"x\" [5m]))", kStart + kS, 60 * kS).ok());
  EXPECT_EQ(windows_->states(), 2u);
}

TEST_F(RollingWindowsTest, WhatDoesNotFitIsReadAnew) {
  RollingWindows small(1);
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  QueryParams params;
  params.tenant = "t";
  params.query = "count_over_time({app=\"a\"}[5m])";
  params.instant = true;
  params.windows = &small;
  params.interval_ns_of_windows = 15 * kS;
  for (int i = 1; i < 4; ++i) {
    params.end_ns = kStart + i * 15 * kS;
    const auto result = Engine(&source_, &pool_, &budget_).Run(params, QueryLimits(), nullptr);
    EXPECT_EQ(std::get<Vector>(result->data).samples.at(0).value, 1);
    EXPECT_EQ(small.states(), 0u);
    EXPECT_EQ(small.bytes(), 0);
  }
}

// Numbers that repeat take little in a span that is folded.
TEST(ValueBag, ShrinksAndKeepsItsQuantiles) {
  std::mt19937_64 random(7);
  std::vector<double> all;
  ValueBag bag;
  for (int part = 0; part < 20; ++part) {
    std::vector<double> values;
    for (int i = 0; i < 500; ++i)
      values.push_back(random() % 100 == 0 ? std::nan("") : static_cast<double>(random() % 40));
    all.insert(all.end(), values.begin(), values.end());
    ValueBag one(std::move(values));
    if (part % 3 != 0) one.Shrink();
    bag.Append(one);
  }
  for (const double q : {-1.0, 0.0, 0.005, 0.5, 0.9, 0.999, 1.0, 2.0, std::nan("")}) {
    ValueBag asked = bag;
    std::vector<double> want = all;
    const double exact = Quantile(q, &want);
    const double got = asked.Quantile(q);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(got)) << q;
    } else {
      EXPECT_DOUBLE_EQ(got, exact) << q;
    }
  }
  const int64_t before = bag.bytes();
  bag.Shrink();
  EXPECT_LT(bag.bytes(), 4'000);
  EXPECT_GT(before, 30'000);
  ValueBag different({1.5, 2.5, 3.5, 4.5});
  different.Shrink();
  EXPECT_LE(different.bytes(), ValueBag({1.5, 2.5, 3.5, 4.5}).bytes());
}

TEST_F(RollingWindowsTest, ForgetsWhenLinesAreHidden) {
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  const std::string query = "count_over_time({app=\"a\"}[5m])";
  ExpectSame(query, kStart + 15 * kS, 15 * kS, "before");
  source_ = MemoryLogSource();
  windows_->Forget("t", "1");
  const absl::StatusOr<QueryResult> result = Run(query, kStart + 30 * kS, 15 * kS);
  EXPECT_TRUE(std::get<Vector>(result->data).samples.empty());
}

}  // namespace
}  // namespace skald::exec
