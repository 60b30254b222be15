// Values of range aggregations at evaluation times that have passed, kept so that a question that is asked
// again, by a dashboard that refreshes, reads only what is new.
//
// What is kept is the vector of one range aggregation (with the grouping pushed into it) at the times phase +
// k * step, in chunks of 64 of them; what is computed of it, sums of sums, ratios, topk, is computed anew. So
// two panels that share a range aggregation share what is kept. The newest seconds, for which lines are still
// on their way, are read each time.
//
// A kept value is what reading would give: lines that arrive in its window, of a stream its selector accepts,
// take it away, as do deletes (of the tenant) and lines that retention removes (in their time). What arrives
// while a query reads keeps its result from being kept.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/matcher.h"
#include "base/memory_budget.h"
#include "base/types.h"
#include "query/exec/metric/step_vector.h"
#include "query/exec/metric/window_grid.h"
#include "query/exec/plan/plan.h"
#include "query/exec/scan.h"

namespace skald::exec {

struct ResultCacheStats {
  uint64_t found_steps = 0;    // evaluation times that were answered by what was kept
  uint64_t read_steps = 0;     // that were not
  uint64_t dropped_steps = 0;  // taken away by lines, deletes, retention
  uint64_t evicted_chunks = 0;
  int64_t bytes = 0;
};

// Thread-safe.
class ResultCache {
 public:
  // Keeps at most max_bytes, which are taken from *budget as they are needed; budget and clock outlive it.
  ResultCache(int64_t max_bytes, MemoryBudget* budget, const Clock* clock);
  ~ResultCache();
  ResultCache(const ResultCache&) = delete;
  ResultCache& operator=(const ResultCache&) = delete;

  // As ScanSamples, for the windows of a range query.
  absl::StatusOr<StepVector> Read(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid);

  // Rows of a stream that readers see from now on; times inclusive. Cheap; called for every batch, before it
  // is acknowledged.
  void Publish(std::string_view tenant, const Labels& labels, int64_t min_ns, int64_t max_ns);
  // Lines of the tenant are hidden from now on, or seen again.
  void Forget(std::string_view tenant);
  // Lines of any tenant between these times, both inclusive, are gone.
  void ForgetTimes(int64_t min_ns, int64_t max_ns);
  // Others need memory: lets go of so many bytes, those first that were asked for longest ago.
  void GiveBack(int64_t bytes);

  ResultCacheStats Stats() const;

 private:
  static constexpr int64_t kChunkSteps = 64;

  struct Entry;
  // Steps [number * 64, number * 64 + 64), of which those in `known` are known. values may hold others too.
  struct Chunk {
    uint64_t known = 0;
    std::shared_ptr<const StepVector> values;  // steps 0 to 63
    int64_t bytes = 0;
    std::list<std::pair<Entry*, int64_t>>::iterator used;  // into lru_
  };
  struct Tenant;
  struct Pending;
  struct Request;
  // A chunk with what was read.
  struct Update {
    int64_t number = 0;
    uint64_t added = 0;
    uint64_t base_known = 0;  // steps of the chunk as it was found that stay
    std::shared_ptr<const StepVector> base;
    std::shared_ptr<const StepVector> values;
    int64_t bytes = 0;
  };

  void Find(Request* request, Pending* pending);
  void Keep(const Request& request, const StepVector& vector, Pending* pending, QueryStats* stats);
  // With mu_ held.
  // labels: of the stream that has lines there now; null: all streams.
  void DropTimes(Tenant* tenant, const Labels* labels, int64_t min_ns, int64_t max_ns);
  void DropSteps(Entry* entry, const Labels* labels, int64_t min_ns, int64_t max_ns);
  std::map<int64_t, Chunk>::iterator Erase(Entry* entry, std::map<int64_t, Chunk>::iterator chunk);
  void EvictTo(int64_t bytes);
  void DropIfEmpty(Entry* entry);
  void Unregister(Pending* pending);

  const int64_t max_bytes_;
  MemoryBudget* const budget_;
  const Clock* const clock_;

  mutable std::mutex mu_;
  std::map<std::string, std::unique_ptr<Tenant>, std::less<>> tenants_;  // guarded by mu_
  std::list<std::pair<Entry*, int64_t>> lru_;                            // guarded by mu_; newest first
  ResultCacheStats stats_;                                               // guarded by mu_
};

}  // namespace skald::exec
