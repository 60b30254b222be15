// Kept results against reading, over lines that arrive in any order.
#include "query/exec/metric/result_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"

namespace skald::exec {
namespace {

constexpr int64_t kS = kNsPerSecond;
constexpr int64_t kStart = 1'700'000'000 * kS;

class HeldClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns; }
  int64_t now_ns = kStart;
};

// Does something while the query's lines are being looked for.
class HookedSource : public MemoryLogSource {
 public:
  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override {
    absl::StatusOr<Selection> selection = MemoryLogSource::Select(tenant, matchers, range);
    if (after_select) std::exchange(after_select, nullptr)();
    return selection;
  }
  mutable std::function<void()> after_select;
};

class ResultCacheTest : public testing::Test {
 protected:
  struct Question {
    std::string query;
    int64_t start_ns = 0;
    int64_t end_ns = 0;
    int64_t step_ns = 0;
    int64_t split_ns = 3600 * kS;
    std::string tenant = "t";
    uint64_t max_bytes_read = 0;
  };

  absl::StatusOr<QueryResult> Run(const Question& question, ResultCache* results) {
    QueryParams params;
    params.tenant = question.tenant;
    params.query = question.query;
    params.start_ns = question.start_ns;
    params.end_ns = question.end_ns;
    params.step_ns = question.step_ns;
    params.results = results;
    QueryLimits limits;
    limits.split_interval_ns = question.split_ns;
    limits.max_bytes_read = question.max_bytes_read;
    return Engine(&source_, &pool_, &budget_).Run(params, limits, nullptr);
  }
  // An error without the series it names: of several at fault, the one is named that is come to first.
  static std::string Fault(const absl::Status& status) {
    const std::string text = status.ToString();
    return text.substr(0, text.find(" for series: "));
  }
  // The answer, which is the same as without the cache, and its statistics.
  QueryStats ExpectSame(const Question& question, const std::string& when = "") {
    const absl::StatusOr<QueryResult> full = Run(question, nullptr);
    const absl::StatusOr<QueryResult> kept = Run(question, &cache_);
    EXPECT_EQ(Fault(full.status()), Fault(kept.status())) << question.query << " " << when;
    if (!full.ok() || !kept.ok()) return {};
    const auto& want = std::get<Matrix>(full->data).series;
    const auto& got = std::get<Matrix>(kept->data).series;
    EXPECT_EQ(want.size(), got.size()) << question.query << " " << when;
    for (size_t i = 0; i < std::min(want.size(), got.size()); ++i) {
      EXPECT_EQ(want[i].labels.ToString(), got[i].labels.ToString()) << question.query << " " << when;
      EXPECT_EQ(want[i].points.size(), got[i].points.size()) << question.query << " " << when;
      for (size_t j = 0; j < std::min(want[i].points.size(), got[i].points.size()); ++j) {
        const Point& a = want[i].points[j];
        const Point& b = got[i].points[j];
        EXPECT_EQ(a.t_ms, b.t_ms) << question.query << " " << when;
        if (std::isnan(a.value) && std::isnan(b.value)) continue;
        EXPECT_NEAR(a.value, b.value, 1e-9 * std::max(1.0, std::abs(a.value)))
            << question.query << " " << when << " " << want[i].labels.ToString() << " at " << a.t_ms;
      }
    }
    return kept->stats;
  }
  void Arrive(const Labels& labels, std::vector<MemoryEntry> entries, const std::string& tenant = "t") {
    int64_t min_ns = kMaxTimeNs;
    int64_t max_ns = kMinTimeNs;
    for (const MemoryEntry& entry : entries) {
      min_ns = std::min(min_ns, entry.time_ns);
      max_ns = std::max(max_ns, entry.time_ns);
    }
    source_.AddBlock(tenant, {{labels, std::move(entries)}});
    cache_.Publish(tenant, labels, min_ns, max_ns);
  }
  // A line a second over [from, until).
  void Fill(const Labels& labels, int64_t from_ns, int64_t until_ns) {
    std::vector<MemoryEntry> entries;
    for (int64_t t = from_ns; t < until_ns; t += kS)
      entries.push_back(
          {t, fmt::format("d={} level={}", t / kS % 97, t % (7 * kS) == 0 ? "error" : "info"), {}});
    Arrive(labels, std::move(entries));
  }

  HookedSource source_;
  ThreadPool pool_{2};
  MemoryBudget budget_{"test", int64_t{1} << 30};
  HeldClock clock_;
  MemoryBudget memory_{"process", int64_t{256} << 20};
  ResultCache cache_{int64_t{64} << 20, &memory_, &clock_};
};

TEST_F(ResultCacheTest, AskedAgainOnlyWhatIsNewIsRead) {
  Fill({{"app", "a"}}, kStart, kStart + 3600 * kS);
  clock_.now_ns = kStart + 1800 * kS;
  Question question{"sum(count_over_time({app=\"a\"}[10s]))", kStart, clock_.now_ns, 10 * kS};
  QueryStats stats = ExpectSame(question);
  EXPECT_EQ(stats.kept_steps_found, 0u);
  EXPECT_GE(stats.kept_steps_stored, 178u);
  const uint64_t all_lines = stats.lines_processed;
  for (int refresh = 0; refresh < 30; ++refresh) {
    clock_.now_ns += 10 * kS;
    question.start_ns += 10 * kS;
    question.end_ns += 10 * kS;
    stats = ExpectSame(question);
    // The new step, and those whose lines are still on their way.
    EXPECT_LE(stats.kept_steps_asked - stats.kept_steps_found, 3u);
    EXPECT_GE(stats.kept_steps_stored, 1u);
    EXPECT_LT(stats.lines_processed, all_lines / 20);
  }
  // What another query computes of the same.
  question.query = "sum(count_over_time({app=\"a\"} [10s])) / 10 > 0";
  EXPECT_LE(ExpectSame(question).kept_steps_stored, 0u);
  EXPECT_GT(cache_.Stats().bytes, 0);
  EXPECT_EQ(cache_.Stats().bytes, memory_.used());
}

TEST_F(ResultCacheTest, WhatIsAskedTellsApart) {
  Fill({{"app", "a"}}, kStart, kStart + 600 * kS);
  clock_.now_ns = kStart + 3600 * kS;
  const char* const queries[] = {
      "count_over_time({app=\"a\"}[10s])",
      "count_over_time({app=\"a\"}[20s])",
      "count_over_time({app=\"a\"}[10s] offset 10s)",
      "rate({app=\"a\"}[10s])",
      "bytes_rate({app=\"a\"}[10s])",
      "count_over_time({app=~\"a\"} |= \"error\" [10s])",
      "count_over_time({app=~\"a\"} |= \"info\" [10s])",
      "count_over_time({app=~\"a\"} != \"info\" [10s])",
      "sum by (level) (count_over_time({app=\"a\"} | logfmt [10s]))",
      "sum by (d) (count_over_time({app=\"a\"} | logfmt [10s]))",
      "sum without (d) (count_over_time({app=\"a\"} | logfmt [10s]))",
      "quantile_over_time(0.5, {app=\"a\"} | logfmt | unwrap d [10s]) by (app)",
      "quantile_over_time(0.6, {app=\"a\"} | logfmt | unwrap d [10s]) by (app)",
      "sum_over_time({app=\"a\"} | logfmt | unwrap d [10s]) by (app)",
      "sum_over_time({app=\"a\"} | logfmt | unwrap duration(d) [10s]) by (app)",
      "count_over_time({app=\"a\"} | logfmt | d > 12.25 [10s])",
      "count_over_time({app=\"a\"} | logfmt | d > 12.5 [10s])",
      "absent_over_time({app=\"a\"} |= \"x\" [10s])",
      "first_over_time({app=\"a\"} | logfmt | unwrap d [10s]) by (app)",
      "last_over_time({app=\"a\"} | logfmt | unwrap d [10s]) by (app)",
  };
  for (int round = 0; round < 2; ++round) {
    for (const char* query : queries) {
      for (const int64_t step_ns : {10 * kS, 15 * kS}) {
        for (const int64_t split_ns : {3600 * kS, int64_t{0}})
          ExpectSame({query, kStart - 31 * kS, kStart + 613 * kS, step_ns, split_ns});
      }
    }
  }
}

TEST_F(ResultCacheTest, LateLinesTakeAwayWhatTheyReach) {
  Fill({{"app", "a"}}, kStart, kStart + 1000 * kS);
  Fill({{"app", "b"}}, kStart, kStart + 1000 * kS);
  clock_.now_ns = kStart + 2000 * kS;
  const Question a{"count_over_time({app=\"a\"}[20s])", kStart, kStart + 1000 * kS, 10 * kS};
  const Question b{"count_over_time({app=\"b\"}[20s])", kStart, kStart + 1000 * kS, 10 * kS};
  ExpectSame(a);
  ExpectSame(b);
  Arrive({{"app", "a"}}, {{kStart + 503 * kS, "late", {}}});
  EXPECT_EQ(cache_.Stats().dropped_steps, 2u);  // two windows hold it
  EXPECT_EQ(ExpectSame(b).kept_steps_found, 101u);
  EXPECT_EQ(ExpectSame(a).kept_steps_found, 99u);
  EXPECT_EQ(ExpectSame(a).kept_steps_found, 101u);
  // A stream that was not there before.
  Arrive({{"app", "a"}, {"pod", "new"}}, {{kStart + 100 * kS, "late", {}}, {kStart + 120 * kS, "late", {}}});
  ExpectSame(a);
  cache_.Forget("t");
  EXPECT_EQ(cache_.Stats().bytes, 0);
  EXPECT_EQ(ExpectSame(a).kept_steps_found, 0u);
  cache_.ForgetTimes(kStart, kStart + 500 * kS);
  EXPECT_EQ(ExpectSame(a).kept_steps_found, 49u);
}

TEST_F(ResultCacheTest, WhatArrivesWhileItIsReadIsNotMissed) {
  Fill({{"app", "a"}}, kStart, kStart + 1000 * kS);
  clock_.now_ns = kStart + 2000 * kS;
  const Question a{"count_over_time({app=\"a\"}[10s])", kStart, kStart + 1000 * kS, 10 * kS};
  source_.after_select = [this] { Arrive({{"app", "a"}}, {{kStart + 500 * kS, "late", {}}}); };
  ASSERT_TRUE(Run(a, &cache_).ok());  // has not seen it
  EXPECT_EQ(ExpectSame(a).kept_steps_found, 100u);
  source_.after_select = [this] { cache_.Forget("t"); };
  const Question b{"bytes_over_time({app=\"a\"}[10s])", kStart, kStart + 1000 * kS, 10 * kS};
  ASSERT_TRUE(Run(b, &cache_).ok());
  EXPECT_EQ(ExpectSame(b).kept_steps_found, 0u);
}

TEST_F(ResultCacheTest, NothingIsKeptOfErrorsAndOfWhatMayChange) {
  Fill({{"app", "a"}}, kStart, kStart + 100 * kS);
  clock_.now_ns = kStart + 2000 * kS;
  const auto found_again = [&](Question question) {
    ExpectSame(question);
    return ExpectSame(question).kept_steps_found;
  };
  const int64_t end_ns = kStart + 100 * kS;
  EXPECT_GT(found_again({"count_over_time({app=\"a\"}[10s])", kStart, end_ns, 10 * kS}), 0u);
  EXPECT_EQ(
      found_again({"sum_over_time({app=\"a\"} | logfmt | unwrap level [10s])", kStart, end_ns, 10 * kS}), 0u);
  EXPECT_EQ(found_again(
                {"count_over_time({app=\"a\"} | label_format x=\"{{ now | unixEpoch }}\" | x = \"0\" [10s])",
                 kStart, end_ns, 10 * kS}),
            0u);
  Question two{"count_over_time({app=\"a\"}[10s])", kStart, end_ns, 10 * kS};
  two.tenant = "t|u";
  EXPECT_EQ(found_again(two), 0u);
  Question bounded{"count_over_time({app=\"a\"}[10s])", kStart, end_ns, 10 * kS};
  bounded.max_bytes_read = 1 << 20;
  EXPECT_EQ(found_again(bounded), 0u);
}

TEST_F(ResultCacheTest, MemoryIsBoundedAndGivenBack) {
  for (int app = 0; app < 50; ++app) Fill({{"app", fmt::format("{}", app)}}, kStart, kStart + 300 * kS);
  clock_.now_ns = kStart + 5000 * kS;
  MemoryBudget memory("process", 300'000);
  ResultCache cache(200'000, &memory, &clock_);
  memory.OnShortage([&](int64_t bytes) { cache.GiveBack(bytes); });
  for (int range = 1; range < 40; ++range) {
    ASSERT_TRUE(
        Run({fmt::format("count_over_time({{app=~\".+\"}}[{}s])", range), kStart, kStart + 300 * kS, 5 * kS},
            &cache)
            .ok());
    EXPECT_LE(cache.Stats().bytes, 200'000);
    EXPECT_EQ(cache.Stats().bytes, memory.used());
  }
  EXPECT_GT(cache.Stats().evicted_chunks, 0u);
  const int64_t before = cache.Stats().bytes;
  ASSERT_GT(before, 60'000);
  ASSERT_TRUE(memory.Reserve(250'000).ok());  // another needs it
  EXPECT_LE(cache.Stats().bytes, 50'000);
  EXPECT_EQ(cache.Stats().bytes + 250'000, memory.used());
  EXPECT_FALSE(memory.Reserve(250'000).ok());
}

const char* const kQueries[] = {
    "count_over_time({app=~\".+\"}[1m])",
    "sum by (app) (rate({app=~\"a|b\"} |= \"error\" [45s])) > 0.01",
    "rate({app=\"a\"}[7s])",
    "bytes_rate({app=~\".+\"}[1m] offset 30s)",
    "count_over_time({app=~\".+\"}[10s] offset -20s)",
    "sum by (level) (bytes_over_time({app=~\".+\"} | logfmt [2m]))",
    "max_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [100s]) by (app)",
    "stddev_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "last_over_time({app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [1m]) by (app)",
    "quantile_over_time(0.9, {app=~\".+\"} | logfmt d | unwrap d | __error__=\"\" [2m]) by (app)",
    "rate_counter({app=\"a\"} | logfmt d | unwrap d | __error__=\"\" [1m])",
    "absent_over_time({app=\"c\"}[20s])",
    "sum(count_over_time({app=\"a\"} |= \"error\" [1m])) / sum(count_over_time({app=\"a\"}[1m])) > 0.1",
    "topk(2, sum by (level) (count_over_time({app=~\".+\"} | logfmt [1m])))",
    "sum_over_time({app=\"c\"} | logfmt d | unwrap d [30s])",
};

class RandomRefresh : public ResultCacheTest, public testing::WithParamInterface<uint64_t> {};

TEST_P(RandomRefresh, EqualsReading) {
  std::mt19937_64 random(GetParam());
  const auto below = [&](uint64_t n) { return random() % n; };
  int64_t arrived = 0;
  for (int slot = 0; slot < 40; ++slot) {
    clock_.now_ns += static_cast<int64_t>(1 + below(60)) * kS + static_cast<int64_t>(below(kS));
    for (uint64_t batch = below(4); batch > 0; --batch) {
      const Labels labels{{"app", std::string(1, static_cast<char>('a' + below(3)))},
                          {"pod", std::to_string(below(2))}};
      // On time, late, very late, or ahead of the clock.
      constexpr int64_t kLate[] = {0, 0, 0, 2, 20, 70, 400, 2000, -10};
      const int64_t last_ns = clock_.now_ns - kLate[below(9)] * kS;
      std::vector<MemoryEntry> entries;
      for (uint64_t i = 1 + below(6); i > 0; --i) {
        // No two at one time: which of them is the last is not defined where they stand in several blocks.
        const int64_t near_ns = last_ns - static_cast<int64_t>(below(30)) * kS;
        const int64_t t = near_ns - near_ns % 10'000 + ++arrived;
        entries.push_back({t,
                           fmt::format("level={} d={}", below(3) == 0 ? "error" : "info",
                                       below(20) == 0 ? "x" : std::to_string(below(100))),
                           {}});
      }
      Arrive(labels, std::move(entries));
    }
    for (uint64_t asked = below(6); asked > 0; --asked) {
      Question question;
      question.query = kQueries[below(std::size(kQueries))];
      constexpr int64_t kSteps[] = {1, 10, 15, 60};
      question.step_ns = kSteps[below(4)] * kS;
      question.split_ns = below(2) == 0 ? 0 : 3600 * kS;
      question.end_ns = clock_.now_ns - static_cast<int64_t>(below(3) * below(600)) * kS;
      if (question.split_ns == 0) question.end_ns -= question.end_ns % (5 * kS);
      question.start_ns = question.end_ns - static_cast<int64_t>(1 + below(1200)) * kS;
      if (question.split_ns == 0) question.start_ns -= question.start_ns % (5 * kS);
      ExpectSame(question, fmt::format("slot {}", slot));
      if (HasFailure()) return;
    }
    if (below(20) == 0) cache_.Forget("t");
    if (below(20) == 0) cache_.GiveBack(cache_.Stats().bytes / 2);
  }
  EXPECT_GT(cache_.Stats().found_steps, 0u);
  EXPECT_GT(cache_.Stats().dropped_steps, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRefresh, testing::Range<uint64_t>(1, 25));

}  // namespace
}  // namespace skald::exec
