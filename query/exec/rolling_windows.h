// Partial aggregates of range aggregations that are asked for again and again at regular times, as rules do:
// each line is read when it arrives, and a window is put together from what is kept.
//
// Time is cut into tiles between the possible edges of the windows. A tile keeps, for each series, one Cell;
// for rate_counter a CounterRun, for quantile_over_time the values. Tiles are grouped into spans of about the
// square root of a window's tiles; where a state is large, spans that no window edge cuts are folded into
// one, and read again when an edge comes to them: so a line of a long window is read when it arrives and at
// most once more for each length of window, never with each evaluation.
//
// What lines come late to, and repetitions of lines, make their tile unknown: it is read again. What deletes
// hide makes everything of the tenant unknown.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/types.h"
#include "query/exec/plan/plan.h"
#include "query/exec/scan.h"
#include "query/exec/step_vector.h"
#include "query/exec/window_grid.h"

namespace skald::exec {

class RollingState;  // of one read; rolling_windows.cc
class LateLog;       // rows that came to times that may be known already

// Thread-safe. Equal reads of one tenant share what is kept, whatever their windows' lengths are.
class RollingWindows {
 public:
  // max_bytes: of all that is kept. What does not fit is read anew each time. fold_bytes: of one read; below,
  // all its tiles are kept.
  explicit RollingWindows(int64_t max_bytes, int64_t fold_bytes = int64_t{1} << 20);
  ~RollingWindows();

  // Whether this can be put together of tiles: one window, of at most so many tiles, of a function with
  // partial aggregates: all but count_distinct_over_time.
  static bool Fits(const ReadPlan& read, const WindowGrid& grid, int64_t interval_ns);

  // As ScanSamples, where Fits. interval_ns: the times that this is asked for are multiples of it plus a
  // constant. The tenant may be several, "a|b". Sums of fractions may differ from those of ScanSamples in
  // their last digits.
  absl::StatusOr<StepVector> Read(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                  int64_t interval_ns);

  // Rows of a stream of one tenant that readers see from now on; times inclusive. Cheap; called for every
  // batch.
  void Publish(std::string_view tenant, StreamId stream, const std::shared_ptr<const Labels>& labels,
               int64_t min_ns, int64_t max_ns);
  // Lines of the tenant are hidden from now on, or seen again.
  void Forget(std::string_view tenant);

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  size_t states() const;

 private:
  // One tenant, or several that are read as one.
  struct Tenant {
    std::shared_ptr<LateLog> late;
    uint64_t generation = 0;                                      // counts Forget
    std::map<std::string, std::shared_ptr<RollingState>> states;  // by what is read, tile width and phase
  };

  // mu_ is held.
  Tenant* FindOrAdd(const std::string& tenant);
  // Drops states that nobody has asked for of late. mu_ is held.
  void Sweep(int64_t now_ns);

  const int64_t max_bytes_;
  const int64_t fold_bytes_;
  std::atomic<int64_t> bytes_{0};
  mutable std::mutex mu_;
  std::map<std::string, Tenant, std::less<>> tenants_;             // guarded by mu_
  std::map<std::string, std::vector<Tenant*>, std::less<>> with_;  // by member; guarded by mu_
  int64_t swept_ns_ = 0;                                           // guarded by mu_
};

}  // namespace skald::exec
