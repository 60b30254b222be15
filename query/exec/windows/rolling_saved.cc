// What of a rolling state goes to the store, and comes back.
#include <algorithm>

#include "base/types.h"
#include "query/exec/windows/rolling_state.h"

namespace skald::exec {
namespace {

// Lines come late to the newest time, mostly: it is not written before it is so old.
constexpr int64_t kSettledNs = int64_t{30} * kNsPerSecond;
// A span that time has not ended yet is written when so large a part of it is new.
constexpr int64_t kPartsOfSpan = 8;

}  // namespace

void RollingState::Load() {
  const WindowPosition& position = stored_->position;
  span_tiles_ = position.span_tiles;
  ranges_ = position.ranges;
  known_until_ns_ = position.known_until_ns;
  seen_batch_ = position.applied;
  cursor_ = 0;
  wipe_ = false;
  saved_bytes_ = 0;
  const absl::Status status = stored_->store->Scan(
      SpanKey(id_, 0).substr(0, 1 + id_.size()), [&](std::string_view key, std::string_view value) {
        const int64_t number = SpanOfKey(key);
        saved_[number] = static_cast<int64_t>(value.size());
        saved_bytes_ += static_cast<int64_t>(value.size());
        SavedSpan saved;
        if (!DecodeSpan(value, kernel_, &saved) ||
            static_cast<int64_t>(saved.tiles.size()) != (saved.folded ? 1 : span_tiles_)) {
          stored_->damaged->fetch_add(1);
          return;
        }
        std::vector<uint32_t> numbers;
        numbers.reserve(saved.series.size());
        for (const auto& [labels, is_error] : saved.series) numbers.push_back(SeriesNumber(labels, is_error));
        Span& span = spans_[number];
        if (!saved.folded) span.tiles.resize(saved.tiles.size());
        for (size_t i = 0; i < saved.tiles.size(); ++i) {
          if (!saved.tiles[i].known) continue;
          Tile* const tile = saved.folded ? &span.folded : &span.tiles[i];
          for (Part& part : saved.tiles[i].parts) part.series = numbers[part.series];
          SetParts(tile, std::move(saved.tiles[i].parts));
          tile->known = true;
          tile->saved = true;
        }
      });
  if (!status.ok()) {
    stored_->damaged->fetch_add(1);
    Reset();
    return;
  }
  for (const auto& [min_ns, max_ns] : stored_->changed) MakeTimeUnknown(min_ns, max_ns);
}

bool RollingState::Save(uint64_t applied, const std::function<uint64_t()>& last, int64_t max_bytes,
                        bool everything, WindowStore::Change* change) {
  if (stored_.has_value() || spans_.empty() || is_dropped) return false;
  MarkLate();
  if (wipe_) {
    change->prefixes.push_back(SpanKey(id_, 0).substr(0, 1 + id_.size()));
    change->puts.emplace_back(std::string(1, kHeadKey) + id_, EncodeHead(head_));
    saved_.clear();
    saved_bytes_ = 0;
    for (auto& [number, span] : spans_) {
      span.changed = true;
      span.stale = false;
      for (Tile& tile : span.tiles) tile.saved = false;
      span.folded.saved = false;
    }
    wipe_ = false;
  }
  for (auto it = saved_.begin(); it != saved_.end();) {
    if (spans_.contains(it->first)) {
      ++it;
      continue;
    }
    change->deletes.push_back(SpanKey(id_, it->first));
    saved_bytes_ -= it->second;
    it = saved_.erase(it);
  }
  int64_t room = max_bytes;
  for (auto& [number, span] : spans_) {
    if (!span.changed) continue;
    const int64_t before = saved_bytes_;
    SaveSpan(number, &span, room > 0, everything, change);
    room -= std::max<int64_t>(saved_bytes_ - before, 0);
  }
  WindowPosition position;
  position.applied = applied;
  position.last = last();
  position.hidden = hidden_.hash;
  position.span_tiles = span_tiles_;
  position.known_until_ns = known_until_ns_;
  position.bytes = saved_bytes_;
  position.ranges = ranges_;
  change->puts.emplace_back(std::string(1, kPositionKey) + id_, EncodePosition(position));
  return true;
}

void RollingState::SaveSpan(int64_t number, Span* span, bool room, bool everything,
                            WindowStore::Change* change) {
  const int64_t base = FirstTile(number);
  // All tiles up to this one are old enough.
  const int64_t settled =
      everything ? FirstTile(number + 1) : FloorDiv(known_until_ns_ - kSettledNs - phase_ns_, width_ns_);
  std::vector<const Tile*> taken;
  int64_t fresh = 0;
  bool complete = true;
  bool left = false;
  if (span->tiles.empty()) {
    taken.push_back(span->folded.known ? &span->folded : nullptr);
    fresh = span->folded.known && !span->folded.saved ? span_tiles_ : 0;
  } else {
    for (size_t i = 0; i < span->tiles.size(); ++i) {
      const Tile& tile = span->tiles[i];
      const bool takes = tile.known && (tile.saved || base + static_cast<int64_t>(i) <= settled);
      complete = complete && takes;
      left = left || (tile.known && !takes);
      if (takes && !tile.saved) ++fresh;
      taken.push_back(takes ? &tile : nullptr);
    }
  }
  const bool due = fresh > 0 && (everything || complete || fresh * kPartsOfSpan >= span_tiles_);
  if (!due && !span->stale) return;
  const auto it = saved_.find(number);
  if (it != saved_.end()) {
    saved_bytes_ -= it->second;
    saved_.erase(it);
  }
  const bool any = std::any_of(taken.begin(), taken.end(), [](const Tile* tile) { return tile != nullptr; });
  const bool puts = room && any;
  for (Tile& tile : span->tiles) tile.saved = false;
  span->folded.saved = false;
  if (puts) {
    change->puts.emplace_back(SpanKey(id_, number),
                              EncodeSpan(kernel_, span->tiles.empty(), taken, [this](uint32_t series) {
                                return std::pair(&series_[series].labels, series_[series].is_error);
                              }));
    const auto bytes = static_cast<int64_t>(change->puts.back().second.size());
    saved_[number] = bytes;
    saved_bytes_ += bytes;
    for (const Tile* tile : taken) {
      if (tile != nullptr) const_cast<Tile*>(tile)->saved = true;
    }
  } else {
    change->deletes.push_back(SpanKey(id_, number));
  }
  span->stale = false;
  span->changed = any && (!puts || left);
}

void RollingState::Unsave() { wipe_ = true; }

}  // namespace skald::exec
