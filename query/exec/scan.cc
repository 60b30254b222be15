#include "query/exec/scan.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "query/exec/plan/plan.h"
#include "query/exec/query_limiter.h"

namespace skald::exec {

uint32_t WorkerCount(const QueryContext& context, size_t tasks) {
  return static_cast<uint32_t>(
      std::clamp<size_t>(tasks, 1, static_cast<size_t>(std::max(1, context.pool->size()))));
}

absl::StatusOr<Selection> SelectData(const QueryContext& context, const ReadPlan& read, TimeRange range,
                                     Direction direction) {
  const int64_t begin_ns = MonotonicNs();
  ASSIGN_OR_RETURN(Selection selection,
                   context.source->Select(context.tenant, read.selector.matchers, range));
  context.stats->select_ns += MonotonicNs() - begin_ns;
  if (context.limiter != nullptr) RETURN_IF_ERROR(context.limiter->LimitBytes(range, direction, &selection));
  context.stats->streams_matched += selection.streams.size();
  context.stats->blocks_total += selection.blocks.size();
  return selection;
}

std::vector<uint32_t> BlocksByTime(const Selection& selection, Direction direction) {
  std::vector<uint32_t> order(selection.blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t x, uint32_t y) {
    const Block& a = *selection.blocks[x];
    const Block& b = *selection.blocks[y];
    return direction == Direction::kBackward ? a.max_ns() > b.max_ns() : a.min_ns() < b.min_ns();
  });
  return order;
}

absl::Status RunTasks(const QueryContext& context, uint32_t workers, size_t tasks,
                      const std::function<absl::Status(uint32_t worker, size_t task)>& work, bool reads) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mu;
  absl::Status first_error;
  context.pool->ParallelFor(static_cast<int>(workers), [&](int worker) {
    while (!failed.load(std::memory_order_relaxed)) {
      const size_t task = next.fetch_add(1);
      if (task >= tasks) return;
      if (reads && context.limiter != nullptr && context.limiter->TimeIsUp()) {
        failed.store(true, std::memory_order_relaxed);
        return;
      }
      absl::Status status = context.cancel->Check();
      if (status.ok()) status = work(static_cast<uint32_t>(worker), task);
      if (status.ok()) continue;
      failed.store(true, std::memory_order_relaxed);
      if (reads && context.limiter != nullptr && context.limiter->Forgives(status)) return;
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

absl::StatusOr<const Rows*> BlockReader::Read(const Block& block, ColumnSet want, ReadStats* stats) {
  bytes_ = std::max(bytes_, static_cast<int64_t>(block.text_bytes() * 3 / 2));
  ASSIGN_OR_RETURN(rows_, block.Read(want, &scratch_, stats));
  return rows_;
}

absl::StatusOr<const Rows*> BlockReader::Complete(const Block& block, ColumnSet had, ColumnSet want,
                                                  ReadStats* stats) {
  ColumnSet missing;
  missing.times = want.times && !had.times;
  missing.lines = want.lines && !had.lines;
  missing.metadata = want.metadata && !had.metadata;
  // A block's own rows are complete.
  if (rows_ != &scratch_ || !(missing.times || missing.lines || missing.metadata)) return rows_;
  ReadStats again;
  ASSIGN_OR_RETURN(const Rows* more, block.Read(missing, &more_, &again));
  stats->stored_bytes += again.stored_bytes;  // the block and its lines are counted already
  if (more != &more_) return rows_ = more;
  if (missing.times) std::swap(scratch_.time_ns, more_.time_ns);
  if (missing.lines) {
    std::swap(scratch_.line_end, more_.line_end);
    std::swap(scratch_.text, more_.text);
  }
  if (missing.metadata) std::swap(scratch_.metadata, more_.metadata);
  return rows_;
}

uint64_t MetadataBytes(const Rows& rows) {
  uint64_t bytes = 0;
  for (const MetadataColumn& column : rows.metadata) {
    bytes += column.value_bytes.size() + column.index.size() * sizeof(uint32_t);
  }
  return bytes;
}

}  // namespace skald::exec
