#include "base/error.h"
#include "query/exec/plan/passes.h"
#include "query/exec/plan/walk.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

using logql::Expr;
using logql::VectorOp;

absl::Status LiteralOperandError() {
  return Internal("unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) ");
}

absl::Status CheckNode(const Expr& expr, const QueryLimits& limits) {
  if (std::holds_alternative<logql::Variants>(expr.node)) {
    return InvalidArgument("multi variant queries are disabled for this instance");
  }
  if (const auto* replace = std::get_if<logql::LabelReplace>(&expr.node)) {
    if (std::holds_alternative<logql::Literal>(replace->inner->node)) return LiteralOperandError();
  }
  if (const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr.node)) {
    if (aggregation->op == VectorOp::kApproxTopk && !limits.approx_topk) {
      return Internal("approx_topk is not enabled. See -limits.shard_aggregations");
    }
    if (std::holds_alternative<logql::Literal>(aggregation->inner->node)) {
      // Loki tries to split these three by stream, and stumbles over the missing selector.
      if (aggregation->op == VectorOp::kSum || aggregation->op == VectorOp::kAvg ||
          aggregation->op == VectorOp::kCount) {
        return logql::ParseError(logql::kEmptyMatcherMessage);
      }
      return LiteralOperandError();
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSupported(Plan* plan, const QueryLimits& limits) {
  absl::Status status;
  WalkExpr(*plan->root, nullptr, [&](const Expr& expr, const Expr*) {
    if (status.ok()) status = CheckNode(expr, limits);
  });
  return status;
}

}  // namespace skald::exec
