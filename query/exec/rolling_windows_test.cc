// Rolling windows against full evaluation, over lines that arrive in any order.
#include "query/exec/rolling_windows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"

namespace skald::exec {
namespace {

constexpr int64_t kS = kNsPerSecond;
constexpr int64_t kStart = 1'700'000'000 * kS;

class RollingWindowsTest : public testing::Test {
 protected:
  absl::StatusOr<QueryResult> Run(const std::string& query, int64_t at_ns, int64_t interval_ns) {
    QueryParams params;
    params.tenant = "t";
    params.query = query;
    params.instant = true;
    params.end_ns = at_ns;
    if (interval_ns > 0) {
      params.windows = &windows_;
      params.interval_ns_of_windows = interval_ns;
    }
    return Engine(&source_, &pool_, &budget_).Run(params, QueryLimits(), nullptr);
  }
  void Arrive(const Labels& labels, std::vector<MemoryEntry> entries) {
    int64_t min_ns = kMaxTimeNs;
    int64_t max_ns = kMinTimeNs;
    for (const MemoryEntry& entry : entries) {
      min_ns = std::min(min_ns, entry.time_ns);
      max_ns = std::max(max_ns, entry.time_ns);
    }
    source_.AddBlock("t", {{labels, std::move(entries)}});
    const auto shared = std::make_shared<const Labels>(labels);
    const std::string text = labels.ToString();
    const auto it = std::find(streams_.begin(), streams_.end(), text);
    const auto id = static_cast<uint32_t>(it - streams_.begin()) + 1;
    if (it == streams_.end()) streams_.push_back(text);
    windows_.Publish("t", StreamId{id}, shared, min_ns, max_ns);
  }
  void ExpectSame(const std::string& query, int64_t at_ns, int64_t interval_ns, const std::string& when) {
    const absl::StatusOr<QueryResult> full = Run(query, at_ns, 0);
    const absl::StatusOr<QueryResult> rolled = Run(query, at_ns, interval_ns);
    ASSERT_EQ(full.status().code(), rolled.status().code()) << query << " " << when << "\n"
                                                            << full.status().ToString() << "\n"
                                                            << rolled.status().ToString();
    if (!full.ok()) return;
    const auto& want = std::get<Vector>(full->data).samples;
    const auto& got = std::get<Vector>(rolled->data).samples;
    ASSERT_EQ(want.size(), got.size()) << query << " " << when;
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(want[i].labels.ToString(), got[i].labels.ToString()) << query << " " << when;
      if (std::isnan(want[i].value) && std::isnan(got[i].value)) continue;
      EXPECT_NEAR(want[i].value, got[i].value, 1e-9 * std::max(1.0, std::abs(want[i].value)))
          << query << " " << when << " " << want[i].labels.ToString();
    }
  }

  MemoryLogSource source_;
  ThreadPool pool_{2};
  MemoryBudget budget_{"test", int64_t{1} << 30};
  RollingWindows windows_{int64_t{256} << 20};
  std::vector<std::string> streams_;
};

const char* const kQueries[] = {
    "count_over_time({app=~\".+\"}[1m])",
    "sum(count_over_time({app=~\".+\"}[5m]))",
    "sum by (app) (rate({app=~\"a|b\"} |= \"error\" [45s])) > 0.01",
    "rate({app=\"a\"}[7s])",
    "bytes_rate({app=~\".+\"}[1m] offset 30s)",
    "sum by (level) (bytes_over_time({app=~\".+\"} | logfmt [2m]))",
    "sum(sum_over_time({app=~\".+\"} | logfmt | unwrap d | __error__=\"\" [3m])) by (app)",
    "min_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
    "max_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [100s]) by (app)",
    "avg_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "stddev_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "stdvar_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [2m])",
    "first_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "last_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "quantile_over_time(0.9, {app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [2m]) by (app)",
    "quantile_over_time(0.5, {app=\"b\"} | logfmt d | unwrap d | __error__=\"\" [20s])",
    "rate_counter({app=\"a\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
    "absent_over_time({app=\"c\"}[20s])",
    "absent_over_time({app=\"nobody\"}[1m])",
    "sum(count_over_time({app=\"a\"} |= \"error\" [1m])) / sum(count_over_time({app=\"a\"}[1m])) > 0.1",
    "topk(2, sum by (level) (count_over_time({app=~\".+\"} | logfmt [1m])))",
    // Unhandled errors fail as long as a window holds such a line.
    "sum_over_time({app=\"c\"} | logfmt d | unwrap d [30s])",
    "sum(count_over_time({app=~\".+\"}[1h])) + sum(count_over_time({app=~\".+\"}[10m] offset 1m))",
};

class RandomArrival : public RollingWindowsTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RandomArrival, EqualsFullEvaluation) {
  std::mt19937_64 random(GetParam());
  const auto below = [&](uint64_t n) { return random() % n; };
  const int64_t interval_ns = std::vector<int64_t>{5, 13, 15, 60}[below(4)] * kS;
  const int64_t phase_ns = static_cast<int64_t>(below(1'000'000'000));
  std::vector<std::pair<Labels, std::vector<MemoryEntry>>> sent;
  int64_t now_ns = kStart + phase_ns;
  for (int slot = 0; slot < 40; ++slot) {
    now_ns += interval_ns * (below(8) == 0 ? 3 : 1);  // some are missed
    for (uint64_t batch = below(4); batch > 0; --batch) {
      Labels labels{{"app", std::string(1, static_cast<char>('a' + below(3)))},
                    {"pod", std::to_string(below(2))}};
      // On time, late, very late, or ahead of the clock.
      constexpr int64_t kLate[] = {0, 0, 0, 2, 20, 70, 400, 4000, -10};
      const int64_t late_ns = kLate[below(9)] * kS;
      std::vector<MemoryEntry> entries;
      for (uint64_t i = 1 + below(6); i > 0; --i) {
        MemoryEntry entry;
        entry.time_ns = now_ns - late_ns - static_cast<int64_t>(below(static_cast<uint64_t>(interval_ns)));
        std::string d = below(20) == 0 ? "oops" : fmt::format("{}", static_cast<double>(below(1000)) / 8);
        if (below(5) == 0) {  // on the edge; values of one time are alike, so that first and last are clear
          entry.time_ns = now_ns - late_ns;
          d = "7";
        }
        entry.line =
            fmt::format("level={} d={} {}", below(2) == 0 ? "info" : "warn", d, below(3) == 0 ? "error" : "");
        entries.push_back(std::move(entry));
      }
      sent.emplace_back(labels, entries);
      Arrive(labels, std::move(entries));
    }
    // A sender repeats itself.
    if (!sent.empty() && below(5) == 0) {
      const auto& again = sent[below(sent.size())];
      Arrive(again.first, again.second);
    }
    for (const char* query : kQueries)
      ExpectSame(query, now_ns, interval_ns, fmt::format("in slot {} of seed {}", slot, GetParam()));
    if (HasFailure()) return;
  }
  EXPECT_GT(windows_.states(), 0u);
}

INSTANTIATE_TEST_SUITE_P(RollingWindowsTest, RandomArrival, testing::Range<uint64_t>(1, 13));

// A long window whose spans are folded: the same numbers, and lines are not read again with each evaluation.
TEST_F(RollingWindowsTest, LongWindowsAreNotReadAgain) {
  const int64_t interval_ns = 15 * kS;
  const std::string query = "sum by (app, pod) (count_over_time({app=\"a\"} |= \"line\" [3d]))";
  // A line of each of 5 pods every 30 s for four days: more cells than are kept as they are.
  constexpr int kDays = 4;
  for (int pod = 0; pod < 5; ++pod) {
    for (int hour = 0; hour < 24 * kDays; ++hour) {
      std::vector<MemoryEntry> entries;
      for (int i = 0; i < 120; ++i)
        entries.push_back({kStart + hour * 3600 * kS + i * 30 * kS + pod, "a line", {}});
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
  Arrive(Labels{{"app", "a"}, {"pod", "7"}}, {{begin_ns - 30 * 3600 * kS, "a late line", {}}});
  ExpectSame(query, begin_ns + (kSlots + 1) * interval_ns, interval_ns, "after a late line");
  ExpectSame(query, begin_ns + (kSlots + 2) * interval_ns, interval_ns, "and once more");
}

TEST_F(RollingWindowsTest, OneStateServesAllWindowsOfARead) {
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  for (const char* range : {"5m", "1h", "30m", "6h"}) {
    ASSERT_TRUE(
        Run(fmt::format("sum(count_over_time({{app=\"a\"}}[{}]))", range), kStart + kS, 60 * kS).ok());
    ASSERT_TRUE(Run(fmt::format("sum(rate({{app=\"a\"}}[{}]))", range), kStart + kS, 60 * kS).ok());
  }
  EXPECT_EQ(windows_.states(), 1u);
  ASSERT_TRUE(Run("sum(count_over_time({app=\"a\"} |= \"x\" [5m]))", kStart + kS, 60 * kS).ok());
  EXPECT_EQ(windows_.states(), 2u);
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

TEST_F(RollingWindowsTest, ForgetsWhenLinesAreHidden) {
  Arrive(Labels{{"app", "a"}}, {{kStart, "x", {}}});
  const std::string query = "count_over_time({app=\"a\"}[5m])";
  ExpectSame(query, kStart + 15 * kS, 15 * kS, "before");
  source_ = MemoryLogSource();
  windows_.Forget("t");
  const absl::StatusOr<QueryResult> result = Run(query, kStart + 30 * kS, 15 * kS);
  EXPECT_TRUE(std::get<Vector>(result->data).samples.empty());
}

}  // namespace
}  // namespace skald::exec
