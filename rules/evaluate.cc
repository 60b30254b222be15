#include "rules/evaluate.h"

#include <utility>
#include <variant>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::rules {

absl::StatusOr<Vector> EvaluateAt(const Engine& engine, const std::string& tenant, const logql::ExprPtr& expr,
                                  int64_t at_ns, KeptWindows kept, QueryStats* stats) {
  QueryParams params;
  params.tenant = tenant;
  params.instant = true;
  params.end_ns = at_ns;
  params.windows = kept.windows;
  params.interval_ns_of_windows = kept.interval_ns;
  QueryLimits limits;
  limits.max_query_series = 0;
  CancelToken cancel;
  ASSIGN_OR_RETURN(QueryResult result, engine.RunExpr(expr, params, limits, &cancel));
  if (stats != nullptr) *stats = result.stats;
  if (auto* vector = std::get_if<Vector>(&result.data)) return std::move(*vector);
  if (const auto* scalar = std::get_if<Scalar>(&result.data)) {
    Vector vector;
    vector.t_ms = scalar->t_ms;
    vector.samples.push_back(VectorSample{Labels(), scalar->value});
    return vector;
  }
  return InvalidArgument("rule result is not a vector or scalar");
}

}  // namespace skald::rules
