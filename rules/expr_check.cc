#include "rules/expr_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/error.h"
#include "query/exec/engine.h"
#include "query/exec/pipeline.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"

namespace skald::rules {
namespace {

using logql::Overloaded;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// A first guess at what was meant, from the text of an expression that does not parse.
std::string ParseAdvice(std::string_view text, std::string_view error) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return "write a LogQL query of numbers, such as sum(rate({app=\"api\"} |= \"error\" [5m])) > 1";
  }
  if (Contains(text, "{{")) {
    return "templates stand in labels and annotations only: write the value itself into the expression";
  }
  if (Contains(text, "&&")) return "write `and` in place of &&";
  if (Contains(text, "||")) return "write `or` in place of ||";
  if (Contains(error, "at least one regexp or equality matcher")) {
    return "name a label in the selector, such as {app=\"api\"} or {namespace=~\".+\"}";
  }
  if (Contains(error, "without unwrap")) {
    return "say which field holds the number: `| json | unwrap duration` before the range, or use "
           "count_over_time";
  }
  if (Contains(text, "histogram_quantile")) {
    return "LogQL has the quantile of lines: quantile_over_time(0.95, {app=\"api\"} | json | unwrap duration "
           "[5m]) by (path)";
  }
  if (Contains(text, "increase(")) return "write count_over_time({...}[5m]) in place of increase";
  if (Contains(text, "irate(")) return "write rate({...}[1m]) in place of irate";
  if (Contains(text, "absent(")) return "write absent_over_time({...}[2m]) in place of absent";
  if (!Contains(text, "{") && !Contains(text, "vector")) {
    return "this looks like PromQL: LogQL counts lines of streams, as in rate({app=\"api\"} |= \"error\" "
           "[5m])";
  }
  if (Contains(text, "{") && !Contains(text, "[") && Contains(text, "(")) {
    return "give the range in square brackets behind the selector: rate({app=\"api\"}[5m])";
  }
  return "try the expression with `skaldctl fmt` or in a query first";
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
    out.advice = ParseAdvice(text, "");
    return out;
  }
  absl::StatusOr<logql::ExprPtr> expr = logql::ParseExpr(text);
  if (!expr.ok()) {
    out.error = MessageOf(expr.status());
    out.advice = ParseAdvice(text, out.error);
    if (const auto detail = logql::DetailOf(expr.status())) {
      out.line = detail->line;
      out.col = detail->col;
    }
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

int64_t LongestWindowReadInFull(const logql::Expr& expr) {
  return std::visit(logql::Overloaded{
                        [](const logql::RangeAggregation& e) {
                          return e.op == logql::RangeOp::kRateCounter ? e.log_range.range_ns : int64_t{0};
                        },
                        [](const logql::VectorAggregation& e) { return LongestWindowReadInFull(*e.inner); },
                        [](const logql::BinaryOp& e) {
                          return std::max(LongestWindowReadInFull(*e.lhs), LongestWindowReadInFull(*e.rhs));
                        },
                        [](const logql::LabelReplace& e) { return LongestWindowReadInFull(*e.inner); },
                        [](const auto&) { return int64_t{0}; },
                    },
                    expr.node);
}

}  // namespace skald::rules
