#include "query/exec/block_needs.h"

#include <algorithm>
#include <memory>

namespace skald::exec {

bool MayMatch(const std::vector<NeededText>& needed, const Block& block, const Selection& selection) {
  const auto tells = [](const NeededText& need) { return !need.grams.Trivial(); };
  if (std::none_of(needed.begin(), needed.end(), tells)) return true;
  const std::shared_ptr<const BlockSummary> summary = block.Summary();
  if (summary == nullptr) return true;
  return std::all_of(needed.begin(), needed.end(), [&](const NeededText& need) {
    if (need.grams.Trivial()) return true;
    if (!need.label.empty()) {
      if (summary->backslashes) return true;  // a line may write the value with them
      // What the stream has by that name may be meant.
      const bool of_stream = std::any_of(
          block.slices().begin(), block.slices().end(),
          [&](const Slice& slice) { return selection.streams[slice.stream].labels->Has(need.label); });
      if (of_stream) return true;
    }
    return summary->MayHold(need.grams);
  });
}

}  // namespace skald::exec
