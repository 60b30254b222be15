// Whether a block may hold what a pipeline's plan says is needed, held against the block's summary before
// anything is decoded.
#pragma once

#include <vector>

#include "query/exec/plan/pipeline_plan.h"
#include "storage/log_source.h"

namespace skald::exec {

// False: no row of the block comes through. Thread-safe.
bool MayMatch(const std::vector<NeededText>& needed, const Block& block, const Selection& selection);

}  // namespace skald::exec
