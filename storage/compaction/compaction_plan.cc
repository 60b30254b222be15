#include "storage/compaction/compaction_plan.h"

#include <algorithm>
#include <map>

namespace skald {

SegmentClass ClassOf(const SegmentInfo& info) {
  SegmentClass out;
  out.shard = info.shard;
  if (DayOf(info.min_ns) == DayOf(info.max_ns)) out.day = DayOf(info.min_ns);
  return out;
}

namespace {

// The end of the longest run from begin on whose largest segment has at most twice the bytes of the others;
// begin + 1 if there is none.
size_t EndOfRun(const std::vector<SegmentInfo>& members, size_t begin, const PlanOptions& options) {
  uint64_t bytes = 0;
  uint64_t largest = 0;
  size_t end = begin + 1;
  for (size_t i = begin; i < members.size() && i - begin < options.max_inputs; ++i) {
    bytes += members[i].bytes;
    if (bytes > options.max_input_bytes) break;
    largest = std::max(largest, members[i].bytes);
    if (largest <= 2 * (bytes - largest)) end = i + 1;
  }
  return end;
}

}  // namespace

std::vector<std::vector<SegmentInfo>> PlanMerges(const std::vector<SegmentInfo>& segments,
                                                 const std::function<bool(const SegmentClass&)>& closed,
                                                 const PlanOptions& options) {
  std::map<SegmentClass, std::vector<SegmentInfo>> classes;
  for (const SegmentInfo& info : segments) classes[ClassOf(info)].push_back(info);
  std::vector<std::vector<SegmentInfo>> out;
  for (auto& [which, members] : classes) {
    std::sort(members.begin(), members.end(), [](const SegmentInfo& a, const SegmentInfo& b) {
      return a.min_ns != b.min_ns ? a.min_ns < b.min_ns : a.id < b.id;
    });
    const bool is_closed = closed(which);
    for (size_t begin = 0; begin < members.size();) {
      const size_t end = EndOfRun(members, begin, options);
      const size_t count = end - begin;
      const bool worth =
          is_closed ? count >= 2 || members[begin].level == 0 : count >= options.inputs_while_open;
      if (!worth) {
        ++begin;
        continue;
      }
      std::vector<SegmentInfo> merge(members.begin() + static_cast<ptrdiff_t>(begin),
                                     members.begin() + static_cast<ptrdiff_t>(end));
      std::sort(merge.begin(), merge.end(),
                [](const SegmentInfo& a, const SegmentInfo& b) { return a.id < b.id; });
      out.push_back(std::move(merge));
      begin = end;
    }
  }
  return out;
}

}  // namespace skald
