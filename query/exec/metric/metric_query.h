// Runs a metric query: reads its range aggregations and computes the expression over them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "query/exec/engine.h"
#include "query/exec/plan/plan.h"
#include "query/exec/result.h"
#include "query/exec/scan.h"

namespace skald::exec {

// The times a metric query is evaluated at.
struct EvaluationTimes {
  int64_t start_ns = 0;
  int64_t step_ns = 0;
  uint32_t count = 1;
  bool instant = false;
};

// By params and the split interval of limits. InvalidArgument for more than 11,000 steps (and two for
// rounding).
absl::StatusOr<EvaluationTimes> TimesOf(const QueryParams& params, const QueryLimits& limits);

// Fills result's data and warnings. Errors as Engine::Run.
absl::Status RunMetricQuery(const QueryContext& context, const Plan& plan, const EvaluationTimes& times,
                            const QueryLimits& limits, QueryResult* result);

}  // namespace skald::exec
