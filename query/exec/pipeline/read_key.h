// A text for what a range aggregation reads and makes of each line, whatever its window and offset are: reads
// with the same text collect the same samples of the same lines.
#pragma once

#include <string>

#include "query/exec/plan/plan.h"

namespace skald::exec {

std::string ReadKey(const ReadPlan& read);

}  // namespace skald::exec
