// Label filters, as stages and after an unwrap.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "query/logql/ast.h"
#include "query/logql/token_stream.h"

namespace skald::logql {

class LabelFilterParser : public TokenStream {
 public:
  using TokenStream::TokenStream;

 protected:
  // At an identifier or "(". `and` binds tighter than `or`; a comma, or nothing, takes all that follows as
  // its right side.
  absl::StatusOr<LabelFilter> ParseLabelFilter();
  // The error for anything that cannot begin a label filter, where nothing else may stand.
  absl::Status CheckFilterStart() const;

 private:
  absl::StatusOr<LabelFilter> ParseOrFilter();
  absl::StatusOr<LabelFilter> ParseAndFilter();
  LabelFilter And(LabelFilter left, LabelFilter right, AndToken token_used, size_t first) const;
  // A comparison or a filter in parentheses, and where a comma or another one follows, all the rest.
  absl::StatusOr<LabelFilter> ParseFilterOperand();
  absl::Status CountFilterOperator();
  absl::StatusOr<LabelFilter> ParseComparison();
  absl::StatusOr<decltype(LabelFilter::node)> ParseComparedValue(std::string name, CompareOp op,
                                                                 bool may_be_ip);

  int operators_ = 0;  // of the filter that is being read
};

}  // namespace skald::logql
