// Reads the lines of one range aggregation and computes its series at all evaluation times.
#pragma once

#include <absl/status/statusor.h>

#include "query/exec/plan/plan.h"
#include "query/exec/scan.h"
#include "query/exec/step_vector.h"
#include "query/exec/window_grid.h"

namespace skald::exec {

// read is of a range aggregation. Series in no particular order, labels distinct. Adds to context.stats.
// InvalidArgument for a stage that cannot be built and for a series with an unhandled pipeline error;
// ResourceExhausted when the memory budget ends; Cancelled, DeadlineExceeded.
absl::StatusOr<StepVector> ScanSamples(const QueryContext& context, const ReadPlan& read,
                                       const WindowGrid& grid);

}  // namespace skald::exec
