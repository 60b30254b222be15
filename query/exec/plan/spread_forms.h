// Loki rewrites some aggregations so that it can spread them over machines, and the rewriting shows in the
// answers. So it is done here too, where everything is computed in one place.
#pragma once

#include "query/logql/ast.h"

namespace skald::exec {

// Range aggregations whose series may get equal labels on two machines (those with a grouping, and with
// stages that drop, keep or rename labels), wherever they are evaluated on their own: not below a sum, min,
// max, avg or count that is spread as a whole.
//
//   avg_over_time(X | unwrap u | filters [r]) by (g)
//     -> sum by (g) (sum_over_time(X | unwrap u | filters [r])) / sum by (g) (count_over_time(X [r]))
//   The count knows nothing of the unwrap, its filters included. Without a grouping, g is `without ()` on the
//   left and `without (u)` on the right.
//
//   rate(X | drop l [r])  ->  sum without () (rate(X | drop l [r])), and so for counts, bytes, sums, and with
//   max and min for max_over_time and min_over_time, by their own grouping if there is one. Labels with the
//   value "" are lost.
//
// Returns expr itself where there is nothing to do.
logql::ExprPtr ApplySpreadForms(const logql::ExprPtr& expr);

}  // namespace skald::exec
