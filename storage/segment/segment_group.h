// A flush may write several segments, which count together or not at all. Their ids say so: a group is
// kMaxSegmentsPerFlush ids in a row, and its part 0 is written last, so that a crash leaves either a group
// with part 0, which is whole, or one without, which is not.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "storage/limits.h"

namespace skald {

constexpr SegmentId SegmentOfGroup(uint64_t group, uint32_t part) {
  return SegmentId{group * kMaxSegmentsPerFlush + part};
}
constexpr uint64_t GroupOf(SegmentId id) { return Raw(id) / kMaxSegmentsPerFlush; }
constexpr uint32_t PartOf(SegmentId id) { return static_cast<uint32_t>(Raw(id) % kMaxSegmentsPerFlush); }

}  // namespace skald
