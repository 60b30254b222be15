// A rule's expression through the query engine.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "query/exec/engine.h"

namespace skald::rules {

// The instant answer at at_ns as a vector, with no limit on its series; a number is one sample without
// labels. Errors: those of Engine::RunExpr, and InvalidArgument for an answer of another form.
absl::StatusOr<Vector> EvaluateAt(const Engine& engine, const std::string& tenant, const logql::ExprPtr& expr,
                                  int64_t at_ns);

}  // namespace skald::rules
