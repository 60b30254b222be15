#include "query/exec/metric_plan.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/exec/parser_hints.h"
#include "query/exec/spread_forms.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace skald::exec {
namespace {

using logql::Expr;
using logql::Overloaded;
using logql::VectorOp;

// Calls fn(node, parent) for each node, parents first; parent is null at the root.
template <class Fn>
void Walk(const Expr& expr, const Expr* parent, Fn&& fn) {
  fn(expr, parent);
  std::visit(Overloaded{
                 [](const logql::LogSelectorExpr&) {},
                 [](const logql::RangeAggregation&) {},
                 [&](const logql::VectorAggregation& e) { Walk(*e.inner, &expr, fn); },
                 [&](const logql::BinaryOp& e) {
                   Walk(*e.lhs, &expr, fn);
                   Walk(*e.rhs, &expr, fn);
                 },
                 [](const logql::Literal&) {},
                 [](const logql::VectorLiteral&) {},
                 [&](const logql::LabelReplace& e) { Walk(*e.inner, &expr, fn); },
                 [](const logql::Variants&) {},
             },
             expr.node);
}

struct PlanBuilder {
  const QueryLimits& limits;
  MetricPlan plan;
};

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

// Pass 1: refuses what parses but does not run.
absl::Status CheckSupported(PlanBuilder* builder) {
  absl::Status status;
  Walk(*builder->plan.root, nullptr, [&](const Expr& expr, const Expr*) {
    if (status.ok()) status = CheckNode(expr, builder->limits);
  });
  return status;
}

// Pass 2: the forms in which Loki evaluates some aggregations.
absl::Status UseSpreadForms(PlanBuilder* builder) {
  builder->plan.root = ApplySpreadForms(builder->plan.root);
  return absl::OkStatus();
}

// Pass 3: the range aggregations, with the grouping that may be pushed into each; the same one twice is read
// once.
absl::Status CollectLeaves(PlanBuilder* builder) {
  MetricPlan& plan = builder->plan;
  absl::flat_hash_map<std::string, uint32_t> known;
  Walk(*plan.root, nullptr, [&](const Expr& expr, const Expr* parent) {
    const auto* range = std::get_if<logql::RangeAggregation>(&expr.node);
    if (range == nullptr) return;
    RangeLeaf leaf;
    leaf.range = range;
    if (parent != nullptr) leaf.parent = std::get_if<logql::VectorAggregation>(&parent->node);
    const SampleGrouping grouping = GroupingOf(*range, leaf.parent);
    std::string key = fmt::format("{} {}", static_cast<int>(grouping.kind), logql::Print(expr));
    for (const std::string& label : grouping.labels) key += fmt::format("\n{}", label);
    const auto [it, added] = known.try_emplace(std::move(key), static_cast<uint32_t>(plan.leaves.size()));
    if (added) plan.leaves.push_back(leaf);
    plan.leaf_of.emplace(range, it->second);
  });
  return absl::OkStatus();
}

// Pass 4: whether the order of values is part of the answer.
absl::Status FindSort(PlanBuilder* builder) {
  Walk(*builder->plan.root, nullptr, [&](const Expr& expr, const Expr*) {
    const auto* aggregation = std::get_if<logql::VectorAggregation>(&expr.node);
    if (aggregation == nullptr) return;
    builder->plan.keeps_value_order |=
        aggregation->op == VectorOp::kSort || aggregation->op == VectorOp::kSortDesc;
  });
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MetricPlan> PlanMetricQuery(logql::ExprPtr root, const QueryLimits& limits) {
  PlanBuilder builder{limits, {}};
  builder.plan.root = std::move(root);
  constexpr absl::Status (*kPasses[])(PlanBuilder*) = {CheckSupported, UseSpreadForms, CollectLeaves,
                                                       FindSort};
  for (const auto pass : kPasses) RETURN_IF_ERROR(pass(&builder));
  return std::move(builder.plan);
}

}  // namespace skald::exec
