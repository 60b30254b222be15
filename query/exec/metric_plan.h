// What a metric query reads, found out before anything is read: its range aggregations, each distinct one
// once.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "query/exec/engine.h"
#include "query/exec/sample_scan.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Immutable.
struct MetricPlan {
  logql::ExprPtr root;            // the query's tree, or what a pass has made of it
  std::vector<RangeLeaf> leaves;  // distinct
  absl::flat_hash_map<const logql::RangeAggregation*, uint32_t> leaf_of;  // every one of the tree -> leaves
  bool keeps_value_order =
      false;  // sort or sort_desc stands in it: an instant answer is not sorted by labels
};

// Errors: InvalidArgument and Internal with Loki's texts for what parses but does not run (aggregations of a
// literal, variants, approx_topk unless the limits allow it).
absl::StatusOr<MetricPlan> PlanMetricQuery(logql::ExprPtr root, const QueryLimits& limits);

}  // namespace skald::exec
