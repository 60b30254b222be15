#include <fmt/format.h>

#include "query/exec/plan/passes.h"
#include "query/logql/printer.h"
#include "query/logql/regex_simplify.h"

namespace skald::exec {
namespace {

using logql::Stage;
using Names = std::vector<std::string>;

bool IsParser(const Stage& stage) {
  return std::holds_alternative<logql::JsonParser>(stage) ||
         std::holds_alternative<logql::LogfmtParser>(stage) ||
         std::holds_alternative<logql::RegexpParser>(stage) ||
         std::holds_alternative<logql::PatternParser>(stage) || std::holds_alternative<logql::Unpack>(stage);
}

// |= "" and |~ ".*": alone, so that nothing else in the filter can be wrong.
bool KeepsEveryLine(const Stage& stage) {
  const auto* filter = std::get_if<logql::LineFilter>(&stage);
  if (filter == nullptr || filter->operands.size() != 1 || filter->operands[0].is_ip) return false;
  if (filter->op == logql::LineFilterOp::kContains) return filter->operands[0].text.empty();
  if (filter->op != logql::LineFilterOp::kRegex) return false;
  const auto test = logql::SimplifyRegex(filter->operands[0].text);
  return test.has_value() && test->kind == logql::RegexTest::Kind::kAlways;
}

void Erase(size_t at, std::vector<Stage>* stages, Names* gone) {
  gone->push_back(logql::PrintStage((*stages)[at]));
  stages->erase(stages->begin() + static_cast<std::ptrdiff_t>(at));
}

void DropIdleLineFormats(std::vector<Stage>* stages, Names* gone) {
  bool line_is_read = false;
  for (size_t i = stages->size(); i-- > 0;) {
    const Stage& stage = (*stages)[i];
    if (IsParser(stage) || std::holds_alternative<logql::LineFilter>(stage)) {
      line_is_read = true;
    } else if (std::holds_alternative<logql::LineFormat>(stage) && !line_is_read) {
      Erase(i, stages, gone);
    }
  }
}

void DropIdleFilters(std::vector<Stage>* stages, Names* gone) {
  for (size_t i = stages->size(); i-- > 0;) {
    if (KeepsEveryLine((*stages)[i])) Erase(i, stages, gone);
  }
}

}  // namespace

absl::Status DropIdleStages(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    PipelinePlan& pipeline = plan->reads[i].pipeline;
    Names gone;
    // Bytes are counted of the line as it is formatted. A filter counts as a reader here, whatever it keeps.
    if (pipeline.kind != SampleKind::kNone && pipeline.kind != SampleKind::kBytes) {
      DropIdleLineFormats(&pipeline.stages, &gone);
    }
    DropIdleFilters(&pipeline.stages, &gone);
    for (const std::string& stage : gone) {
      plan->notes.push_back({{}, fmt::format("read {}: without {}, which changes nothing", i, stage)});
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
