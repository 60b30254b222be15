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
// hide makes everything of the tenant unknown; the time of lines that retention removed is read again.
//
// With a WindowStore, what is known survives the process, also one that is killed: Save writes spans whose
// time is over, and larger parts of the newest ones, at a bounded rate; a state comes back when it is first
// asked for. FORMAT.md describes what is written. Why it never counts what is not so:
//   - What the store has of a state was, when it was written, what the lines gave that could be read then:
//     with all batches up to its position's `applied`, some above it, none above `last`, without what the
//     deletes of hash `hidden` hide. For `applied` is looked up first, then what came late up to there is
//     taken out of the tiles, then they are encoded, then `last` is looked up. A tile that is taken out
//     leaves the store with the same write that moves the position on.
//   - So what can differ later is: batches above `applied`, lines that went, deletes. Batches above `applied`
//     are told to Publish between Open and Begin while the log has them. Before it forgets them, and before
//     lines go, the store is told of their times, on the disk (NoteLate, ExpectLoss); a note stays until all
//     states were written after that. A file that covers more than was noted was written by a program
//     without rules: it is noted by Begin. All such times are read again; of a tenant with another `hidden`
//     nothing is taken.
//   - Where more was lost (a log that ends below `last`, damage), nothing is taken at all.
// What cannot be decoded is read again.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/types.h"
#include "query/exec/metric/step_vector.h"
#include "query/exec/metric/window_grid.h"
#include "query/exec/plan/plan.h"
#include "query/exec/scan.h"
#include "query/exec/windows/rolling_codec.h"
#include "query/exec/windows/window_store.h"

namespace skald::exec {

class RollingState;  // of one read; rolling_state.h
class LateLog;       // rows that came to times that may be known already

// Thread-safe. Equal reads of one tenant share what is kept, whatever their windows' lengths are.
class RollingWindows {
 public:
  // max_bytes: of all that is kept. What does not fit is read anew each time. fold_bytes: of one read; below,
  // all its tiles are kept.
  explicit RollingWindows(int64_t max_bytes, int64_t fold_bytes = int64_t{1} << 20);
  ~RollingWindows();

  // What is kept is written to store, which outlives this, and comes from there. Before anything else: times
  // of rows that are published from now on are noted.
  void Open(WindowStore* store);
  // Once, after Open, when all rows that are there have come to Publish or stand in files, and before the
  // first Read. last: no batch is above it. lost: lines that were there may be gone.
  void Begin(const std::vector<LinesFile>& files, uint64_t last, bool lost);
  // Writes what has changed, so much at a time that it stays cheap; everything: all there is. applied: all
  // batches up to it were told to Publish before the call. last: answers a number that no batch that can be
  // read is above. Batches are numbered from 1 in order of their coming. On an error some is not written, and
  // will be. One thread at a time.
  absl::Status Save(uint64_t applied, const std::function<uint64_t()>& last, bool everything = false);

  // Whether this can be put together of tiles: one window, of at most so many tiles, of a function with
  // partial aggregates: all but count_distinct_over_time.
  static bool Fits(const ReadPlan& read, const WindowGrid& grid, int64_t interval_ns);

  // As ScanSamples, where Fits. interval_ns: the times that this is asked for are multiples of it plus a
  // constant. The tenant may be several, "a|b". Sums of fractions may differ from those of ScanSamples in
  // their last digits.
  absl::StatusOr<StepVector> Read(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                  int64_t interval_ns);

  // Rows of a stream of one tenant that readers see from now on; times inclusive. batch: that brought them.
  // Cheap; called for every batch.
  void Publish(std::string_view tenant, StreamId stream, const std::shared_ptr<const Labels>& labels,
               int64_t min_ns, int64_t max_ns, uint64_t batch);
  // Lines of the tenant are hidden from now on, or seen again. deletes: a name of what hides them, "" for
  // nothing.
  void Forget(std::string_view tenant, const std::string& deletes);
  // Lines of any tenant and stream will go; times inclusive. On an error they must stay.
  absl::Status ExpectLoss(int64_t min_ns, int64_t max_ns);
  // They went, or stay; after each ExpectLoss.
  void ForgetTimes(int64_t min_ns, int64_t max_ns);
  // Rows will not come to Publish before the next Begin any more, of batches of any number. applied: all up
  // to it were published before the call. On an error they must.
  absl::Status NoteLate(uint64_t applied);

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  size_t states() const;
  // In the store; written to it since the start; pieces of it that could not be read.
  int64_t saved_bytes() const { return saved_bytes_.load(std::memory_order_relaxed); }
  uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }
  uint64_t damaged() const { return damaged_->load(std::memory_order_relaxed); }

 private:
  // One tenant, or several that are read as one.
  struct Tenant {
    std::shared_ptr<LateLog> late;
    uint64_t generation = 0;                                      // counts Forget
    uint64_t hidden = 0;                                          // hash of the deletes' names
    uint64_t noted = 0;                                           // of `late`: entries before it
    std::map<std::string, std::shared_ptr<RollingState>> states;  // by what is read, tile width and phase
  };

  // mu_ is held.
  Tenant* FindOrAdd(const std::string& tenant);
  uint64_t HiddenOf(const std::string& tenant) const;  // mu_ is held
  // It leaves the store. mu_ is held, and nobody saves the state.
  void Drop(const RollingState& state);
  void ReadHeads(const WindowStore& store);
  // Adds a note and answers its key and value. mu_ is held.
  std::pair<std::string, std::string> AddNote(WindowNote what, bool told);
  absl::Status WriteNote(std::pair<std::string, std::string> note);
  absl::Status Clear(WindowStore* store);
  // Drops states that nobody has asked for of late. mu_ is held.
  void Sweep(int64_t now_ns);

  const int64_t max_bytes_;
  const int64_t fold_bytes_;
  std::atomic<int64_t> bytes_{0};
  mutable std::mutex mu_;
  std::map<std::string, Tenant, std::less<>> tenants_;             // guarded by mu_
  std::map<std::string, std::vector<Tenant*>, std::less<>> with_;  // by member; guarded by mu_
  int64_t swept_ns_ = 0;                                           // guarded by mu_
  std::map<std::string, std::string, std::less<>> deletes_;        // by tenant; guarded by mu_
  std::vector<std::string> dropped_;  // ids of states that leave the store; guarded by mu_
  // Rows of batches up to it are in all that is stored; guarded by mu_.
  uint64_t stored_batch_ = 0;

  std::atomic<WindowStore*> store_{nullptr};  // constant after Open
  std::atomic<int64_t> saved_bytes_{0};
  std::atomic<uint64_t> written_bytes_{0};
  const std::shared_ptr<std::atomic<uint64_t>> damaged_ = std::make_shared<std::atomic<uint64_t>>(0);
  // What the store has been told, by number.
  struct Note {
    WindowNote what;
    bool told = false;  // to the states there are
  };
  std::map<uint64_t, Note> notes_;  // guarded by mu_
  uint64_t round_ = 0;
};

}  // namespace skald::exec
