#include <fmt/format.h>

#include "query/exec/plan/passes.h"
#include "query/logql/printer.h"

namespace skald::exec {
namespace {

// Equal for reads that give the same series.
std::string KeyOf(const ReadPlan& read) {
  logql::Expr expr;
  expr.node = *read.range;
  std::string key = fmt::format("{} {}", static_cast<int>(read.pipeline.grouping.kind), logql::Print(expr));
  for (const std::string& label : read.pipeline.grouping.labels) key += fmt::format("\n{}", label);
  return key;
}

}  // namespace

absl::Status MergeReads(Plan* plan, const QueryLimits&) {
  if (plan->is_log_query || plan->reads.size() < 2) return absl::OkStatus();
  absl::flat_hash_map<std::string, uint32_t> known;
  std::vector<ReadPlan> distinct;
  std::vector<uint32_t> moved;  // old number -> new number
  for (ReadPlan& read : plan->reads) {
    const auto [it, added] = known.try_emplace(KeyOf(read), static_cast<uint32_t>(distinct.size()));
    moved.push_back(it->second);
    if (added) distinct.push_back(std::move(read));
  }
  if (distinct.size() < plan->reads.size()) {
    plan->notes.push_back(
        {{}, fmt::format("{} range aggregations share {} reads", plan->reads.size(), distinct.size())});
  }
  plan->reads = std::move(distinct);
  for (auto& [range, read] : plan->read_of) read = moved[read];
  return absl::OkStatus();
}

}  // namespace skald::exec
