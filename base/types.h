// Ids and time ranges as types, so that mixing them fails to compile.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace skald {

// A stream = one tenant's distinct label set. Dense, given out by the label index, never reused.
enum class StreamId : uint32_t {};
// A segment file, given out in order of creation.
enum class SegmentId : uint64_t {};
// Position of a record in the write-ahead log: its ordinal since the data directory was made, from 1. 0 =
// before all.
enum class Lsn : uint64_t {};
// Sequence of a batch of one agent session, from 1.
enum class BatchSeq : uint64_t {};

template <typename Id>
constexpr auto Raw(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}

// Times are Unix nanoseconds in int64_t, named *_ns. Other units carry their own suffix.
inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;
inline constexpr int64_t kMinTimeNs = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kMaxTimeNs = std::numeric_limits<int64_t>::max();

// Half open: begin_ns <= t < end_ns.
struct TimeRange {
  int64_t begin_ns = kMinTimeNs;
  int64_t end_ns = kMaxTimeNs;

  bool Contains(int64_t t_ns) const { return t_ns >= begin_ns && t_ns < end_ns; }
  // [min_ns, max_ns], both inclusive.
  bool Overlaps(int64_t min_ns, int64_t max_ns) const { return min_ns < end_ns && max_ns >= begin_ns; }
  bool Covers(int64_t min_ns, int64_t max_ns) const { return min_ns >= begin_ns && max_ns < end_ns; }
};

}  // namespace skald
