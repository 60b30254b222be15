#include <algorithm>

#include "query/exec/plan/passes.h"
#include "query/exec/plan/stage_traits.h"

namespace skald::exec {

bool PipelinePlan::MetadataMatters(const Labels& stream) const {
  if (kind == SampleKind::kNone || can_fail) return true;
  if (grouping.kind != SampleGrouping::Kind::kNoLabels && grouping.kind != SampleGrouping::Kind::kBy)
    return true;
  // Metadata with the name of a stream label goes by another name, so that a lookup of that label cannot meet
  // it.
  return !std::all_of(fields.begin(), fields.end(),
                      [&](const std::string& name) { return stream.Has(name); });
}

absl::Status ChooseColumns(Plan* plan, const QueryLimits&) {
  for (ReadPlan& read : plan->reads) {
    PipelinePlan& pipeline = read.pipeline;
    pipeline.can_fail = pipeline.kind == SampleKind::kUnwrap;
    for (const logql::Stage& stage : pipeline.stages) {
      const StageTraits traits = TraitsOf(stage);
      pipeline.reads_line |= traits.reads_line;
      pipeline.reads_times |= traits.reads_times;
      pipeline.can_fail |= traits.can_fail;
    }
    const bool is_log = pipeline.kind == SampleKind::kNone;
    pipeline.columns.times = pipeline.reads_times;
    pipeline.columns.lines =
        is_log || !pipeline.leading.empty() || pipeline.reads_line || pipeline.kind == SampleKind::kBytes;
    const bool keeps_labels = pipeline.grouping.kind != SampleGrouping::Kind::kNoLabels;
    pipeline.columns.metadata = is_log || keeps_labels || pipeline.can_fail || !pipeline.fields.empty();
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
