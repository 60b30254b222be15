// label_replace(v, "dst", "replacement", "src", "regex").
#pragma once

#include <absl/status/statusor.h>

#include "query/exec/metric/step_vector.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Series whose label src (missing = "") matches ^(?:regex)$ get dst = the replacement with $1, ${name} and $$
// expanded as Go does, or lose dst where that is empty; the others stay as they are. InvalidArgument for a
// regex that does not compile.
absl::StatusOr<StepVector> ApplyLabelReplace(const logql::LabelReplace& replace, const StepVector& input);

}  // namespace skald::exec
