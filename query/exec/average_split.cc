#include "query/exec/average_split.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace skald::exec {
namespace {

using logql::Expr;
using logql::ExprPtr;
using logql::Overloaded;
using logql::RangeOp;
using logql::VectorOp;

bool ReducesLabels(const std::optional<logql::Grouping>& grouping) {
  return grouping.has_value() && !(grouping->without && grouping->labels.empty());
}

bool ReducesLabels(const logql::Stage& stage) {
  if (std::holds_alternative<logql::Drop>(stage) || std::holds_alternative<logql::Keep>(stage)) return true;
  const auto* format = std::get_if<logql::LabelFormat>(&stage);
  return format != nullptr && std::any_of(format->items.begin(), format->items.end(),
                                          [](const logql::LabelFormatItem& item) { return item.is_rename; });
}

// Whether series of different streams may get equal labels in there.
bool ReducesLabels(const Expr& expr) {
  return std::visit(
      Overloaded{
          [](const logql::LogSelectorExpr&) { return false; },
          [](const logql::RangeAggregation& e) {
            const std::vector<logql::Stage>& stages = e.log_range.source.stages;
            return ReducesLabels(e.grouping) ||
                   std::any_of(stages.begin(), stages.end(),
                               [](const logql::Stage& stage) { return ReducesLabels(stage); });
          },
          [](const logql::VectorAggregation& e) {
            return ReducesLabels(e.grouping) || ReducesLabels(*e.inner);
          },
          [](const logql::BinaryOp& e) { return ReducesLabels(*e.lhs) || ReducesLabels(*e.rhs); },
          [](const logql::Literal&) { return false; },
          [](const logql::VectorLiteral&) { return false; },
          [](const logql::LabelReplace& e) { return ReducesLabels(*e.inner); },
          [](const logql::Variants&) { return false; },
      },
      expr.node);
}

// Whether Loki would run it on a part of the streams at a time.
bool IsShardable(const Expr& expr) {
  if (const auto* range = std::get_if<logql::RangeAggregation>(&expr.node)) {
    switch (range->op) {
      case RangeOp::kAvgOverTime:
      case RangeOp::kCountOverTime:
      case RangeOp::kRate:
      case RangeOp::kBytesOverTime:
      case RangeOp::kBytesRate:
      case RangeOp::kSumOverTime:
      case RangeOp::kMinOverTime:
      case RangeOp::kMaxOverTime:
        return true;
      default:
        return false;
    }
  }
  if (const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr.node)) {
    switch (aggregation->op) {
      case VectorOp::kSum:
      case VectorOp::kMin:
      case VectorOp::kMax:
        return IsShardable(*aggregation->inner);
      case VectorOp::kAvg:
      case VectorOp::kCount:
        return IsShardable(*aggregation->inner) && !ReducesLabels(*aggregation->inner);
      default:
        return false;
    }
  }
  return false;
}

ExprPtr Sum(RangeOp op, logql::LogRangeExpr log_range, logql::Grouping grouping,
            const logql::SourceRange& place) {
  logql::RangeAggregation range;
  range.op = op;
  range.log_range = std::move(log_range);
  auto inner = std::make_shared<Expr>();
  inner->node = std::move(range);
  inner->range = place;
  logql::VectorAggregation aggregation;
  aggregation.op = VectorOp::kSum;
  aggregation.inner = std::move(inner);
  aggregation.grouping = std::move(grouping);
  auto sum = std::make_shared<Expr>();
  sum->node = std::move(aggregation);
  sum->range = place;
  sum->height = 2;
  return sum;
}

ExprPtr Split(const ExprPtr& expr, const logql::RangeAggregation& average) {
  logql::Grouping grouping;
  grouping.without = true;
  if (average.grouping.has_value()) grouping = *average.grouping;
  logql::Grouping count_grouping = grouping;
  logql::LogRangeExpr counted = average.log_range;
  if (counted.unwrap.has_value() && grouping.without) count_grouping.labels.push_back(counted.unwrap->label);
  counted.unwrap.reset();
  logql::BinaryOp division;
  division.op = logql::BinaryOpKind::kDiv;
  division.lhs = Sum(RangeOp::kSumOverTime, average.log_range, std::move(grouping), expr->range);
  division.rhs = Sum(RangeOp::kCountOverTime, std::move(counted), std::move(count_grouping), expr->range);
  auto out = std::make_shared<Expr>();
  out->node = std::move(division);
  out->range = expr->range;
  out->height = 3;
  return out;
}

// A copy of expr with another node.
template <class Node>
ExprPtr With(const Expr& expr, Node node) {
  auto out = std::make_shared<Expr>();
  out->node = std::move(node);
  out->range = expr.range;
  out->height = expr.height;
  return out;
}

}  // namespace

ExprPtr SplitAverages(const ExprPtr& expr) {
  if (const auto* range = std::get_if<logql::RangeAggregation>(&expr->node)) {
    return range->op == RangeOp::kAvgOverTime && ReducesLabels(*expr) ? Split(expr, *range) : expr;
  }
  if (const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr->node)) {
    if (IsShardable(*expr)) return expr;
    ExprPtr inner = SplitAverages(aggregation->inner);
    if (inner == aggregation->inner) return expr;
    logql::VectorAggregation changed = *aggregation;
    changed.inner = std::move(inner);
    return With(*expr, std::move(changed));
  }
  if (const auto* replace = std::get_if<logql::LabelReplace>(&expr->node)) {
    ExprPtr inner = SplitAverages(replace->inner);
    if (inner == replace->inner) return expr;
    logql::LabelReplace changed = *replace;
    changed.inner = std::move(inner);
    return With(*expr, std::move(changed));
  }
  if (const auto* op = std::get_if<logql::BinaryOp>(&expr->node)) {
    ExprPtr lhs = SplitAverages(op->lhs);
    ExprPtr rhs = SplitAverages(op->rhs);
    if (lhs == op->lhs && rhs == op->rhs) return expr;
    logql::BinaryOp changed = *op;
    changed.lhs = std::move(lhs);
    changed.rhs = std::move(rhs);
    return With(*expr, std::move(changed));
  }
  return expr;
}

}  // namespace skald::exec
