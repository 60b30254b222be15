// A log source without the lines that pending deletes hide. Blocks that no delete touches are given out as
// they are; of the others, rows, counts and times are those of what is left.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "storage/log_source.h"

namespace skald {

// Appends those of rows [begin, end), all of one stream, that a delete means, in ascending order. The rows
// have all their columns. Thread-safe. What such a filter says is not this room's business: it comes from the
// one who understands queries.
using RowFilter = std::function<void(const Labels& stream, const Rows& rows, uint32_t begin, uint32_t end,
                                     std::vector<uint32_t>* matched)>;

struct ActiveDelete {
  std::vector<Matcher> matchers;
  int64_t start_ns = 0;  // both inclusive
  int64_t end_ns = 0;
  RowFilter filter;  // none: every row of the streams in that time
};

// Thread-safe. A Select that begins after Set sees what was set.
class DeleteView final : public LogSource {
 public:
  // inner outlives it.
  explicit DeleteView(const LogSource* inner) : inner_(inner) {}

  // What Select decodes blocks with: more threads than the caller's own, and the memory it is paid from. Both
  // outlive the view and the blocks it gave out. Before the first Select.
  void Use(ThreadPool* pool, MemoryBudget* budget) {
    pool_ = pool;
    budget_ = budget;
  }

  // Called after each Set; given once, before others use the view.
  void OnSet(std::function<void(std::string_view tenant, const std::string& name)> call) {
    on_set_ = std::move(call);
  }

  // Replaces the tenant's deletes. name: sets of different deletes have different ones, also after a restart;
  // "" for none.
  void Set(std::string_view tenant, std::vector<ActiveDelete> deletes, const std::string& name = "");

  // Besides the inner source's errors those of reading a block that a delete may touch in part, and
  // ResourceExhausted where the budget has no more; a damaged block is given out as it is, so that its reader
  // finds out.
  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                   TimeRange range) const override;
  // Names and series go by streams, not by lines: they are the inner source's.
  absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant, const std::vector<Matcher>& matchers,
                                                TimeRange range) const override;
  absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers, TimeRange range,
                                                      int64_t idle_ns) const override;
  absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                      const std::vector<Matcher>& matchers,
                                                      TimeRange range) const override;
  absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                       const std::vector<Matcher>& matchers,
                                                       TimeRange range) const override;

  // Which rows of a stream deletes hide, for rows that come past a Select; empty where they hide none. The
  // rows have all their columns.
  std::vector<bool> Hidden(std::string_view tenant, const Labels& stream, const Rows& rows) const;

 private:
  using Deletes = std::shared_ptr<const std::vector<ActiveDelete>>;

  Deletes Of(std::string_view tenant) const;  // null: none

  const LogSource* const inner_;
  ThreadPool* pool_ = nullptr;
  MemoryBudget* budget_ = nullptr;
  std::function<void(std::string_view tenant, const std::string& name)> on_set_;
  mutable std::mutex mu_;
  absl::flat_hash_map<std::string, Deletes> by_tenant_;  // guarded by mu_
};

}  // namespace skald
