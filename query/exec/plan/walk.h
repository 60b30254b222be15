// Steps through the nodes of a metric expression.
#pragma once

#include "query/logql/ast.h"

namespace skald::exec {

// Calls fn(node, parent) for each node, parents first, children from left to right; parent is null at the
// root.
template <class Fn>
void WalkExpr(const logql::Expr& expr, const logql::Expr* parent, Fn&& fn) {
  fn(expr, parent);
  std::visit(logql::Overloaded{
                 [](const logql::LogSelectorExpr&) {},
                 [](const logql::RangeAggregation&) {},
                 [&](const logql::VectorAggregation& e) { WalkExpr(*e.inner, &expr, fn); },
                 [&](const logql::BinaryOp& e) {
                   WalkExpr(*e.lhs, &expr, fn);
                   WalkExpr(*e.rhs, &expr, fn);
                 },
                 [](const logql::Literal&) {},
                 [](const logql::VectorLiteral&) {},
                 [&](const logql::LabelReplace& e) { WalkExpr(*e.inner, &expr, fn); },
                 [&](const logql::Variants& e) {
                   for (const logql::ExprPtr& variant : e.variants) WalkExpr(*variant, &expr, fn);
                 },
             },
             expr.node);
}

}  // namespace skald::exec
