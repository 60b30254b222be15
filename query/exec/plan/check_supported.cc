#include <fmt/format.h>

#include "base/error.h"
#include "query/exec/plan/passes.h"
#include "query/exec/plan/walk.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

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
    if (aggregation->op == VectorOp::kApproxTopk) {
      // Whether or not it is switched on; of a literal only where it is.
      const bool is_literal = std::holds_alternative<logql::Literal>(aggregation->inner->node);
      if (std::holds_alternative<logql::VectorLiteral>(aggregation->inner->node) ||
          (is_literal && limits.approx_topk)) {
        return logql::ParseError(logql::kEmptyMatcherMessage);
      }
      if (!limits.approx_topk) return Internal("approx_topk is not enabled. See -limits.shard_aggregations");
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

// Stages that see the answer as a whole stand at the end of a log query.
absl::Status CheckSequence(const logql::LogSelectorExpr& log, bool is_log_query) {
  const logql::NamedStage* named = nullptr;
  for (const logql::Stage& stage : log.stages) {
    if (const auto* one = std::get_if<logql::NamedStage>(&stage)) {
      if (!is_log_query) return logql::StageError(stage, "is for log queries only");
      named = one;
    } else if (named != nullptr) {
      return logql::StageError(stage, fmt::format("may not follow '{}'", logql::PrintStage(*named)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSupported(Plan* plan, const QueryLimits& limits) {
  absl::Status status;
  logql::ForEachLogSelector(*plan->root, [&](const logql::LogSelectorExpr& log) {
    if (status.ok()) status = CheckSequence(log, plan->is_log_query);
  });
  WalkExpr(*plan->root, nullptr, [&](const Expr& expr, const Expr*) {
    if (status.ok()) status = CheckNode(expr, limits);
  });
  return status;
}

}  // namespace skald::exec
