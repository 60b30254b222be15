// What rolling windows keep of a piece of time: for each series a cell, or what stands in its place.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "query/exec/metric/range_function.h"
#include "query/exec/metric/value_bag.h"

namespace skald::exec {

struct RollingPart {
  uint32_t series = 0;  // its number, of whoever holds the part
  Cell cell;
  std::unique_ptr<ValueBag> values;  // for RangeKernel::kValues
  std::unique_ptr<CounterRun> run;   // for RangeKernel::kSamples

  bool empty() const { return cell.count == 0 && values == nullptr && run == nullptr; }
  // next is of later times.
  void Append(RangeKernel kernel, const RollingPart& next);
  int64_t heap_bytes() const;
};

struct RollingTile {
  bool known = false;
  bool saved = false;  // stands like this in the store
  std::vector<RollingPart> parts;
};

}  // namespace skald::exec
