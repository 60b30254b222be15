// What a stage does to the rest of a pipeline, told from how it is written.
#pragma once

#include "query/logql/ast.h"

namespace skald::exec {

struct StageTraits {
  bool reads_line = false;   // looks at the line, or makes another one
  bool reads_times = false;  // asks for the row's time
  // May set an error on the row, or reads labels that it does not name.
  bool can_fail = false;
};

// Of a stage with mistakes in it (a template that cannot be read) anything may be said: it never runs.
StageTraits TraitsOf(const logql::Stage& stage);

}  // namespace skald::exec
