// Runs a log query: reads its lines, and where the plan has stages that see the answer as a whole, runs
// those.
#pragma once

#include <absl/status/statusor.h>

#include "query/exec/log_scan.h"
#include "query/exec/plan/plan.h"
#include "query/exec/result.h"
#include "query/exec/scan.h"

namespace skald::exec {

// Errors as ScanLog. `interval` is InvalidArgument beside stages of the answer.
absl::StatusOr<Streams> RunLogQuery(const QueryContext& context, const Plan& plan,
                                    const LogScanOptions& options);

}  // namespace skald::exec
