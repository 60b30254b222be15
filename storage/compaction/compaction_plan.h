// Which segments compaction merges next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "storage/index/label_index.h"

namespace skald {

// Segments that may be merged: of one shard, and with rows of one day, or all of those with rows of several.
struct SegmentClass {
  uint32_t shard = 0;
  std::optional<Day> day;

  friend auto operator<=>(const SegmentClass&, const SegmentClass&) = default;
};
SegmentClass ClassOf(const SegmentInfo& info);

struct PlanOptions {
  uint64_t max_input_bytes = uint64_t{512} << 20;  // of one merge
  size_t max_inputs = 32;
  // Segments of a class that is still written to are merged only when there are so many of about one size.
  size_t inputs_while_open = 8;
};

// Merges of segments of about the same size, so that no row is rewritten often: a segment joins others when
// it has at most twice their bytes. They are neighbours in time: a block that reached over what another
// segment holds would overlap all of it, and readers would have to look for repetitions in both. In a class
// that is closed two are enough, and one alone is rewritten when a flush wrote it. The inputs of each are in
// the order of their ids; no segment is in two.
std::vector<std::vector<SegmentInfo>> PlanMerges(const std::vector<SegmentInfo>& segments,
                                                 const std::function<bool(const SegmentClass&)>& closed,
                                                 const PlanOptions& options);

}  // namespace skald
