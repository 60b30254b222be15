// Which blocks of a selection may be read side by side, and how their rows stand to one another.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/log_source.h"

namespace skald::exec {

// Task t is of blocks[begin[t]] to blocks[begin[t + 1] - 1], one after the other.
struct ScanTasks {
  std::vector<uint32_t> blocks;  // each of the selection's once
  std::vector<uint32_t> begin;

  size_t size() const { return begin.size() - 1; }
};

// Each block is a task of its own, as they stand in the selection: sorting would cost more than counting from
// their summaries, and files are read from their beginning on. Where needs_order, those that may hold
// repetitions of one another's rows are one task, in order of arrival (of equal rows the one that came first
// must stand, and with it its place), and tasks are in order of time.
ScanTasks ScanTasksOf(const Selection& selection, bool needs_order);

// For each slice of each block, where it stands among those that hold rows of one time: by stream, and within
// a stream as the rows came.
std::vector<std::vector<uint32_t>> SliceOrder(const Selection& selection);

}  // namespace skald::exec
