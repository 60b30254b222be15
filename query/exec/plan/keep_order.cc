#include "query/exec/plan/passes.h"
#include "query/exec/plan/walk.h"

namespace skald::exec {

absl::Status KeepOrder(Plan* plan, const QueryLimits&) {
  WalkExpr(*plan->root, nullptr, [&](const logql::Expr& expr, const logql::Expr*) {
    const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr.node);
    if (aggregation == nullptr) return;
    plan->keeps_value_order |=
        aggregation->op == logql::VectorOp::kSort || aggregation->op == logql::VectorOp::kSortDesc;
  });
  return absl::OkStatus();
}

}  // namespace skald::exec
