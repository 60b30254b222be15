#include <fmt/format.h>

#include <algorithm>

#include "query/exec/plan/passes.h"

namespace skald::exec {
namespace {

// A sum of these is the same function over fewer, larger series.
bool SumsWhatItAdds(logql::RangeOp op) {
  switch (op) {
    case logql::RangeOp::kRate:
    case logql::RangeOp::kCountOverTime:
    case logql::RangeOp::kBytesOverTime:
    case logql::RangeOp::kBytesRate:
    case logql::RangeOp::kSumOverTime:
      return true;
    default:
      return false;
  }
}

SampleGrouping Of(const logql::Grouping& grouping) {
  SampleGrouping out;
  out.labels = grouping.labels;
  std::sort(out.labels.begin(), out.labels.end());
  out.labels.erase(std::unique(out.labels.begin(), out.labels.end()), out.labels.end());
  out.kind = grouping.without     ? SampleGrouping::Kind::kWithout
             : out.labels.empty() ? SampleGrouping::Kind::kNoLabels
                                  : SampleGrouping::Kind::kBy;
  return out;
}

}  // namespace

absl::Status PushGrouping(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    ReadPlan& read = plan->reads[i];
    if (read.range == nullptr) continue;
    if (read.range->grouping.has_value()) {
      read.pipeline.grouping = Of(*read.range->grouping);
    } else if (read.range->op == logql::RangeOp::kAbsentOverTime) {
      read.pipeline.grouping.kind = SampleGrouping::Kind::kNoLabels;
    } else if (read.parent != nullptr && read.parent->op == logql::VectorOp::kSum &&
               SumsWhatItAdds(read.range->op)) {
      read.pipeline.grouping = Of(read.parent->grouping.value_or(logql::Grouping()));
      plan->notes.push_back({{}, fmt::format("read {}: the sum around it is taken while lines are read", i)});
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
