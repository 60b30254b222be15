#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "query/exec/pipeline/label_filter.h"
#include "query/exec/pipeline/line_filter.h"
#include "query/exec/plan/passes.h"
#include "query/logql/printer.h"

namespace skald::exec {
namespace {

// The parts of a label's value that stand in the line as they are: where a line holds bytes that are no
// UTF-8, the value has spaces, or U+FFFD.
std::vector<std::string> PartsInLine(std::string_view value) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::vector<std::string> out;
  while (!value.empty()) {
    const size_t space = std::min(value.find(' '), value.size());
    const size_t rune = std::min(value.find(kReplacement), value.size());
    const size_t end = std::min(space, rune);
    if (end > 0) out.emplace_back(value.substr(0, end));
    if (end == value.size()) break;
    value.remove_prefix(end + (end == space ? 1 : kReplacement.size()));
  }
  return out;
}

// Appends the need unless it asks for nothing.
bool Append(NeededText need, std::vector<NeededText>* out) {
  if (need.any_of.empty()) return false;
  for (const TextParts& parts : need.any_of) {
    if (parts.all_of.empty()) return false;
    need.grams.AddAlternative(std::vector<std::string_view>(parts.all_of.begin(), parts.all_of.end()));
  }
  out->push_back(std::move(need));
  return true;
}

// What the equalities of label filters ask of the values that a parser takes out of the line.
void AppendOfStages(const std::vector<logql::Stage>& stages, std::vector<NeededText>* out) {
  for (const logql::Stage& stage : stages) {
    // Beyond a stage that makes texts of its own nothing is known.
    if (std::holds_alternative<logql::LineFormat>(stage) ||
        std::holds_alternative<logql::LabelFormat>(stage) ||
        std::holds_alternative<logql::Decolorize>(stage)) {
      return;
    }
    const auto* filter = std::get_if<logql::LabelFilter>(&stage);
    if (filter == nullptr) continue;
    const absl::StatusOr<LabelTest> test = LabelTest::Make(*filter);
    if (!test.ok()) return;  // an error of the query, once it is run
    std::vector<LabelTest::Wanted> all;
    test->AppendWanted(&all);
    for (const LabelTest::Wanted& wanted : all) {
      NeededText need;
      need.label = wanted.label;
      for (const std::string_view text : wanted.any_of) need.any_of.push_back({PartsInLine(text), false});
      Append(std::move(need), out);
    }
  }
}

}  // namespace

absl::Status FindNeededText(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    PipelinePlan& pipeline = plan->reads[i].pipeline;
    for (const logql::LineFilter& filter : pipeline.leading) {
      const absl::StatusOr<LineFilter> made = LineFilter::Make(filter);
      if (!made.ok()) continue;  // an error of the query, once it is run
      NeededText need;
      need.any_of = made->NeededTexts();
      if (!Append(std::move(need), &pipeline.needed_text)) continue;
      if (filter.op == logql::LineFilterOp::kContains) continue;
      plan->notes.push_back({{},
                             fmt::format("read {}: {} needs the text {}", i, logql::PrintStage(filter),
                                         Shown(pipeline.needed_text.back()))});
    }
    AppendOfStages(pipeline.stages, &pipeline.needed_text);
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
