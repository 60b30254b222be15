// Writes a syntax tree as LogQL. The one-line form parses back to a tree that prints the same, save for what
// Loki's own form loses: a label name with a non-ASCII letter (printed in quotes inside matchers), vector()
// beyond six decimals, a bytes threshold beyond two digits, NaN, infinite and negative zero literals, ranges
// below a millisecond, and group_left without labels before a parenthesis (which is then read as its labels).
// The pretty form also loses the parentheses of nested operators; it is for people to read.
#pragma once

#include <string>

#include "query/logql/ast.h"

namespace skald::logql {

// One line: `sum by (app)(rate({a="b"} |= "x"[5m]))`. What Loki's errors, statistics and logs call the query.
std::string Print(const Expr& expr);
std::string PrintLogSelector(const LogSelectorExpr& expr);
std::string PrintSelector(const Selector& selector);  // {a="b", c!="d"}
std::string PrintMatcher(const Matcher& matcher);     // a="b"
std::string PrintLogRange(const LogRangeExpr& range);
// With its leading bar: `| json app="x"`, `|= "x"`, `| ( a==1 or b==2 )`.
std::string PrintStage(const Stage& stage);
// Without the bar.
std::string PrintLabelFilter(const LabelFilter& filter);

// What /loki/api/v1/format_query answers: broken over lines where the one-line form exceeds 100 bytes.
std::string Pretty(const Expr& expr);

}  // namespace skald::logql
