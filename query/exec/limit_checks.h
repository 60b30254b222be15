// Limits that are checked on the query itself before anything is read.
#pragma once

#include <absl/status/status.h>

#include "query/exec/engine.h"
#include "query/logql/ast.h"

namespace skald::exec {

// InvalidArgument with Loki's text for the first limit that the query passes.
absl::Status CheckLimits(const logql::Expr& expr, const QueryParams& params, const QueryLimits& limits);

// InvalidArgument where start to end, both in whole milliseconds, is longer than the limit; 0 = any length.
absl::Status CheckQueryLength(int64_t start_ns, int64_t end_ns, int64_t max_length_ns);

}  // namespace skald::exec
