// | unwrap label: a label's value as the sample, and the filters behind it.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "query/exec/pipeline/label_filter.h"
#include "query/exec/pipeline/row_state.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Immutable and thread-safe.
class UnwrapStage {
 public:
  static absl::StatusOr<UnwrapStage> Make(const logql::Unwrap& unwrap);
  // For count_distinct_over_time: *value is made of the 64 bits of a hash of the label's value. Never fails.
  static UnwrapStage MakeHash(std::string label);

  // False where there is no sample: the label is missing or empty, or a filter drops it. A value that cannot
  // be read is 0, with SampleExtractionErr.
  bool Run(RowState* row, double* value) const;

  const std::string& label() const { return label_; }
  // A value as a sample's; false for one that cannot be read. Not after MakeHash.
  bool TryConvert(std::string_view text, double* value) const;
  const std::vector<LabelTest>& filters() const { return filters_; }

 private:
  UnwrapStage() = default;
  absl::Status Convert(std::string_view text, double* value) const;

  std::string label_;
  bool hash_ = false;
  logql::UnwrapConversion conversion_ = logql::UnwrapConversion::kNone;
  std::vector<LabelTest> filters_;
};

}  // namespace skald::exec
