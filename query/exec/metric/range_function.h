// The functions of a range aggregation over the samples of one series: what is kept while lines are read, and
// the values at each evaluation time.
//
// Most functions need no samples: a bucket of the WindowGrid keeps one Cell that can be combined with its
// neighbours. quantile_over_time needs the values of each bucket, rate_counter all samples in order of time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "query/exec/cancel_token.h"
#include "query/exec/metric/distinct_samples.h"
#include "query/exec/metric/step_vector.h"
#include "query/exec/metric/window_grid.h"
#include "query/logql/ast.h"

namespace skald::exec {

// What a Cell holds, and how two are combined.
enum class RangeKernel {
  kSum,  // a = sum
  kMin,  // a; NaN gives way to any value
  kMax,
  kMoments,  // a = mean, b = sum of squared distances from it, count
  kMean,     // a = sum, count
  kFirst,    // a = value, time
  kLast,
  kValues,    // no cells: values by bucket
  kSamples,   // no cells: values with their times
  kDistinct,  // no cells either: sketches of hashes, whose bits stand in the values
};

RangeKernel KernelOf(logql::RangeOp op, bool unwrapped);

struct Cell {
  uint32_t bucket = 0;
  uint32_t order = 0;  // of kFirst and kLast: the lower of two samples of one time came first
  uint64_t count = 0;
  double a = 0;
  union {
    double b = 0;
    int64_t time_ns;
  };
};

struct TimedValue {
  int64_t time_ns = 0;
  double value = 0;
};

// Whether samples of one time must be told apart by which came first.
bool NeedsOrder(RangeKernel kernel);

// Both hold something.
void Combine(RangeKernel kernel, Cell* into, const Cell& next);
// The function's value for a window with this cell.
double ValueOf(logql::RangeOp op, const Cell& cell, double range_seconds);

// One series while it is collected. Not thread-safe; one per thread, merged at the end.
class SeriesSamples {
 public:
  // Adds `count` samples that all have this value and lie in this bucket. count > 1 only for kSum, where
  // value is their total. order, where NeedsOrder: of samples of one time those with the lower one come
  // first, and those with the same one as they are added. Returns by how many bytes the series has grown.
  int64_t Add(RangeKernel kernel, uint32_t bucket, int64_t time_ns, double value, uint64_t count = 1,
              uint32_t order = 0);

  void Merge(RangeKernel kernel, SeriesSamples&& other);
  const std::vector<Cell>& cells() const { return cells_; }
  // Calls with(bucket, values) for each bucket's values, which are gone then; in ascending order.
  template <class With>
  void TakeValues(const With& with) {
    for (Bag& bag : bags_) with(bag.bucket, std::move(bag.values));
    bags_.clear();
  }
  // The samples of kSamples in order of time, which are gone then.
  std::vector<TimedValue> TakeSamples();
  bool empty() const { return cells_.empty() && bags_.empty() && samples_.empty() && distinct_ == nullptr; }

  // The values at all evaluation times whose window holds a sample, ascending. Sorts what was collected. May
  // stop half-way once cancel (if any) says so: the caller asks it afterwards.
  std::vector<StepValue> Evaluate(logql::RangeOp op, bool unwrapped, double parameter, const WindowGrid& grid,
                                  const CancelToken* cancel = nullptr);

 private:
  // Samples from samples_[begin] on that were added with one order.
  struct Run {
    uint32_t order = 0;
    size_t begin = 0;
  };
  // The values of one bucket, in no order.
  struct Bag {
    uint32_t bucket = 0;
    std::vector<double> values;
  };

  Cell* FindOrAdd(uint32_t bucket, int64_t* grown);
  int64_t AddValue(uint32_t bucket, double value);
  void MergeBags(std::vector<Bag>&& other);
  std::vector<StepValue> EvaluateBags(double parameter, const WindowGrid& grid, const CancelToken* cancel);
  std::vector<StepValue> EvaluateCells(logql::RangeOp op, RangeKernel kernel, const WindowGrid& grid) const;
  void SortSamples();
  std::vector<StepValue> EvaluateSamples(const WindowGrid& grid, const CancelToken* cancel);

  std::vector<Cell> cells_;  // sorted by bucket
  size_t last_ = 0;          // of cells_ or bags_, where the last sample went
  std::vector<Bag> bags_;    // sorted by bucket
  std::vector<TimedValue> samples_;
  std::vector<Run> runs_;  // of samples_
  bool samples_sorted_ = true;
  std::unique_ptr<DistinctSamples> distinct_;  // for kDistinct
};

// Interpolated quantile of values, which are sorted in place: q < 0 is -Inf, q > 1 +Inf, no values NaN.
double Quantile(double q, std::vector<double>* values);

// Samples of a counter in time order, as far as rate_counter asks.
struct CounterRun {
  uint64_t count = 0;
  TimedValue first;
  TimedValue last;
  double lost = 0;  // what the counter had reached each time it began anew

  void Add(const TimedValue& sample) { Append(CounterRun{1, sample, sample, 0}); }
  // next is later.
  void Append(const CounterRun& next);
};

// Loki's rate_counter over a window's samples; range in seconds. Less than two samples give 0.
double CounterRate(const CounterRun& run, double range_seconds);

}  // namespace skald::exec
