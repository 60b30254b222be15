// Samples into windows and series into groups, in samples per second.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "query/exec/metric/range_function.h"
#include "query/exec/metric/vector_aggregation.h"
#include "query/exec/pipeline/label_set.h"

namespace skald::exec {
namespace {

using logql::RangeOp;

constexpr uint32_t kSteps = 360;
constexpr int64_t kStepNs = 60 * kNsPerSecond;

// Collecting a million samples and evaluating windows of range(0) steps each: the cost must not grow with
// how far the windows overlap.
void RangeWindows(benchmark::State& state, RangeOp op) {
  const WindowGrid grid(kStepNs, kStepNs, kSteps, state.range(0) * kStepNs, 0);
  const RangeKernel kernel = KernelOf(op, true);
  constexpr int64_t kSamples = 1'000'000;
  for (auto _ : state) {
    SeriesSamples series;
    WindowGrid::Bucket bucket;
    for (int64_t i = 0; i < kSamples; ++i) {
      const int64_t t_ns = kStepNs * kSteps / kSamples * i + 1;
      if (!bucket.Contains(t_ns)) bucket = grid.Find(t_ns);
      if (bucket.in_window) series.Add(kernel, bucket.id, t_ns, static_cast<double>(i * 7919 % 10007));
    }
    benchmark::DoNotOptimize(series.Evaluate(op, true, 0.99, grid));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kSamples);
}
BENCHMARK_CAPTURE(RangeWindows, Sum, RangeOp::kSumOverTime)
    ->Arg(1)
    ->Arg(5)
    ->Arg(60)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RangeWindows, Max, RangeOp::kMaxOverTime)
    ->Arg(1)
    ->Arg(5)
    ->Arg(60)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RangeWindows, Stddev, RangeOp::kStddevOverTime)
    ->Arg(1)
    ->Arg(5)
    ->Arg(60)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RangeWindows, Quantile, RangeOp::kQuantileOverTime)
    ->Arg(1)
    ->Arg(5)
    ->Arg(60)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(RangeWindows, RateCounter, RangeOp::kRateCounter)
    ->Arg(1)
    ->Arg(5)
    ->Arg(60)
    ->Unit(benchmark::kMillisecond);

// range(0) series of ten groups at each of 60 steps.
void Groups(benchmark::State& state, logql::VectorOp op) {
  constexpr uint32_t kGroupSteps = 60;
  StepVector input;
  for (int64_t i = 0; i < state.range(0); ++i) {
    StepSeries series{Labels({{"app", fmt::format("app-{}", i % 10)}, {"pod", fmt::format("pod-{}", i)}}),
                      {}};
    for (uint32_t step = 0; step < kGroupSteps; ++step)
      series.points.push_back({step, static_cast<double>(i * step)});
    input.push_back(std::move(series));
  }
  logql::VectorAggregation aggregation;
  aggregation.op = op;
  aggregation.k = 3;
  aggregation.grouping = logql::Grouping{};
  aggregation.grouping->labels = {"app"};
  for (auto _ : state) benchmark::DoNotOptimize(AggregateVector(aggregation, input, kGroupSteps));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0) * kGroupSteps);
}
BENCHMARK_CAPTURE(Groups, Sum, logql::VectorOp::kSum)->Arg(1000)->Arg(20000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Groups, TopK, logql::VectorOp::kTopk)->Arg(1000)->Arg(20000)->Unit(benchmark::kMillisecond);

// Label sets of lines, most of them seen before.
void InternLabels(benchmark::State& state) {
  std::vector<std::string> values;
  for (int64_t i = 0; i < state.range(0); ++i) values.push_back(fmt::format("value-{}", i));
  LabelSetInterner interner;
  size_t i = 0;
  for (auto _ : state) {
    const std::vector<LabelView> labels = {{"app", "shop", LabelCategory::kStream},
                                           {"status", values[i++ % values.size()], LabelCategory::kParsed}};
    benchmark::DoNotOptimize(interner.Intern(labels));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(InternLabels)->Arg(10)->Arg(10000);

}  // namespace
}  // namespace skald::exec
