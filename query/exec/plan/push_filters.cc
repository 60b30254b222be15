#include <fmt/format.h>

#include "query/exec/plan/passes.h"

namespace skald::exec {
namespace {

using logql::Stage;

// Line filters go in front of stages that leave the line alone, but not past a label filter, a line_format or
// an unpack. (They do go past decolorize, which changes lines; that is Loki's rule.) Returns how many moved.
size_t HoistLineFilters(std::vector<Stage>* stages) {
  std::vector<Stage> out;
  size_t at = 0;  // where the next line filter goes
  size_t moved = 0;
  for (Stage& stage : *stages) {
    if (std::holds_alternative<logql::LineFilter>(stage)) {
      moved += at < out.size() ? 1 : 0;
      out.insert(out.begin() + static_cast<std::ptrdiff_t>(at++), std::move(stage));
      continue;
    }
    const bool barrier = std::holds_alternative<logql::LabelFilter>(stage) ||
                         std::holds_alternative<logql::LineFormat>(stage) ||
                         std::holds_alternative<logql::Unpack>(stage);
    out.push_back(std::move(stage));
    if (barrier) at = out.size();
  }
  *stages = std::move(out);
  return moved;
}

}  // namespace

absl::Status PushFilters(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    PipelinePlan& pipeline = plan->reads[i].pipeline;
    const size_t moved = HoistLineFilters(&pipeline.stages);
    size_t leading = 0;
    while (leading < pipeline.stages.size() &&
           std::holds_alternative<logql::LineFilter>(pipeline.stages[leading])) {
      pipeline.leading.push_back(std::get<logql::LineFilter>(std::move(pipeline.stages[leading])));
      ++leading;
    }
    pipeline.stages.erase(pipeline.stages.begin(),
                          pipeline.stages.begin() + static_cast<std::ptrdiff_t>(leading));
    if (moved > 0) {
      plan->notes.push_back({{}, fmt::format("read {}: {} line filters moved forward", i, moved)});
    }
    if (leading > 0) {
      plan->notes.push_back({{}, fmt::format("read {}: {} line filters run over whole blocks", i, leading)});
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
