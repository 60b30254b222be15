#include "query/exec/plan/planner.h"

#include <utility>

#include "base/status_macros.h"
#include "query/exec/plan/passes.h"

namespace skald::exec {
namespace {

struct Pass {
  std::string_view name;
  absl::Status (*run)(Plan*, const QueryLimits&);
};

// About the whole tree, then about each read by itself.
constexpr Pass kTreePasses[] = {
    {"check_supported", CheckSupported}, {"use_spread_forms", UseSpreadForms},
    {"collect_reads", CollectReads},     {"push_grouping", PushGrouping},
    {"merge_reads", MergeReads},
};
constexpr Pass kReadPasses[] = {
    {"split_sequence", SplitSequence}, {"drop_idle_stages", DropIdleStages},
    {"push_filters", PushFilters},     {"find_needed_text", FindNeededText},
    {"find_fields", FindFields},       {"choose_columns", ChooseColumns},
    {"use_headers", UseHeaders},       {"keep_order", KeepOrder},
};

// Sets *done after the pass named `last`.
template <size_t N>
absl::Status RunPasses(const Pass (&passes)[N], const QueryLimits& limits, std::string_view last, Plan* plan,
                       bool* done) {
  for (const Pass& pass : passes) {
    if (*done) break;
    const size_t noted = plan->notes.size();
    RETURN_IF_ERROR(pass.run(plan, limits));
    for (size_t i = noted; i < plan->notes.size(); ++i) plan->notes[i].pass = pass.name;
    *done = pass.name == last;
  }
  return absl::OkStatus();
}

PipelinePlan RunReadPasses(Plan plan) {
  bool done = false;
  const absl::Status status = RunPasses(kReadPasses, QueryLimits(), {}, &plan, &done);
  SKALD_CHECK(status.ok());  // none of these can fail
  return std::move(plan.reads[0].pipeline);
}

}  // namespace

absl::StatusOr<Plan> MakePlan(logql::ExprPtr query, const QueryLimits& limits, std::string_view last) {
  Plan plan;
  plan.query = query;
  plan.root = std::move(query);
  plan.is_log_query = logql::IsLogQuery(*plan.root);
  bool done = false;
  RETURN_IF_ERROR(RunPasses(kTreePasses, limits, last, &plan, &done));
  RETURN_IF_ERROR(RunPasses(kReadPasses, limits, last, &plan, &done));
  return plan;
}

PipelinePlan PlanPipeline(const logql::LogSelectorExpr& selector) {
  auto expr = std::make_shared<logql::Expr>();
  expr->node = selector;
  Plan plan;
  plan.query = plan.root = expr;
  plan.is_log_query = true;
  SKALD_CHECK(CollectReads(&plan, QueryLimits()).ok());
  return RunReadPasses(std::move(plan));
}

PipelinePlan PlanPipeline(const logql::RangeAggregation& range, const logql::VectorAggregation* parent) {
  auto expr = std::make_shared<logql::Expr>();
  expr->node = range;
  Plan plan;
  plan.query = plan.root = expr;
  SKALD_CHECK(CollectReads(&plan, QueryLimits()).ok());
  plan.reads[0].parent = parent;
  SKALD_CHECK(PushGrouping(&plan, QueryLimits()).ok());
  return RunReadPasses(std::move(plan));
}

}  // namespace skald::exec
