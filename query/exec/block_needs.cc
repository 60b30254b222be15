#include "query/exec/block_needs.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <variant>

namespace skald::exec {
namespace {

// The parts of a label's value that stand in the line as they are: where a line holds bytes that are no
// UTF-8, the value has spaces, or U+FFFD.
std::vector<std::string_view> PartsInLine(std::string_view value) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::vector<std::string_view> out;
  while (!value.empty()) {
    const size_t space = std::min(value.find(' '), value.size());
    const size_t rune = std::min(value.find(kReplacement), value.size());
    const size_t end = std::min(space, rune);
    if (end > 0) out.push_back(value.substr(0, end));
    if (end == value.size()) break;
    value.remove_prefix(end + (end == space ? 1 : kReplacement.size()));
  }
  return out;
}

}  // namespace

BlockNeeds::BlockNeeds(const CompiledPipeline& compiled) {
  for (const LineFilter& filter : compiled.leading.filters()) {
    Need need;
    need.grams = filter.Need();
    if (!need.grams.Trivial()) needs_.push_back(std::move(need));
  }
  AddStages(compiled);
}

void BlockNeeds::AddStages(const CompiledPipeline& compiled) {
  for (const CompiledStage& stage : compiled.stages) {
    // Beyond a stage that makes texts of its own nothing is known.
    if (std::holds_alternative<LineFormatStage>(stage) || std::holds_alternative<LabelFormatStage>(stage) ||
        std::holds_alternative<DecolorizeStage>(stage)) {
      return;
    }
    const auto* test = std::get_if<LabelTest>(&stage);
    if (test == nullptr) continue;
    std::vector<LabelTest::Wanted> all;
    test->AppendWanted(&all);
    for (const LabelTest::Wanted& wanted : all) {
      Need need;
      need.label = wanted.label;
      need.escapes = true;
      for (const std::string_view text : wanted.any_of) need.grams.AddAlternative(PartsInLine(text));
      if (!need.grams.Trivial()) needs_.push_back(std::move(need));
    }
  }
}

bool BlockNeeds::MayMatch(const Block& block, const Selection& selection) const {
  if (needs_.empty()) return true;
  const std::shared_ptr<const BlockSummary> summary = block.Summary();
  if (summary == nullptr) return true;
  return std::all_of(needs_.begin(), needs_.end(), [&](const Need& need) {
    if (need.escapes && summary->backslashes) return true;
    if (!need.label.empty() &&
        std::any_of(block.slices().begin(), block.slices().end(), [&](const Slice& slice) {
          return selection.streams[slice.stream].labels->Has(need.label);
        })) {
      return true;
    }
    return summary->MayHold(need.grams);
  });
}

}  // namespace skald::exec
