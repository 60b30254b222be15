#include "query/exec/plan/spread_forms.h"

#include <algorithm>
#include <memory>
#include <optional>
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

// What puts the parts of a spread range aggregation together; nullopt for those that are not spread, and for
// averages.
std::optional<VectorOp> MergingOp(RangeOp op) {
  switch (op) {
    case RangeOp::kCountOverTime:
    case RangeOp::kRate:
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate:
    case RangeOp::kSumOverTime:
      return VectorOp::kSum;
    case RangeOp::kMinOverTime:
      return VectorOp::kMin;
    case RangeOp::kMaxOverTime:
      return VectorOp::kMax;
    default:
      return std::nullopt;
  }
}

// Whether Loki would run it on a part of the streams at a time.
bool IsShardable(const Expr& expr) {
  if (const auto* range = std::get_if<logql::RangeAggregation>(&expr.node)) {
    return range->op == RangeOp::kAvgOverTime || MergingOp(range->op).has_value();
  }
  if (const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr.node)) {
    switch (aggregation->op) {
      case VectorOp::kSum:
        return IsShardable(*aggregation->inner);
      case VectorOp::kMin:
      case VectorOp::kMax:
      case VectorOp::kAvg:
      case VectorOp::kCount:
        return IsShardable(*aggregation->inner) && !ReducesLabels(*aggregation->inner);
      default:
        return false;
    }
  }
  return false;
}

ExprPtr Merge(VectorOp op, ExprPtr inner, const std::optional<logql::Grouping>& grouping) {
  logql::VectorAggregation aggregation;
  aggregation.op = op;
  aggregation.grouping = grouping;
  if (!grouping.has_value()) aggregation.grouping = logql::Grouping{/*without=*/true, {}, {}};
  auto out = std::make_shared<Expr>();
  out->range = inner->range;
  out->height = inner->height + 1;
  aggregation.inner = std::move(inner);
  out->node = std::move(aggregation);
  return out;
}

ExprPtr SumOf(RangeOp op, logql::LogRangeExpr log_range, const logql::Grouping& grouping, const Expr& place) {
  logql::RangeAggregation range;
  range.op = op;
  range.log_range = std::move(log_range);
  auto inner = std::make_shared<Expr>();
  inner->node = std::move(range);
  inner->range = place.range;
  return Merge(VectorOp::kSum, std::move(inner), grouping);
}

ExprPtr SplitAverage(const ExprPtr& expr, const logql::RangeAggregation& average) {
  logql::Grouping grouping{/*without=*/true, {}, {}};
  if (average.grouping.has_value()) grouping = *average.grouping;
  logql::Grouping count_grouping = grouping;
  logql::LogRangeExpr counted = average.log_range;
  if (counted.unwrap.has_value() && grouping.without) count_grouping.labels.push_back(counted.unwrap->label);
  counted.unwrap.reset();
  logql::BinaryOp division;
  division.op = logql::BinaryOpKind::kDiv;
  division.lhs = SumOf(RangeOp::kSumOverTime, average.log_range, grouping, *expr);
  division.rhs = SumOf(RangeOp::kCountOverTime, std::move(counted), count_grouping, *expr);
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

ExprPtr ApplySpreadForms(const ExprPtr& expr) {
  if (const auto* range = std::get_if<logql::RangeAggregation>(&expr->node)) {
    if (!ReducesLabels(*expr)) return expr;
    if (range->op == RangeOp::kAvgOverTime) return SplitAverage(expr, *range);
    const std::optional<VectorOp> merging = MergingOp(range->op);
    return merging.has_value() ? Merge(*merging, expr, range->grouping) : expr;
  }
  if (const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr->node)) {
    if (IsShardable(*expr)) return expr;
    ExprPtr inner = ApplySpreadForms(aggregation->inner);
    if (inner == aggregation->inner) return expr;
    logql::VectorAggregation changed = *aggregation;
    changed.inner = std::move(inner);
    return With(*expr, std::move(changed));
  }
  if (const auto* replace = std::get_if<logql::LabelReplace>(&expr->node)) {
    ExprPtr inner = ApplySpreadForms(replace->inner);
    if (inner == replace->inner) return expr;
    logql::LabelReplace changed = *replace;
    changed.inner = std::move(inner);
    return With(*expr, std::move(changed));
  }
  if (const auto* op = std::get_if<logql::BinaryOp>(&expr->node)) {
    ExprPtr lhs = ApplySpreadForms(op->lhs);
    ExprPtr rhs = ApplySpreadForms(op->rhs);
    if (lhs == op->lhs && rhs == op->rhs) return expr;
    logql::BinaryOp changed = *op;
    changed.lhs = std::move(lhs);
    changed.rhs = std::move(rhs);
    return With(*expr, std::move(changed));
  }
  return expr;
}

}  // namespace skald::exec
