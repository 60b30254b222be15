// Loki computes a grouped avg_over_time as a sum divided by a count, so that it can be spread over machines,
// and loses something on the way: the count knows nothing of the unwrap, its filters included. The answers
// show it, so it is done here too.
#pragma once

#include "query/logql/ast.h"

namespace skald::exec {

// avg_over_time(X | unwrap u | filters [r]) by (g), and one whose stages drop, keep or rename labels, becomes
//   sum by (g) (sum_over_time(X | unwrap u | filters [r])) / sum by (g) (count_over_time(X [r]))
// wherever it is evaluated on its own: not below a sum, min, max, avg or count that is spread over machines
// as a whole. Without a grouping, g is `without ()` on the left and `without (u)` on the right. Returns expr
// itself where there is nothing to do.
logql::ExprPtr SplitAverages(const logql::ExprPtr& expr);

}  // namespace skald::exec
