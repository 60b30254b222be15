#include <fmt/format.h>

#include <algorithm>

#include "query/exec/plan/passes.h"

namespace skald::exec {

absl::Status SplitSequence(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    std::vector<logql::Stage>& stages = plan->reads[i].pipeline.stages;
    const auto first = std::find_if(stages.begin(), stages.end(), [](const logql::Stage& stage) {
      return std::holds_alternative<logql::NamedStage>(stage);
    });
    for (auto stage = first; stage != stages.end(); ++stage) {
      plan->reads[i].sequence.push_back(std::get<logql::NamedStage>(*stage));  // CheckSupported saw to it
    }
    const auto count = stages.end() - first;
    stages.erase(first, stages.end());
    if (count > 0) plan->notes.push_back({{}, fmt::format("read {}: {} stages run on the answer", i, count)});
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
