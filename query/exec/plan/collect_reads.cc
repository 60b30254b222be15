#include "query/exec/plan/passes.h"
#include "query/exec/plan/walk.h"

namespace skald::exec {
namespace {

SampleKind KindOf(const logql::RangeAggregation& range) {
  if (!range.counted_label.empty()) return SampleKind::kDistinct;
  if (range.log_range.unwrap.has_value()) return SampleKind::kUnwrap;
  const bool bytes = range.op == logql::RangeOp::kBytesOverTime || range.op == logql::RangeOp::kBytesRate;
  return bytes ? SampleKind::kBytes : SampleKind::kOne;
}

ReadPlan ReadOf(const logql::LogSelectorExpr& log) {
  ReadPlan read;
  read.selector = log.selector;
  read.pipeline.stages = log.stages;
  return read;
}

}  // namespace

absl::Status CollectReads(Plan* plan, const QueryLimits&) {
  if (plan->is_log_query) {
    plan->reads.push_back(ReadOf(std::get<logql::LogSelectorExpr>(plan->root->node)));
    return absl::OkStatus();
  }
  WalkExpr(*plan->root, nullptr, [&](const logql::Expr& expr, const logql::Expr* parent) {
    const auto* range = std::get_if<logql::RangeAggregation>(&expr.node);
    if (range == nullptr) return;
    ReadPlan read = ReadOf(range->log_range.source);
    read.range = range;
    if (parent != nullptr) read.parent = std::get_if<logql::VectorAggregation>(&parent->node);
    read.pipeline.unwrap = range->log_range.unwrap;
    if (!range->counted_label.empty()) read.pipeline.unwrap.emplace().label = range->counted_label;
    read.pipeline.kind = KindOf(*range);
    read.kernel = KernelOf(range->op, range->log_range.unwrap.has_value());
    plan->read_of.emplace(range, static_cast<uint32_t>(plan->reads.size()));
    plan->reads.push_back(std::move(read));
  });
  return absl::OkStatus();
}

}  // namespace skald::exec
