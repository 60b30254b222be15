// Makes plans: a list of passes, each a function in a file of its own (passes.h), run in order. A pass may
// decide how a query is run, never what it answers.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "query/exec/engine.h"
#include "query/exec/plan/plan.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Errors: InvalidArgument and Internal with Loki's texts for what parses but does not run. Errors of single
// stages come later, when a pipeline is compiled and some stream matched, as Loki has it. `last`, for tests,
// ends after the pass of that name.
absl::StatusOr<Plan> MakePlan(logql::ExprPtr query, const QueryLimits& limits, std::string_view last = {});

// The pipeline of one selector outside of a plan, by the same passes. parent as in ReadPlan.
PipelinePlan PlanPipeline(const logql::LogSelectorExpr& selector);
PipelinePlan PlanPipeline(const logql::RangeAggregation& range, const logql::VectorAggregation* parent);

}  // namespace skald::exec
