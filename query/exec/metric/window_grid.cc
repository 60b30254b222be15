#include "query/exec/metric/window_grid.h"

#include <algorithm>
#include <limits>

namespace skald::exec {
namespace {

using Wide = __int128;  // sums of times, ranges and offsets do not fit 64 bits

int64_t Saturate(Wide value) {
  constexpr Wide kMin = std::numeric_limits<int64_t>::min();
  constexpr Wide kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(value, kMin, kMax));
}

// For b > 0.
Wide CeilDiv(Wide a, Wide b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

}  // namespace

WindowGrid::WindowGrid(int64_t start_ns, int64_t step_ns, uint32_t steps, int64_t range_ns, int64_t offset_ns)
    : start_ns_(start_ns),
      step_ns_(std::max<int64_t>(step_ns, 1)),
      steps_(steps),
      range_ns_(range_ns),
      offset_ns_(offset_ns),
      range_steps_(static_cast<int64_t>(CeilDiv(range_ns_, step_ns_))) {}

WindowGrid::Bucket WindowGrid::Find(int64_t t_ns) const {
  if (Bucket bucket; FindNear(t_ns, &bucket)) return bucket;
  const Wide last_edge = Wide{start_ns_} - offset_ns_;  // right edge of window 0
  const Wide first_edge = last_edge - range_ns_;        // its left edge
  const Wide n = steps_;
  const Wide begun =
      std::clamp<Wide>(CeilDiv(Wide{t_ns} - first_edge, step_ns_), 0, n);  // left edges below t
  const Wide ended =
      std::clamp<Wide>(CeilDiv(Wide{t_ns} - last_edge, step_ns_), 0, n);  // right edges below t
  constexpr Wide kFar = Wide{1} << 100;
  Wide low = -kFar;  // the nearest edges on both sides
  Wide high = kFar;
  if (begun > 0) low = std::max(low, first_edge + (begun - 1) * step_ns_);
  if (ended > 0) low = std::max(low, last_edge + (ended - 1) * step_ns_);
  if (begun < n) high = std::min(high, first_edge + begun * step_ns_);
  if (ended < n) high = std::min(high, last_edge + ended * step_ns_);
  Bucket bucket;
  bucket.id = static_cast<uint32_t>(begun + ended);
  bucket.in_window = begun > ended;
  bucket.first_ns = Saturate(low + 1);
  bucket.last_ns = Saturate(high);
  return bucket;
}

bool WindowGrid::FindNear(int64_t t_ns, Bucket* bucket) const {
  // The same in 64 bits, where no sum can leave them.
  constexpr int64_t kNear = int64_t{1} << 60;
  const auto near = [](int64_t value) { return value > -kNear && value < kNear; };
  if (!near(start_ns_) || !near(offset_ns_) || !near(range_ns_) || !near(t_ns)) return false;
  const int64_t n = steps_;
  int64_t span = 0;
  if (__builtin_mul_overflow(step_ns_, n, &span) || !near(span)) return false;
  const int64_t last_edge = start_ns_ - offset_ns_;
  const int64_t first_edge = last_edge - range_ns_;
  const auto edges_below = [&](int64_t first) {  // t, of n edges from first on
    if (t_ns <= first) return int64_t{0};
    return std::min((t_ns - first + step_ns_ - 1) / step_ns_, n);
  };
  const int64_t begun = edges_below(first_edge);
  const int64_t ended = edges_below(last_edge);
  bool has_low = false;
  bool has_high = false;
  int64_t low = 0;  // the nearest edges on both sides
  int64_t high = 0;
  const auto below = [&](int64_t edge) {
    low = has_low ? std::max(low, edge) : edge;
    has_low = true;
  };
  const auto above = [&](int64_t edge) {
    high = has_high ? std::min(high, edge) : edge;
    has_high = true;
  };
  if (begun > 0) below(first_edge + (begun - 1) * step_ns_);
  if (ended > 0) below(last_edge + (ended - 1) * step_ns_);
  if (begun < n) above(first_edge + begun * step_ns_);
  if (ended < n) above(last_edge + ended * step_ns_);
  bucket->id = static_cast<uint32_t>(begun + ended);
  bucket->in_window = begun > ended;
  bucket->first_ns = has_low ? low + 1 : std::numeric_limits<int64_t>::min();
  bucket->last_ns = has_high ? high : std::numeric_limits<int64_t>::max();
  return true;
}

TimeRange WindowGrid::data_range() const {
  const Wide first = Wide{start_ns_} - offset_ns_ - range_ns_;
  const Wide last = Wide{start_ns_} + Wide{steps_ - 1} * step_ns_ - offset_ns_;
  return TimeRange{Saturate(first + 1), Saturate(last + 1)};
}

uint32_t WindowGrid::first_bucket(uint32_t step) const {
  // Just after left edge `step`: step + 1 left edges, and the right edges that are not after it.
  const int64_t right_edges = int64_t{step} + 1 - range_steps_;
  return step + 1 + static_cast<uint32_t>(std::clamp<int64_t>(right_edges, 0, steps_));
}

uint32_t WindowGrid::last_bucket(uint32_t step) const {
  return step + static_cast<uint32_t>(std::min<int64_t>(int64_t{steps_} - step, range_steps_)) + step;
}

uint32_t WindowGrid::FirstStepReaching(uint32_t bucket) const {
  uint32_t low = 0;
  uint32_t high = steps_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (last_bucket(middle) < bucket) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t WindowGrid::FirstStepEndingAt(int64_t t_ns) const {
  const Wide first_end = Wide{start_ns_} - offset_ns_;
  return static_cast<uint32_t>(std::clamp<Wide>(CeilDiv(Wide{t_ns} - first_end, step_ns_), 0, steps_));
}

int64_t WindowGrid::window_begin_ns(uint32_t step) const {
  return Saturate(Wide{start_ns_} + Wide{step} * step_ns_ - offset_ns_ - range_ns_);
}

int64_t WindowGrid::window_end_ns(uint32_t step) const {
  return Saturate(Wide{start_ns_} + Wide{step} * step_ns_ - offset_ns_);
}

}  // namespace skald::exec
