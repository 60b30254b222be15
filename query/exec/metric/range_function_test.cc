#include "query/exec/metric/range_function.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace skald::exec {
namespace {

using logql::RangeOp;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

constexpr RangeOp kUnwrapOps[] = {
    RangeOp::kRate,         RangeOp::kSumOverTime,    RangeOp::kAvgOverTime,     RangeOp::kMinOverTime,
    RangeOp::kMaxOverTime,  RangeOp::kStdvarOverTime, RangeOp::kStddevOverTime,  RangeOp::kFirstOverTime,
    RangeOp::kLastOverTime, RangeOp::kRateCounter,    RangeOp::kQuantileOverTime};

SeriesSamples Collect(RangeOp op, const std::vector<TimedValue>& samples, const WindowGrid& grid) {
  SeriesSamples series;
  for (const TimedValue& sample : samples) {
    series.Add(KernelOf(op, true), grid.Find(sample.time_ns).id, sample.time_ns, sample.value);
  }
  return series;
}

TEST(RangeFunction, WorkedExamples) {
  // Lines of 1, 2 and 4 at 10, 20 and 30 s, seen from 30 s.
  const std::vector<TimedValue> samples = {{10'000'000'000, 1}, {20'000'000'000, 2}, {30'000'000'000, 4}};
  const WindowGrid grid(30'000'000'000, 0, 1, 30'000'000'000, 0);
  const struct {
    RangeOp op;
    double parameter;
    double want;
  } rows[] = {
      {RangeOp::kSumOverTime, 0, 7},
      {RangeOp::kRate, 0, 0.23333333333333334},
      {RangeOp::kAvgOverTime, 0, 2.3333333333333335},
      {RangeOp::kStdvarOverTime, 0, 1.5555555555555554},
      {RangeOp::kStddevOverTime, 0, 1.247219128924647},
      {RangeOp::kMinOverTime, 0, 1},
      {RangeOp::kMaxOverTime, 0, 4},
      {RangeOp::kFirstOverTime, 0, 1},
      {RangeOp::kLastOverTime, 0, 4},
      {RangeOp::kQuantileOverTime, 0.75, 3},
      {RangeOp::kQuantileOverTime, 0.5, 2},
      {RangeOp::kQuantileOverTime, 2, kInf},
      {RangeOp::kQuantileOverTime, -1, -kInf},
      {RangeOp::kRateCounter, 0, 0.10000015000000001},
  };
  for (const auto& row : rows) {
    const std::vector<StepValue> got =
        Collect(row.op, samples, grid).Evaluate(row.op, true, row.parameter, grid);
    ASSERT_EQ(got.size(), 1u) << logql::Name(row.op);
    EXPECT_DOUBLE_EQ(got[0].value, row.want) << logql::Name(row.op);
  }
}

TEST(RangeFunction, CounterWithResetsAndFewSamples) {
  const auto run_of = [](const std::vector<TimedValue>& samples) {
    CounterRun run;
    for (const TimedValue& sample : samples) run.Add(sample);
    return run;
  };
  EXPECT_EQ(CounterRate(run_of({{1000, 5}}), 30), 0);
  std::vector<TimedValue> counter;
  for (int i = 0; i < 15; ++i) counter.push_back(TimedValue{(46 + i) * int64_t{1'000'000'000}, 47.0 + i});
  EXPECT_NEAR(CounterRate(run_of(counter), 30), 0.46666766666666665, 1e-15);
  const std::vector<TimedValue> reset = {{0, 10}, {1'000'000'000, 2}, {2'000'000'000, 5}, {3'000'000'000, 1}};
  EXPECT_GT(CounterRate(run_of(reset), 2),
            0);  // 10 before the reset and 5 after it, less the 10 at the start
  // Wherever it is cut.
  for (size_t cut = 0; cut <= reset.size(); ++cut) {
    const auto at = reset.begin() + static_cast<ptrdiff_t>(cut);
    CounterRun joined = run_of({reset.begin(), at});
    joined.Append(run_of({at, reset.end()}));
    EXPECT_EQ(CounterRate(joined, 3), CounterRate(run_of(reset), 3)) << cut;
  }
}

TEST(RangeFunction, NanGivesWayInMinAndMax) {
  const WindowGrid grid(100, 0, 1, 100, 0);
  for (const auto& [op, want] :
       {std::pair(RangeOp::kMinOverTime, 1.0), std::pair(RangeOp::kMaxOverTime, 2.0)}) {
    const auto got = Collect(op, {{1, kNan}, {2, 2}, {3, 1}, {4, kNan}}, grid).Evaluate(op, true, 0, grid);
    EXPECT_EQ(got.at(0).value, want);
  }
}

double Slow(RangeOp op, double parameter, const std::vector<TimedValue>& window, double range_seconds) {
  double sum = 0;
  for (const TimedValue& sample : window) sum += sample.value;
  const double n = static_cast<double>(window.size());
  double squares = 0;
  double low = window[0].value;
  double high = window[0].value;
  std::vector<double> values;
  for (const TimedValue& sample : window) {
    squares += (sample.value - sum / n) * (sample.value - sum / n);
    low = std::min(low, sample.value);
    high = std::max(high, sample.value);
    values.push_back(sample.value);
  }
  switch (op) {
    case RangeOp::kRate:
      return sum / range_seconds;
    case RangeOp::kSumOverTime:
      return sum;
    case RangeOp::kAvgOverTime:
      return sum / n;
    case RangeOp::kMinOverTime:
      return low;
    case RangeOp::kMaxOverTime:
      return high;
    case RangeOp::kStdvarOverTime:
      return squares / n;
    case RangeOp::kStddevOverTime:
      return std::sqrt(squares / n);
    case RangeOp::kFirstOverTime:
      return window.front().value;
    case RangeOp::kLastOverTime:
      return window.back().value;
    case RangeOp::kQuantileOverTime: {
      std::sort(values.begin(), values.end());
      const double rank = parameter * (n - 1);
      const size_t floor = static_cast<size_t>(rank);
      const double weight = rank - std::floor(rank);
      return values[floor] * (1 - weight) + values[std::min(values.size() - 1, floor + 1)] * weight;
    }
    default: {
      CounterRun run;
      for (const TimedValue& sample : window) run.Add(sample);
      return CounterRate(run, range_seconds);
    }
  }
}

// Cells and sliding windows against each window computed on its own; samples come out of order and over two
// threads.
TEST(RangeFunction, SlidingWindowsMatchSlowOnes) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    const int64_t step = 1 + static_cast<int64_t>(random() % 20);
    const uint32_t steps = 1 + random() % 12;
    const int64_t range = 1 + static_cast<int64_t>(random() % 60);
    const WindowGrid grid(100, step, steps, range, static_cast<int64_t>(random() % 11) - 5);
    std::vector<TimedValue> samples;
    for (int i = 0; i < 60; ++i) {
      samples.push_back(TimedValue{static_cast<int64_t>(i) * 6 + static_cast<int64_t>(random() % 6),
                                   static_cast<double>(random() % 1000) / 8});
    }
    for (const RangeOp op : kUnwrapOps) {
      std::vector<TimedValue> shuffled = samples;
      std::shuffle(shuffled.begin(), shuffled.end(), random);
      const size_t half = random() % shuffled.size();
      SeriesSamples first =
          Collect(op, {shuffled.begin(), shuffled.begin() + static_cast<ptrdiff_t>(half)}, grid);
      SeriesSamples second =
          Collect(op, {shuffled.begin() + static_cast<ptrdiff_t>(half), shuffled.end()}, grid);
      first.Merge(KernelOf(op, true), std::move(second));
      const std::vector<StepValue> got = first.Evaluate(op, true, 0.3, grid);
      size_t next = 0;
      for (uint32_t i = 0; i < steps; ++i) {
        std::vector<TimedValue> window;
        for (const TimedValue& sample : samples) {
          if (sample.time_ns > grid.window_begin_ns(i) && sample.time_ns <= grid.window_end_ns(i)) {
            window.push_back(sample);
          }
        }
        if (window.empty()) continue;
        ASSERT_LT(next, got.size()) << logql::Name(op);
        ASSERT_EQ(got[next].step, i) << logql::Name(op);
        const double want = Slow(op, 0.3, window, static_cast<double>(range) / 1e9);
        ASSERT_NEAR(got[next].value, want, 1e-9 * (1 + std::abs(want))) << logql::Name(op) << " step " << i;
        ++next;
      }
      ASSERT_EQ(next, got.size()) << logql::Name(op);
    }
  }
}

}  // namespace
}  // namespace skald::exec
