// What rolling_windows.h keeps of one read. See there.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"
#include "query/exec/metric/range_function.h"
#include "query/exec/metric/sample_scan.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/plan.h"
#include "query/exec/windows/late_log.h"
#include "query/exec/windows/rolling_codec.h"
#include "query/exec/windows/rolling_parts.h"
#include "query/exec/windows/window_store.h"

namespace skald::exec {

// One thread at a time, under `mu`.
class RollingState {
 public:
  // Tile k holds the times (phase + (k - 1) * width, phase + k * width]. What takes more than fold_bytes is
  // folded.
  RollingState(WindowHead head, int64_t fold_bytes, std::shared_ptr<LateLog> late)
      : id_(WindowId(head.tenant, head.key)),
        head_(std::move(head)),
        width_ns_(head_.width_ns),
        phase_ns_(head_.phase_ns),
        fold_bytes_(fold_bytes),
        late_(std::move(late)) {}

  // What of the tenant's lines is hidden: the number changes with each change, the hash tells sets of deletes
  // apart.
  struct Hidden {
    uint64_t generation = 0;
    uint64_t hash = 0;
  };
  // The values of the tiles of the window that ends at the grid's end. Where it fails, what was read stays.
  absl::StatusOr<StepVector> Read(const QueryContext& context, const ReadPlan& read, const WindowGrid& grid,
                                  const Hidden& hidden);
  // About what is kept.
  int64_t bytes() const;

  // What a store has of it, to be read with the first Read; before that. changed: times, both inclusive, that
  // do not hold any more.
  struct Stored {
    const WindowStore* store = nullptr;
    WindowPosition position;
    std::vector<std::pair<int64_t, int64_t>> changed;
    std::shared_ptr<std::atomic<uint64_t>> damaged;  // counts what is thrown away
  };
  void SetStored(Stored stored) {
    saved_bytes_ = stored.position.bytes;
    stored_ = std::move(stored);
  }
  Stored* stored() { return stored_.has_value() ? &*stored_ : nullptr; }

  // What there is to be written so that the store has what is known, as far as max_bytes last, or all of it;
  // at least so that it has nothing that does not hold. It must be written, or Unsave called. applied and
  // last: as RollingWindows::Save has them. False where there is nothing to be said.
  bool Save(uint64_t applied, const std::function<uint64_t()>& last, int64_t max_bytes, bool everything,
            WindowStore::Change* change);
  void Unsave();
  int64_t saved_bytes() const { return saved_bytes_; }
  const std::string& id() const { return id_; }

  std::mutex mu;
  int64_t used_ns = 0;        // until when it is of use, monotonic; guarded by the owner's lock
  int64_t counted_bytes = 0;  // guarded by mu
  bool is_dropped = false;    // its owner has it no more; guarded by mu
  uint64_t saved_round = 0;   // guarded by the owner's lock

 private:
  using Part = RollingPart;
  using Tile = RollingTile;
  // Tiles (number * span_tiles_, (number + 1) * span_tiles_], 0-based here; or one for them all.
  struct Span {
    std::vector<Tile> tiles;  // empty: folded, or nothing known
    Tile folded;
    bool stays_fine = false;  // lines come late to it
    bool changed = false;     // it is not in the store as it is here
    bool stale = false;       // something in the store does not hold
  };
  struct Series {
    Labels labels;
    bool is_error = false;
  };

  static int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
  int64_t SpanOf(int64_t tile) const { return FloorDiv(tile - 1, span_tiles_); }
  int64_t FirstTile(int64_t span) const { return span * span_tiles_ + 1; }
  // Of the spans there are; excluded.
  int64_t BeginNs() const { return phase_ns_ + (FirstTile(spans_.begin()->first) - 1) * width_ns_; }

  void Reset();
  void Load();
  // Puts the span into the change, or takes it out of the store, where one of the two is due.
  void SaveSpan(int64_t number, Span* span, bool room, bool everything, WindowStore::Change* change);
  void NoteRange(int64_t tiles, int64_t last);
  void MarkLate();
  void MakeUnknown(int64_t first_tile, int64_t last_tile);
  void MakeTimeUnknown(int64_t min_ns, int64_t max_ns);  // both inclusive
  void Clear(Span* span, Tile* tile);
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

  const std::string id_;
  const WindowHead head_;
  const int64_t width_ns_;
  const int64_t phase_ns_;
  const int64_t fold_bytes_;
  const std::shared_ptr<LateLog> late_;
  Hidden hidden_;
  uint64_t cursor_ = 0;
  uint64_t seen_batch_ = 0;  // rows of batches up to it are in what was loaded
  std::vector<Matcher> matchers_;
  RangeKernel kernel_ = RangeKernel::kSum;
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

  std::optional<Stored> stored_;
  bool wipe_ = true;                  // whatever the store has does not count
  std::map<int64_t, int64_t> saved_;  // spans in the store -> bytes
  int64_t saved_bytes_ = 0;
};

}  // namespace skald::exec
