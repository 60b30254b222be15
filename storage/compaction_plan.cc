#include "storage/compaction_plan.h"

#include <algorithm>
#include <map>

namespace skald {

SegmentClass ClassOf(const SegmentInfo& info) {
  SegmentClass out;
  out.shard = info.shard;
  if (DayOf(info.min_ns) == DayOf(info.max_ns)) out.day = DayOf(info.min_ns);
  return out;
}

std::vector<std::vector<SegmentInfo>> PlanMerges(const std::vector<SegmentInfo>& segments,
                                                 const std::function<bool(const SegmentClass&)>& closed,
                                                 const PlanOptions& options) {
  std::map<SegmentClass, std::vector<SegmentInfo>> classes;
  for (const SegmentInfo& info : segments) classes[ClassOf(info)].push_back(info);
  std::vector<std::vector<SegmentInfo>> out;
  for (auto& [which, members] : classes) {
    std::sort(members.begin(), members.end(), [](const SegmentInfo& a, const SegmentInfo& b) {
      return a.bytes != b.bytes ? a.bytes < b.bytes : a.id < b.id;
    });
    const bool is_closed = closed(which);
    for (size_t begin = 0; begin < members.size();) {
      uint64_t bytes = members[begin].bytes;
      size_t end = begin + 1;
      while (end < members.size() && end - begin < options.max_inputs && members[end].bytes <= 2 * bytes &&
             bytes + members[end].bytes <= options.max_input_bytes) {
        bytes += members[end++].bytes;
      }
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
