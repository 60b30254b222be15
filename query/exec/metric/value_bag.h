// Numbers of which quantiles are asked: each one, or, once it is shrunk, each different one with how often it
// is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace skald::exec {

// Not thread-safe.
class ValueBag {
 public:
  ValueBag() = default;
  explicit ValueBag(std::vector<double> values) : values_(std::move(values)) {}

  void Add(double value, uint64_t count) {
    if (count == 1) {
      values_.push_back(value);
    } else {
      counted_.push_back(Counted{value, count});
    }
  }
  void Append(const ValueBag& other);
  // Calls with(value, count) for all of them, in no order; entries() times.
  template <class With>
  void Visit(const With& with) const {
    for (const double value : values_) with(value, uint64_t{1});
    for (const Counted& one : counted_) with(one.value, one.count);
  }
  size_t entries() const { return values_.size() + counted_.size(); }
  // Takes less memory, where numbers repeat.
  void Shrink();
  // As Quantile of range_function.h. Changes the order of what is kept.
  double Quantile(double q);
  // On the heap.
  int64_t bytes() const {
    return static_cast<int64_t>(sizeof(*this) + values_.capacity() * sizeof(double) +
                                counted_.capacity() * sizeof(Counted));
  }

 private:
  struct Counted {
    double value = 0;
    uint64_t count = 0;
  };
  // Sorted by value, NaN first, each value once.
  void CountAll();

  std::vector<double> values_;    // each once
  std::vector<Counted> counted_;  // in no order
};

}  // namespace skald::exec
