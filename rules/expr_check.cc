#include "rules/expr_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/error.h"
#include "query/exec/engine.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"
#include "rules/expr_advice.h"

namespace skald::rules {
namespace {

using logql::Overloaded;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string LogQueryAdvice(const logql::Expr& expr) {
  return fmt::format("write sum(count_over_time({} [5m])) > 0", logql::Print(expr));
}

std::string StageAdvice(std::string_view error) {
  if (Contains(error, "regex") || Contains(error, "missing closing") || Contains(error, "repetition")) {
    return "write the regular expression in RE2 syntax, in backquotes so that backslashes stay";
  }
  if (Contains(error, "line_format") || Contains(error, "label_format") || Contains(error, "template")) {
    return "check the template's braces and function names";
  }
  return "check the stage that is quoted";
}

}  // namespace

ExprCheck CheckExpr(std::string_view text) {
  ExprCheck out;
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    out.error = "the expression is empty";
    out.advice = ParseAdvice(text, "", 0, 0);
    return out;
  }
  absl::StatusOr<logql::ExprPtr> expr = logql::ParseExpr(text);
  if (!expr.ok()) {
    out.error = MessageOf(expr.status());
    if (const auto detail = logql::DetailOf(expr.status())) {
      out.line = detail->line;
      out.col = detail->col;
    }
    out.advice = ParseAdvice(text, out.error, out.line, out.col);
    return out;
  }
  if (logql::IsLogQuery(**expr)) {
    out.error = "the expression is a log query, which answers lines, and a rule needs numbers";
    out.advice = LogQueryAdvice(**expr);
    return out;
  }
  absl::StatusOr<exec::Plan> plan = exec::MakePlan(*expr, QueryLimits());
  if (!plan.ok()) {
    out.error = MessageOf(plan.status());
    out.advice = Contains(out.error, "variant")       ? "write one rule for each variant"
                 : Contains(out.error, "approx_topk") ? "write topk in place of approx_topk"
                                                      : "try the expression as a query first";
    return out;
  }
  // Each selector as it stands: a plan leaves out stages that cannot change the numbers, however broken.
  absl::Status broken;
  logql::ForEachLogSelector(**expr, [&](const logql::LogSelectorExpr& selector) {
    if (broken.ok()) broken = exec::Pipeline::Compile(exec::PlanPipeline(selector)).status();
  });
  if (!broken.ok()) {
    out.error = MessageOf(broken);
    out.advice = StageAdvice(out.error);
    return out;
  }
  for (const exec::ReadPlan& read : plan->reads) {
    const absl::StatusOr<std::shared_ptr<const exec::Pipeline>> pipeline =
        exec::Pipeline::Compile(read.pipeline);
    if (!pipeline.ok()) {
      out.error = MessageOf(pipeline.status());
      out.advice = StageAdvice(out.error);
      return out;
    }
    if (read.range != nullptr && read.range->log_range.range_ns <= 0) {
      out.error = fmt::format("the range of {} is zero", logql::PrintLogRange(read.range->log_range));
      out.advice = "write a span such as [5m]";
      return out;
    }
  }
  out.expr = *std::move(expr);
  return out;
}

int64_t LongestWindowOfValues(const logql::Expr& expr) {
  return std::visit(logql::Overloaded{
                        [](const logql::RangeAggregation& e) {
                          return e.op == logql::RangeOp::kQuantileOverTime ? e.log_range.range_ns
                                                                           : int64_t{0};
                        },
                        [](const logql::VectorAggregation& e) { return LongestWindowOfValues(*e.inner); },
                        [](const logql::BinaryOp& e) {
                          return std::max(LongestWindowOfValues(*e.lhs), LongestWindowOfValues(*e.rhs));
                        },
                        [](const logql::LabelReplace& e) { return LongestWindowOfValues(*e.inner); },
                        [](const auto&) { return int64_t{0}; },
                    },
                    expr.node);
}

}  // namespace skald::rules
