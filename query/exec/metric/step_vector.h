// A vector at every evaluation time of a query, kept by series: what the nodes of a metric expression hand to
// each other.
#pragma once

#include <cstdint>
#include <vector>

#include "base/labels.h"

namespace skald::exec {

struct StepValue {
  uint32_t step = 0;  // ordinal of the evaluation time
  double value = 0;
};

struct StepSeries {
  Labels labels;
  std::vector<StepValue> points;  // ascending by step, never empty
};

using StepVector = std::vector<StepSeries>;

}  // namespace skald::exec
