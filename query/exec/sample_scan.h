// Reads the lines of one range aggregation and computes its series at all evaluation times.
#pragma once

#include <absl/status/statusor.h>

#include "query/exec/scan.h"
#include "query/exec/step_vector.h"
#include "query/exec/window_grid.h"
#include "query/logql/ast.h"

namespace skald::exec {

// One range aggregation of a query. parent: the vector aggregation directly around it, whose grouping may be
// pushed into it, or null.
struct RangeLeaf {
  const logql::RangeAggregation* range = nullptr;
  const logql::VectorAggregation* parent = nullptr;
};

// Series in no particular order, labels distinct. Adds to context.stats. InvalidArgument for a stage that
// cannot be built and for a series with an unhandled pipeline error; ResourceExhausted when the memory budget
// ends; Cancelled, DeadlineExceeded.
absl::StatusOr<StepVector> ScanSamples(const QueryContext& context, const RangeLeaf& leaf,
                                       const WindowGrid& grid);

}  // namespace skald::exec
