// What rolling_windows.h keeps of one read. See there.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"
#include "query/exec/pipeline.h"
#include "query/exec/plan/plan.h"
#include "query/exec/range_function.h"
#include "query/exec/sample_scan.h"
#include "query/exec/value_bag.h"

namespace skald::exec {

// Rows of a tenant that came to times that some state may know already, in order of arrival. Thread-safe.
class LateLog {
 public:
  struct Entry {
    uint64_t stream = 0;  // of all tenants that are listened to
    std::shared_ptr<const Labels> labels;
    int64_t min_ns = 0;
    int64_t max_ns = 0;
  };

  // several: of more than one tenant.
  explicit LateLog(bool several) : several_(several) {}

  // From now on rows up to this time are noted.
  void Cover(int64_t until_ns);
  void Add(std::string_view tenant, StreamId stream, const std::shared_ptr<const Labels>& labels,
           int64_t min_ns, int64_t max_ns);
  uint64_t end() const;
  // Those of the entries from *cursor on, which then is the end, that reach into (after_ns, until_ns]; false
  // where some entries are not kept any more.
  bool Take(uint64_t* cursor, int64_t after_ns, int64_t until_ns, std::vector<Entry>* out) const;
  // Whether the entry may be of these streams. Of several tenants matchers on the label that names the tenant
  // are not asked: a row too many costs another look, one too few would be missing.
  bool Matches(const std::vector<Matcher>& matchers, const Entry& entry) const;

 private:
  const bool several_;
  mutable std::mutex mu_;
  int64_t covered_ns_ = kMinTimeNs;  // guarded by mu_
  std::deque<Entry> entries_;        // guarded by mu_
  uint64_t begin_ = 0;               // number of the first entry; guarded by mu_
};

// One thread at a time, under `mu`.
class RollingState {
 public:
  // Tile k holds the times (phase + (k - 1) * width, phase + k * width]. What takes more than fold_bytes is
  // folded.
  RollingState(int64_t width_ns, int64_t phase_ns, int64_t fold_bytes, std::shared_ptr<LateLog> late,
               uint64_t generation)
      : width_ns_(width_ns),
        phase_ns_(phase_ns),
        fold_bytes_(fold_bytes),
        late_(std::move(late)),
        generation_(generation) {}

  // The values of the tiles of the window that ends at the grid's end. Where it fails, what was read stays.
  absl::StatusOr<StepVector> Read(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                  uint64_t generation);
  // About what is kept.
  int64_t bytes() const;

  std::mutex mu;
  int64_t used_ns = 0;        // until when it is of use, monotonic; guarded by the owner's lock
  int64_t counted_bytes = 0;  // guarded by mu
  bool is_dropped = false;    // its owner has it no more; guarded by mu

 private:
  // What a tile has of one series: a cell, or what stands in its place.
  struct Part {
    uint32_t series = 0;
    Cell cell;
    std::unique_ptr<ValueBag> values;  // for RangeKernel::kValues
    std::unique_ptr<CounterRun> run;   // for RangeKernel::kSamples

    bool empty() const { return cell.count == 0 && values == nullptr && run == nullptr; }
    // next is of later tiles.
    void Append(RangeKernel kernel, const Part& next);
    int64_t heap_bytes() const;
  };
  struct Tile {
    bool known = false;
    std::vector<Part> parts;
  };
  // Tiles (number * span_tiles_, (number + 1) * span_tiles_], 0-based here; or one for them all.
  struct Span {
    std::vector<Tile> tiles;  // empty: folded, or nothing known
    Tile folded;
    bool stays_fine = false;  // lines come late to it
  };
  struct Series {
    Labels labels;
    bool is_error = false;
  };

  static int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
  int64_t SpanOf(int64_t tile) const { return FloorDiv(tile - 1, span_tiles_); }
  int64_t FirstTile(int64_t span) const { return span * span_tiles_ + 1; }

  void Reset();
  void NoteRange(int64_t tiles, int64_t last);
  void MarkLate(const ReadPlan& read);
  void MakeUnknown(int64_t first_tile, int64_t last_tile);
  bool IsCut(int64_t span, int64_t last) const;
  // Reads `count` runs of `tiles_each` tiles, the first beginning with first_tile, into where(i).
  absl::Status Fill(const QueryContext& context, const ReadPlan& read, int64_t first_tile, int64_t tiles_each,
                    uint32_t count, const std::function<Tile*(uint32_t)>& where);
  absl::Status FillWindow(const QueryContext& context, const ReadPlan& read, int64_t first, int64_t last);
  absl::StatusOr<StepVector> Total(const ReadPlan& read, int64_t first, int64_t last, int64_t range_ns);
  void Fold(int64_t last, RangeKernel kernel);
  void DropBefore(int64_t tile);
  void SetParts(Tile* tile, std::vector<Part> parts);
  void DropUnusedSeries();
  uint32_t SeriesNumber(const Labels& labels, bool is_error);

  const int64_t width_ns_;
  const int64_t phase_ns_;
  const int64_t fold_bytes_;
  const std::shared_ptr<LateLog> late_;
  uint64_t generation_;
  uint64_t cursor_ = 0;
  std::shared_ptr<const Pipeline> pipeline_;

  int64_t span_tiles_ = 1;
  int64_t known_until_ns_ = kMinTimeNs;
  std::map<int64_t, int64_t> ranges_;  // tiles of a window -> last tile when it was asked for
  std::map<int64_t, Span> spans_;
  std::map<std::pair<Labels, bool>, uint32_t> series_of_;
  std::vector<Series> series_;
  absl::flat_hash_map<uint64_t, bool> matches_;  // by stream
  int64_t parts_ = 0;
  int64_t heap_bytes_ = 0;  // of the parts
  int64_t label_bytes_ = 0;
};

}  // namespace skald::exec
