#include <fmt/format.h>

#include "query/exec/plan/passes.h"

namespace skald::exec {
namespace {

// "" where headers can answer.
std::string_view WhyNot(const ReadPlan& read) {
  const PipelinePlan& pipeline = read.pipeline;
  if (pipeline.kind == SampleKind::kNone) return "lines are asked for";
  if (!pipeline.leading.empty()) return "lines are filtered";
  if (pipeline.reads_line) return "a stage reads lines";
  if (read.kernel != RangeKernel::kSum) return "more than sums is asked for";
  if (pipeline.can_fail) return "a stage may fail on a row";
  if (pipeline.grouping.kind != SampleGrouping::Kind::kNoLabels &&
      pipeline.grouping.kind != SampleGrouping::Kind::kBy) {
    return "all labels of a row are asked for";
  }
  return {};
}

}  // namespace

absl::Status UseHeaders(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    ReadPlan& read = plan->reads[i];
    read.headers_reason = WhyNot(read);
    if (!read.headers_reason.empty()) continue;
    const bool by_level =
        read.pipeline.stages.empty() && read.pipeline.grouping.kind == SampleGrouping::Kind::kBy;
    read.headers = by_level ? HeaderUse::kCountsOrLevels : HeaderUse::kCounts;
    plan->notes.push_back(
        {{}, fmt::format("read {}: counts in block headers answer for blocks inside of a window", i)});
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
