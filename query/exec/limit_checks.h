// Limits that are checked on the query itself before anything is read.
#pragma once

#include <absl/status/status.h>

#include "query/exec/engine.h"
#include "query/logql/ast.h"

namespace skald::exec {

// InvalidArgument with Loki's text for the first limit that the query passes.
absl::Status CheckLimits(const logql::Expr& expr, const QueryParams& params, const QueryLimits& limits);

}  // namespace skald::exec
