// sum by (app) (...), topk(3, ...), sort(...): aggregations over the series of a vector, at each evaluation
// time apart.
#pragma once

#include <cstdint>

#include "query/exec/metric/step_vector.h"
#include "query/logql/ast.h"

namespace skald::exec {

// steps: number of evaluation times. Groups and ties come in the order of the input's series. sort and
// sort_desc order the series of a single evaluation time and leave longer vectors as they are.
StepVector AggregateVector(const logql::VectorAggregation& aggregation, const StepVector& input,
                           uint32_t steps);

// The labels of a sample's group: of `by` those that it has, of `without` all but the listed ones and
// __name__, less empty ones.
Labels GroupLabels(const std::optional<logql::Grouping>& grouping, const Labels& labels);

// Whether each series of input is a group of its own with just its labels, and so the answer of the
// aggregation as it is. For input whose labels are distinct.
bool IsIdentity(const logql::VectorAggregation& aggregation, const StepVector& input);

}  // namespace skald::exec
