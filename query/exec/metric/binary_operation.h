// a + b, a > bool b, a and on (x) b, ...: operators between vectors, and between a vector and a number.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "query/exec/metric/step_vector.h"
#include "query/logql/ast.h"

namespace skald::exec {

// number op sample, or sample op number where number_is_left is false. Comparisons without bool keep the
// sample's own value.
StepVector ApplyNumber(const logql::BinaryOp& op, double number, bool number_is_left,
                       const StepVector& vector);

// steps: number of evaluation times. Internal, with Loki's text, where the signatures do not match as the
// cardinality wants.
absl::StatusOr<StepVector> ApplyVectors(const logql::BinaryOp& op, const StepVector& left,
                                        const StepVector& right, uint32_t steps);

// Series of equal labels made one, in the place of the first; points ascending by step.
void MergeEqualLabels(StepVector* vector);

}  // namespace skald::exec
