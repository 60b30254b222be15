// Reads the lines of one range aggregation and computes its series at all evaluation times.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "query/exec/metric/range_function.h"
#include "query/exec/metric/step_vector.h"
#include "query/exec/metric/window_grid.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/plan.h"
#include "query/exec/scan.h"

namespace skald::exec {

// read is of a range aggregation. Series in no particular order, labels distinct. Adds to context.stats.
// InvalidArgument for a stage that cannot be built and for a series with an unhandled pipeline error;
// ResourceExhausted when the memory budget ends; Cancelled, DeadlineExceeded.
absl::StatusOr<StepVector> ScanSamples(const QueryContext& context, const ReadPlan& read,
                                       const WindowGrid& grid);

// The same without its last step: what was collected of each series, in no order. Series with an unhandled
// pipeline error are among them. *pipeline: of the read; compiled when it is null and there is something to
// read.
struct CollectedSeries {
  Labels labels;
  bool is_error = false;  // a window that holds it fails with PipelineError
  SeriesSamples samples;
};
absl::StatusOr<std::vector<CollectedSeries>> CollectSamples(const QueryContext& context, const ReadPlan& read,
                                                            const WindowGrid& grid,
                                                            std::shared_ptr<const Pipeline>* pipeline);

// So that sums and ties come out alike however the work was shared out. Very many are left as they are.
void SortSeries(StepVector* vector);

absl::Status PipelineError(const Labels& labels);
// What absent_over_time answers where this is what is there.
StepVector AbsentOf(const logql::RangeAggregation& range, const StepVector& present, uint32_t steps);

}  // namespace skald::exec
