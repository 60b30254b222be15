#include <fmt/format.h>

#include "query/exec/plan/passes.h"
#include "query/exec/plan/spread_forms.h"
#include "query/logql/printer.h"

namespace skald::exec {

absl::Status UseSpreadForms(Plan* plan, const QueryLimits&) {
  logql::ExprPtr changed = ApplySpreadForms(plan->root);
  if (changed == plan->root) return absl::OkStatus();
  plan->root = std::move(changed);
  plan->notes.push_back({{}, fmt::format("computed as {}", logql::Print(*plan->root))});
  return absl::OkStatus();
}

}  // namespace skald::exec
