// A rule's expression through the query engine.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "query/exec/engine.h"

namespace skald::rules {

// What is kept between the evaluations of an expression at multiples of an interval, plus a constant.
struct KeptWindows {
  exec::RollingWindows* windows = nullptr;  // null: nothing is kept
  int64_t interval_ns = 0;
};

// The instant answer at at_ns as a vector, with no limit on its series; a number is one sample without
// labels. Errors: those of Engine::RunExpr, and InvalidArgument for an answer of another form.
// stats: what it has cost, where somebody asks.
absl::StatusOr<Vector> EvaluateAt(const Engine& engine, const std::string& tenant, const logql::ExprPtr& expr,
                                  int64_t at_ns, KeptWindows kept = {}, QueryStats* stats = nullptr);

}  // namespace skald::rules
