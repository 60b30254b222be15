// | drop and | keep.
#pragma once

#include <vector>

#include "query/exec/pipeline/row_state.h"
#include "query/logql/ast.h"

namespace skald::exec {

// Deletes labels by name, or where a matcher (anchored; "" for a missing label) takes their value. The error
// and its details are each deleted by their own name alone. Immutable and thread-safe.
class DropStage {
 public:
  explicit DropStage(const logql::Drop& drop) : items_(drop.items) {}
  void Run(RowState* row) const;

 private:
  std::vector<logql::NameOrMatcher> items_;
};

// Deletes all labels but those; errors always stay. Immutable and thread-safe.
class KeepStage {
 public:
  explicit KeepStage(const logql::Keep& keep) : items_(keep.items) {}
  void Run(RowState* row) const;

 private:
  std::vector<logql::NameOrMatcher> items_;
};

}  // namespace skald::exec
