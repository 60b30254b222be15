#include "query/exec/metric/value_bag.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/exec/metric/range_function.h"

namespace skald::exec {
namespace {

bool IsLess(double x, double y) { return x < y || (std::isnan(x) && !std::isnan(y)); }

}  // namespace

void ValueBag::Append(const ValueBag& other) {
  values_.insert(values_.end(), other.values_.begin(), other.values_.end());
  counted_.insert(counted_.end(), other.counted_.begin(), other.counted_.end());
}

void ValueBag::CountAll() {
  for (const double value : values_) counted_.push_back(Counted{value, 1});
  values_ = std::vector<double>();
  std::sort(counted_.begin(), counted_.end(),
            [](const Counted& x, const Counted& y) { return IsLess(x.value, y.value); });
  size_t kept = 0;
  for (size_t i = 0; i < counted_.size(); ++i) {
    const bool same = kept > 0 && !IsLess(counted_[kept - 1].value, counted_[i].value);
    if (same) {
      counted_[kept - 1].count += counted_[i].count;
    } else {
      counted_[kept++] = counted_[i];
    }
  }
  counted_.resize(kept);
}

void ValueBag::Shrink() {
  ValueBag counted(*this);
  counted.CountAll();
  counted.counted_.shrink_to_fit();
  values_.shrink_to_fit();
  if (counted.bytes() < bytes()) *this = std::move(counted);
}

double ValueBag::Quantile(double q) {
  if (counted_.empty()) return exec::Quantile(q, &values_);
  if (std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  CountAll();
  uint64_t total = 0;
  for (const Counted& one : counted_) total += one.count;
  const double rank = q * static_cast<double>(total - 1);
  const auto at = [this](uint64_t place) {
    for (const Counted& one : counted_) {
      if (place < one.count) return one.value;
      place -= one.count;
    }
    return counted_.back().value;
  };
  const auto low = static_cast<uint64_t>(std::floor(rank));
  const double weight = rank - std::floor(rank);
  return at(low) * (1 - weight) + at(std::min(total - 1, low + 1)) * weight;
}

}  // namespace skald::exec
