#include "query/exec/pipeline/read_key.h"

#include <fmt/format.h>

#include "base/types.h"
#include "query/logql/printer.h"

namespace skald::exec {

std::string ReadKey(const ReadPlan& read) {
  logql::LogRangeExpr range = read.range->log_range;
  range.range_ns = kNsPerSecond;
  range.offset_ns = 0;
  const PipelinePlan& pipeline = read.pipeline;
  std::string key = fmt::format("{} {} {} {}", static_cast<int>(read.kernel), static_cast<int>(pipeline.kind),
                                static_cast<int>(pipeline.grouping.kind), read.range->counted_label);
  for (const std::string& label : pipeline.grouping.labels) key += "," + label;
  return key + " " + logql::PrintLogRange(range);
}

}  // namespace skald::exec
