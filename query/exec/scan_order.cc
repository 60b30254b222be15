#include "query/exec/scan_order.h"

#include <algorithm>
#include <compare>
#include <numeric>
#include <utility>

#include "query/exec/scan.h"

namespace skald::exec {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// Sets of streams that overlapping blocks connect.
class StreamSets {
 public:
  explicit StreamSets(size_t streams) : parent_(streams) { std::iota(parent_.begin(), parent_.end(), 0); }

  // Any stream of the set, the same for all of them.
  uint32_t Find(uint32_t stream) {
    while (parent_[stream] != stream) stream = parent_[stream] = parent_[parent_[stream]];
    return stream;
  }
  void Join(uint32_t x, uint32_t y) { parent_[Find(x)] = Find(y); }

 private:
  std::vector<uint32_t> parent_;
};

// A stream whose slice in the block overlaps others; kNone if there is none.
uint32_t OverlappingStream(const Block& block) {
  for (const Slice& slice : block.slices()) {
    if (slice.overlaps) return slice.stream;
  }
  return kNone;
}

}  // namespace

ScanTasks ScanTasksOf(const Selection& selection, bool needs_order) {
  ScanTasks tasks;
  if (!needs_order) {
    tasks.blocks.resize(selection.blocks.size());
    std::iota(tasks.blocks.begin(), tasks.blocks.end(), 0);
    tasks.begin.resize(tasks.blocks.size() + 1);
    std::iota(tasks.begin.begin(), tasks.begin.end(), 0);
    return tasks;
  }
  tasks.blocks = BlocksByTime(selection, Direction::kForward);
  StreamSets sets(selection.streams.size());
  for (const auto& block : selection.blocks) {
    const uint32_t first = OverlappingStream(*block);
    for (const Slice& slice : block->slices()) {
      if (slice.overlaps) sets.Join(first, slice.stream);
    }
  }
  std::vector<uint32_t> number_of(selection.streams.size(), kNone);
  std::vector<std::pair<uint32_t, uint32_t>> placed;  // task, block
  uint32_t count = 0;
  for (const uint32_t block : tasks.blocks) {
    const uint32_t stream = OverlappingStream(*selection.blocks[block]);
    if (stream == kNone) {
      placed.emplace_back(count++, block);
      continue;
    }
    uint32_t& number = number_of[sets.Find(stream)];
    if (number == kNone) number = count++;
    placed.emplace_back(number, block);
  }
  std::sort(placed.begin(), placed.end());
  for (uint32_t i = 0; i < placed.size(); ++i) {
    if (placed[i].first == tasks.begin.size()) tasks.begin.push_back(i);
    tasks.blocks[i] = placed[i].second;
  }
  tasks.begin.push_back(static_cast<uint32_t>(placed.size()));
  return tasks;
}

std::vector<std::vector<uint32_t>> SliceOrder(const Selection& selection) {
  struct Place {
    uint32_t stream;
    uint32_t block;
    uint32_t slice;
    auto operator<=>(const Place&) const = default;
  };
  std::vector<Place> places;
  std::vector<std::vector<uint32_t>> order(selection.blocks.size());
  for (uint32_t b = 0; b < selection.blocks.size(); ++b) {
    const std::vector<Slice>& slices = selection.blocks[b]->slices();
    order[b].resize(slices.size());
    for (uint32_t s = 0; s < slices.size(); ++s) places.push_back(Place{slices[s].stream, b, s});
  }
  std::sort(places.begin(), places.end());
  for (uint32_t i = 0; i < places.size(); ++i) order[places[i].block][places[i].slice] = i;
  return order;
}

}  // namespace skald::exec
