#include "query/exec/scan.h"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace skald::exec {

uint32_t WorkerCount(const QueryContext& context, size_t tasks) {
  return static_cast<uint32_t>(
      std::clamp<size_t>(tasks, 1, static_cast<size_t>(std::max(1, context.pool->size()))));
}

absl::Status RunTasks(const QueryContext& context, uint32_t workers, size_t tasks,
                      const std::function<absl::Status(uint32_t worker, size_t task)>& work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mu;
  absl::Status first_error;
  context.pool->ParallelFor(static_cast<int>(workers), [&](int worker) {
    while (!failed.load(std::memory_order_relaxed)) {
      const size_t task = next.fetch_add(1);
      if (task >= tasks) return;
      absl::Status status = context.cancel->Check();
      if (status.ok()) status = work(static_cast<uint32_t>(worker), task);
      if (status.ok()) continue;
      failed.store(true, std::memory_order_relaxed);
      std::lock_guard lock(mu);
      if (first_error.ok()) first_error = std::move(status);
    }
  });
  return first_error;
}

std::pair<uint32_t, uint32_t> RowsInRange(const Rows& rows, const Slice& slice, TimeRange range) {
  if (range.Covers(slice.min_ns, slice.max_ns)) return {slice.row_begin, slice.row_end};
  const auto first = rows.time_ns.begin() + slice.row_begin;
  const auto last = rows.time_ns.begin() + slice.row_end;
  const auto begin = std::lower_bound(first, last, range.begin_ns);
  const auto end = std::lower_bound(begin, last, range.end_ns);
  return {static_cast<uint32_t>(begin - rows.time_ns.begin()),
          static_cast<uint32_t>(end - rows.time_ns.begin())};
}

uint64_t MetadataBytes(const Rows& rows) {
  uint64_t bytes = 0;
  for (const MetadataColumn& column : rows.metadata) {
    bytes += column.value_bytes.size() + column.index.size() * sizeof(uint32_t);
  }
  return bytes;
}

}  // namespace skald::exec
