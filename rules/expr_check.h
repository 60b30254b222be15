// Whether a rule's expression can be run, found out before it ever is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "query/logql/ast.h"

namespace skald::rules {

struct ExprCheck {
  logql::ExprPtr expr;  // null where error is not empty
  std::string error;    // what is wrong
  std::string advice;   // what to write instead
  int line = 0;         // of the error inside the expression, 1-based; 0 = not known
  int col = 0;
};

// Parses, plans and compiles each stage. A log query is refused: a rule needs numbers.
ExprCheck CheckExpr(std::string_view text);

// Of the windows whose values are all kept between evaluations (quantile_over_time), the longest; 0 = none.
int64_t LongestWindowOfValues(const logql::Expr& expr);

}  // namespace skald::rules
