#include "query/exec/metric/range_function.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace skald::exec {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

std::pair<int64_t, uint32_t> Moment(const Cell& cell) { return {cell.time_ns, cell.order}; }

void TakeSample(const Cell& from, Cell* into) {
  into->a = from.a;
  into->time_ns = from.time_ns;
  into->order = from.order;
}

}  // namespace

void Combine(RangeKernel kernel, Cell* into, const Cell& next) {
  switch (kernel) {
    case RangeKernel::kSum:
    case RangeKernel::kMean:
      into->a += next.a;
      break;
    case RangeKernel::kMin:
      if (std::isnan(into->a) || next.a < into->a) into->a = next.a;
      break;
    case RangeKernel::kMax:
      if (std::isnan(into->a) || next.a > into->a) into->a = next.a;
      break;
    case RangeKernel::kMoments: {
      const double n = static_cast<double>(into->count);
      const double m = static_cast<double>(next.count);
      const double distance = next.a - into->a;
      into->a += distance * m / (n + m);
      into->b += next.b + distance * distance * n * m / (n + m);
      break;
    }
    case RangeKernel::kFirst:
      if (Moment(next) < Moment(*into)) TakeSample(next, into);
      break;
    case RangeKernel::kLast:
      if (Moment(next) >= Moment(*into)) TakeSample(next, into);
      break;
    case RangeKernel::kValues:
    case RangeKernel::kSamples:
    case RangeKernel::kDistinct:
      break;
  }
  into->count += next.count;
}

double ValueOf(logql::RangeOp op, const Cell& cell, double range_seconds) {
  switch (op) {
    case logql::RangeOp::kRate:
    case logql::RangeOp::kBytesRate:
      return cell.a / range_seconds;
    case logql::RangeOp::kAvgOverTime:
      return cell.a / static_cast<double>(cell.count);
    case logql::RangeOp::kStdvarOverTime:
      return cell.b / static_cast<double>(cell.count);
    case logql::RangeOp::kStddevOverTime:
      return std::sqrt(cell.b / static_cast<double>(cell.count));
    case logql::RangeOp::kAbsentOverTime:
      return 1;
    default:
      return cell.a;
  }
}

namespace {

// A queue whose combined value is known at any time: two stacks, so that each cell is combined a constant
// number of times and nothing has to be subtracted.
class CombiningQueue {
 public:
  explicit CombiningQueue(RangeKernel kernel) : kernel_(kernel) {}

  void Push(const Cell& cell) {
    if (back_.empty()) {
      back_total_ = cell;
    } else {
      Combine(kernel_, &back_total_, cell);
    }
    back_.push_back(cell);
  }
  void PopBelow(uint32_t bucket) {
    while (!empty()) {
      if (front_.empty()) {
        // Oldest on top, each with the combination of itself and all that follow in front_.
        while (!back_.empty()) {
          Cell cell = back_.back();
          back_.pop_back();
          const uint32_t own = cell.bucket;
          if (!front_.empty()) Combine(kernel_, &cell, front_.back());
          cell.bucket = own;
          front_.push_back(cell);
        }
      }
      if (front_.back().bucket >= bucket) return;
      front_.pop_back();
    }
  }
  bool empty() const { return front_.empty() && back_.empty(); }
  Cell Total() const {
    if (front_.empty()) return back_total_;
    Cell total = front_.back();
    if (!back_.empty()) Combine(kernel_, &total, back_total_);
    return total;
  }

 private:
  RangeKernel kernel_;
  std::vector<Cell> front_;
  std::vector<Cell> back_;
  Cell back_total_;
};

}  // namespace

bool NeedsOrder(RangeKernel kernel) {
  return kernel == RangeKernel::kFirst || kernel == RangeKernel::kLast || kernel == RangeKernel::kSamples;
}

RangeKernel KernelOf(logql::RangeOp op, bool unwrapped) {
  (void)unwrapped;  // rate sums 1 a line, or the unwrapped values: both are sums
  switch (op) {
    case logql::RangeOp::kMinOverTime:
      return RangeKernel::kMin;
    case logql::RangeOp::kMaxOverTime:
      return RangeKernel::kMax;
    case logql::RangeOp::kAvgOverTime:
      return RangeKernel::kMean;
    case logql::RangeOp::kStddevOverTime:
    case logql::RangeOp::kStdvarOverTime:
      return RangeKernel::kMoments;
    case logql::RangeOp::kFirstOverTime:
      return RangeKernel::kFirst;
    case logql::RangeOp::kLastOverTime:
      return RangeKernel::kLast;
    case logql::RangeOp::kQuantileOverTime:
      return RangeKernel::kValues;
    case logql::RangeOp::kRateCounter:
      return RangeKernel::kSamples;
    case logql::RangeOp::kCountDistinctOverTime:
      return RangeKernel::kDistinct;
    case logql::RangeOp::kCountOverTime:
    case logql::RangeOp::kRate:
    case logql::RangeOp::kBytesOverTime:
    case logql::RangeOp::kBytesRate:
    case logql::RangeOp::kSumOverTime:
    case logql::RangeOp::kAbsentOverTime:
      return RangeKernel::kSum;
  }
  return RangeKernel::kSum;
}

Cell* SeriesSamples::FindOrAdd(uint32_t bucket, int64_t* grown) {
  if (last_ < cells_.size() && cells_[last_].bucket == bucket) return &cells_[last_];
  // Blocks come in order of time, more or less, so the place is near the end.
  auto it = cells_.end();
  if (!cells_.empty() && cells_.back().bucket >= bucket) {
    it = std::lower_bound(cells_.begin(), cells_.end(), bucket,
                          [](const Cell& cell, uint32_t id) { return cell.bucket < id; });
  }
  last_ = static_cast<size_t>(it - cells_.begin());
  if (it == cells_.end() || it->bucket != bucket) {
    const size_t before = cells_.capacity();
    Cell cell;
    cell.bucket = bucket;
    cells_.insert(it, cell);
    *grown = static_cast<int64_t>((cells_.capacity() - before) * sizeof(Cell));
  }
  return &cells_[last_];
}

int64_t SeriesSamples::Add(RangeKernel kernel, uint32_t bucket, int64_t time_ns, double value, uint64_t count,
                           uint32_t order) {
  int64_t grown = 0;
  if (kernel == RangeKernel::kDistinct) {
    if (distinct_ == nullptr) distinct_ = std::make_unique<DistinctSamples>();
    return distinct_->Add(bucket, std::bit_cast<uint64_t>(value));
  }
  if (kernel == RangeKernel::kValues) return AddValue(bucket, value);
  if (kernel == RangeKernel::kSamples) {
    const size_t before = samples_.capacity() * sizeof(TimedValue) + runs_.capacity() * sizeof(Run);
    const bool goes_on = !runs_.empty() && runs_.back().order == order;
    if (!samples_.empty() &&
        (goes_on ? samples_.back().time_ns > time_ns : samples_.back().time_ns >= time_ns)) {
      samples_sorted_ = false;
    }
    if (!goes_on) runs_.push_back(Run{order, samples_.size()});
    samples_.push_back(TimedValue{time_ns, value});
    return static_cast<int64_t>(samples_.capacity() * sizeof(TimedValue) + runs_.capacity() * sizeof(Run) -
                                before);
  }
  Cell* cell = FindOrAdd(bucket, &grown);
  if (cell->count == 0) {
    cell->count = count;
    cell->a = value;
    // What has no distance from its own mean.
    if (kernel == RangeKernel::kMoments && !std::isfinite(value)) cell->b = std::nan("");
    if (NeedsOrder(kernel)) {
      cell->time_ns = time_ns;
      cell->order = order;
    }
    return grown;
  }
  if (kernel == RangeKernel::kSum) {
    cell->a += value;
    cell->count += count;
    return grown;
  }
  Cell sample;
  sample.count = count;
  sample.a = value;
  if (kernel == RangeKernel::kMoments && !std::isfinite(value)) sample.b = std::nan("");
  if (NeedsOrder(kernel)) {
    sample.time_ns = time_ns;
    sample.order = order;
  }
  Combine(kernel, cell, sample);
  return grown;
}

int64_t SeriesSamples::AddValue(uint32_t bucket, double value) {
  int64_t grown = 0;
  if (last_ >= bags_.size() || bags_[last_].bucket != bucket) {
    const auto it = std::lower_bound(bags_.begin(), bags_.end(), bucket,
                                     [](const Bag& bag, uint32_t id) { return bag.bucket < id; });
    last_ = static_cast<size_t>(it - bags_.begin());
    if (it == bags_.end() || it->bucket != bucket) {
      const size_t before = bags_.capacity();
      bags_.insert(it, Bag{bucket, {}});
      grown = static_cast<int64_t>((bags_.capacity() - before) * sizeof(Bag));
    }
  }
  std::vector<double>& values = bags_[last_].values;
  const size_t before = values.capacity();
  values.push_back(value);
  return grown + static_cast<int64_t>((values.capacity() - before) * sizeof(double));
}

void SeriesSamples::MergeBags(std::vector<Bag>&& other) {
  std::vector<Bag> merged;
  merged.reserve(bags_.size() + other.size());
  auto left = bags_.begin();
  auto right = other.begin();
  while (left != bags_.end() || right != other.end()) {
    if (right == other.end() || (left != bags_.end() && left->bucket < right->bucket)) {
      merged.push_back(std::move(*left++));
    } else if (left == bags_.end() || right->bucket < left->bucket) {
      merged.push_back(std::move(*right++));
    } else {
      left->values.insert(left->values.end(), right->values.begin(), right->values.end());
      merged.push_back(std::move(*left++));
      ++right;
    }
  }
  bags_ = std::move(merged);
  last_ = 0;
}

void SeriesSamples::Merge(RangeKernel kernel, SeriesSamples&& other) {
  if (kernel == RangeKernel::kDistinct) {
    if (distinct_ == nullptr) {
      distinct_ = std::move(other.distinct_);
    } else if (other.distinct_ != nullptr) {
      distinct_->Merge(std::move(*other.distinct_));
    }
    return;
  }
  if (kernel == RangeKernel::kValues) {
    MergeBags(std::move(other.bags_));
    return;
  }
  if (kernel == RangeKernel::kSamples) {
    if (samples_.empty()) {
      samples_ = std::move(other.samples_);
      runs_ = std::move(other.runs_);
      samples_sorted_ = other.samples_sorted_;
      return;
    }
    for (const Run& run : other.runs_) runs_.push_back(Run{run.order, samples_.size() + run.begin});
    samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
    samples_sorted_ = false;
    return;
  }
  if (cells_.empty()) {
    cells_ = std::move(other.cells_);
    last_ = 0;
    return;
  }
  std::vector<Cell> merged;
  merged.reserve(cells_.size() + other.cells_.size());
  auto left = cells_.cbegin();
  auto right = other.cells_.cbegin();
  while (left != cells_.cend() || right != other.cells_.cend()) {
    if (right == other.cells_.cend() || (left != cells_.cend() && left->bucket < right->bucket)) {
      merged.push_back(*left++);
    } else if (left == cells_.cend() || right->bucket < left->bucket) {
      merged.push_back(*right++);
    } else {
      merged.push_back(*left++);
      Combine(kernel, &merged.back(), *right++);
    }
  }
  cells_ = std::move(merged);
  last_ = 0;
}

std::vector<StepValue> SeriesSamples::Evaluate(logql::RangeOp op, bool unwrapped, double parameter,
                                               const WindowGrid& grid, const CancelToken* cancel) {
  const RangeKernel kernel = KernelOf(op, unwrapped);
  if (kernel == RangeKernel::kDistinct) {
    return distinct_ == nullptr ? std::vector<StepValue>() : distinct_->Evaluate(grid, cancel);
  }
  switch (kernel) {
    case RangeKernel::kValues:
      return EvaluateBags(parameter, grid, cancel);
    case RangeKernel::kSamples:
      return EvaluateSamples(grid, cancel);
    default:
      return EvaluateCells(op, kernel, grid);
  }
}

std::vector<StepValue> SeriesSamples::EvaluateBags(double parameter, const WindowGrid& grid,
                                                   const CancelToken* cancel) {
  std::vector<StepValue> out;
  std::vector<double> values;
  size_t begin = 0;
  size_t end = 0;
  size_t seen = 0;  // over all windows, since the last look at cancel
  for (uint32_t step = 0; step < grid.steps() && begin < bags_.size(); ++step) {
    const uint32_t first = grid.first_bucket(step);
    const uint32_t last = grid.last_bucket(step);
    while (begin < bags_.size() && bags_[begin].bucket < first) ++begin;
    end = std::max(end, begin);
    while (end < bags_.size() && bags_[end].bucket <= last) ++end;
    if (begin == end) {
      // Nothing in between.
      if (begin < bags_.size()) step = std::max(step, grid.FirstStepReaching(bags_[begin].bucket) - 1);
      continue;
    }
    std::vector<double>* window = &bags_[begin].values;
    if (end - begin > 1) {
      values.clear();
      for (size_t i = begin; i < end; ++i)
        values.insert(values.end(), bags_[i].values.begin(), bags_[i].values.end());
      window = &values;
    }
    constexpr size_t kValuesPerCheck = 1 << 20;
    seen += window->size();
    if (cancel != nullptr && seen > kValuesPerCheck) {
      if (!cancel->Check().ok()) return out;
      seen = 0;
    }
    out.push_back(StepValue{step, Quantile(parameter, window)});
  }
  return out;
}

std::vector<StepValue> SeriesSamples::EvaluateCells(logql::RangeOp op, RangeKernel kernel,
                                                    const WindowGrid& grid) const {
  const double range_seconds = static_cast<double>(grid.range_ns()) / 1e9;
  std::vector<StepValue> out;
  CombiningQueue window(kernel);
  size_t next = 0;
  for (uint32_t step = 0; step < grid.steps(); ++step) {
    const uint32_t first = grid.first_bucket(step);
    const uint32_t last = grid.last_bucket(step);
    while (next < cells_.size() && cells_[next].bucket <= last) window.Push(cells_[next++]);
    window.PopBelow(first);
    if (!window.empty()) {
      out.push_back(StepValue{step, ValueOf(op, window.Total(), range_seconds)});
    } else if (next == cells_.size()) {
      break;
    } else {
      step = std::max(step, grid.FirstStepReaching(cells_[next].bucket) - 1);  // nothing in between
    }
  }
  return out;
}

void SeriesSamples::SortSamples() {
  if (samples_sorted_) return;
  const auto end_of = [this](size_t run) {
    return samples_.begin() +
           static_cast<ptrdiff_t>(run + 1 < runs_.size() ? runs_[run + 1].begin : samples_.size());
  };
  std::vector<uint32_t> order(runs_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [this](uint32_t x, uint32_t y) { return runs_[x].order < runs_[y].order; });
  std::vector<TimedValue> sorted;
  sorted.reserve(samples_.size());
  for (const uint32_t run : order) {
    sorted.insert(sorted.end(), samples_.begin() + static_cast<ptrdiff_t>(runs_[run].begin), end_of(run));
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const TimedValue& x, const TimedValue& y) { return x.time_ns < y.time_ns; });
  samples_ = std::move(sorted);
  samples_sorted_ = true;
}

std::vector<TimedValue> SeriesSamples::TakeSamples() {
  SortSamples();
  runs_.clear();
  return std::exchange(samples_, {});
}

std::vector<StepValue> SeriesSamples::EvaluateSamples(const WindowGrid& grid, const CancelToken* cancel) {
  SortSamples();
  const double range_seconds = static_cast<double>(grid.range_ns()) / 1e9;
  std::vector<StepValue> out;
  size_t begin = 0;
  size_t end = 0;
  size_t seen = 0;  // over all windows, since the last look at cancel
  for (uint32_t step = 0; step < grid.steps() && begin < samples_.size(); ++step) {
    const int64_t after_ns = grid.window_begin_ns(step);
    const int64_t until_ns = grid.window_end_ns(step);
    while (begin < samples_.size() && samples_[begin].time_ns <= after_ns) ++begin;
    end = std::max(end, begin);
    while (end < samples_.size() && samples_[end].time_ns <= until_ns) ++end;
    if (begin == end) {
      // Nothing in between.
      if (begin < samples_.size()) step = std::max(step, grid.FirstStepEndingAt(samples_[begin].time_ns) - 1);
      continue;
    }
    constexpr size_t kSamplesPerCheck = 1 << 20;
    seen += end - begin;
    if (cancel != nullptr && seen > kSamplesPerCheck) {
      if (!cancel->Check().ok()) return out;
      seen = 0;
    }
    CounterRun run;
    for (size_t i = begin; i < end; ++i) run.Add(samples_[i]);
    out.push_back(StepValue{step, CounterRate(run, range_seconds)});
  }
  return out;
}

double Quantile(double q, std::vector<double>* values) {
  if (values->empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  const double rank = q * (static_cast<double>(values->size()) - 1);
  const size_t low = static_cast<size_t>(std::floor(rank));
  const size_t high = std::min(values->size() - 1, low + 1);
  const double weight = rank - std::floor(rank);
  const auto select = [&](auto less) {
    std::nth_element(values->begin(), values->begin() + static_cast<ptrdiff_t>(low), values->end(), less);
    const double low_value = (*values)[low];
    const double high_value =
        high == low ? low_value
                    : *std::min_element(values->begin() + static_cast<ptrdiff_t>(high), values->end(), less);
    return low_value * (1 - weight) + high_value * weight;
  };
  if (std::none_of(values->begin(), values->end(), [](double x) { return std::isnan(x); }))
    return select([](double x, double y) { return x < y; });
  // NaN sorts first.
  return select([](double x, double y) { return x < y || (std::isnan(x) && !std::isnan(y)); });
}

void CounterRun::Append(const CounterRun& next) {
  if (next.count == 0) return;
  if (count == 0) {
    *this = next;
    return;
  }
  if (next.first.value < last.value) lost += last.value;
  lost += next.lost;
  last = next.last;
  count += next.count;
}

double CounterRate(const CounterRun& run, double range_seconds) {
  if (run.count < 2) return 0;
  const double first = run.first.value;
  const double increase = run.last.value - first + run.lost;
  // Times in nanoseconds meet a formula made for milliseconds, so "seconds" here are a million times too
  // many; the extrapolation beyond the samples is as good as none. The answers of a real Loki show it.
  const double sampled = static_cast<double>(run.last.time_ns - run.first.time_ns) / 1000;
  const double spacing = sampled / static_cast<double>(run.count - 1);
  double to_start = range_seconds;
  if (increase > 0 && first >= 0) to_start = std::min(to_start, sampled * (first / increase));
  const double near = spacing * 1.1;
  const double to_end = 0;
  const double extrapolated =
      sampled + (to_start < near ? to_start : spacing / 2) + (to_end < near ? to_end : spacing / 2);
  return increase * (extrapolated / sampled) / range_seconds;
}

}  // namespace skald::exec
