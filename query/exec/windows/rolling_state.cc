#include "query/exec/windows/rolling_state.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "base/status_macros.h"

namespace skald::exec {
namespace {

constexpr size_t kMaxMatches = 100'000;
// Windows of more tiles are read span by span at first.
constexpr int64_t kManyTiles = 4'096;
// A window's length that was not asked for during so many tiles beyond the longest window counts no more.
constexpr int64_t kForgetRanges = 1'024;

}  // namespace

void RollingPart::Append(RangeKernel kernel, const RollingPart& next) {
  if (kernel == RangeKernel::kValues) {
    if (values == nullptr) values = std::make_unique<ValueBag>();
    values->Append(*next.values);
  } else if (kernel == RangeKernel::kSamples) {
    if (run == nullptr) run = std::make_unique<CounterRun>();
    run->Append(*next.run);
  } else if (cell.count == 0) {
    cell = next.cell;
  } else {
    Combine(kernel, &cell, next.cell);
  }
}

int64_t RollingPart::heap_bytes() const {
  return (values == nullptr ? 0 : values->bytes()) +
         (run == nullptr ? 0 : static_cast<int64_t>(sizeof(CounterRun)));
}

absl::StatusOr<StepVector> RollingState::Read(const QueryContext& context, const ReadPlan& read,
                                              const WindowGrid& grid, const Hidden& hidden) {
  const int64_t last = FloorDiv(grid.window_end_ns(0) - phase_ns_, width_ns_);
  const int64_t first = last - grid.range_ns() / width_ns_ + 1;
  // In this order: what is seen by nobody yet when the lines are read is noted afterwards.
  late_->Cover(grid.window_end_ns(0));
  matchers_ = read.selector.matchers;
  kernel_ = read.kernel;
  if (stored_.has_value()) {
    if (stored_->position.hidden == hidden.hash) {
      hidden_ = hidden;
      Load();
    }
    stored_.reset();
  }
  if (hidden.generation != hidden_.generation || spans_.empty()) {
    Reset();
    hidden_ = hidden;
    cursor_ = late_->end();
  }
  NoteRange(last - first + 1, last);
  MarkLate();
  RETURN_IF_ERROR(FillWindow(context, read, first, last));
  ASSIGN_OR_RETURN(StepVector out, Total(read, first, last, grid.range_ns()));
  DropBefore(last - ranges_.rbegin()->first + 1);
  Fold(last, read.kernel);
  return out;
}

int64_t RollingState::bytes() const {
  return parts_ * static_cast<int64_t>(sizeof(Part)) + heap_bytes_ + label_bytes_ +
         static_cast<int64_t>(spans_.size() * sizeof(Span) + matches_.size() * 24);
}

void RollingState::Reset() {
  spans_.clear();
  wipe_ = true;
  known_until_ns_ = kMinTimeNs;
  series_of_.clear();
  series_.clear();
  matches_.clear();
  parts_ = 0;
  heap_bytes_ = 0;
  label_bytes_ = 0;
}

void RollingState::NoteRange(int64_t tiles, int64_t last) {
  const bool longest = ranges_.empty() || tiles > ranges_.rbegin()->first;
  ranges_[tiles] = last;
  const int64_t longest_tiles = ranges_.rbegin()->first;
  std::erase_if(ranges_,
                [&](const auto& item) { return last - item.second > longest_tiles + kForgetRanges; });
  if (!longest) return;
  const auto wanted = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(longest_tiles))));
  if (wanted <= 2 * span_tiles_ && !spans_.empty()) return;
  span_tiles_ = std::max<int64_t>(wanted, 1);
  Reset();
}

void RollingState::MarkLate() {
  std::vector<LateLog::Entry> entries;
  const int64_t after_ns = spans_.empty() ? kMaxTimeNs : BeginNs();
  if (!late_->Take(&cursor_, after_ns, known_until_ns_, seen_batch_, &entries)) {
    Reset();
    return;
  }
  for (const LateLog::Entry& entry : entries) {
    if (entry.labels != nullptr) {
      if (matches_.size() > kMaxMatches) matches_.clear();
      const auto [it, added] = matches_.try_emplace(entry.stream, false);
      if (added) it->second = late_->Matches(matchers_, entry);
      if (!it->second) continue;
    }
    MakeTimeUnknown(entry.min_ns, entry.max_ns);
  }
}

void RollingState::MakeTimeUnknown(int64_t min_ns, int64_t max_ns) {
  if (spans_.empty()) return;
  const auto tile_of = [&](int64_t t_ns) { return FloorDiv(t_ns - 1 - phase_ns_, width_ns_) + 1; };
  MakeUnknown(tile_of(std::max(min_ns, BeginNs() + 1)), tile_of(std::min(max_ns, known_until_ns_)));
}

void RollingState::MakeUnknown(int64_t first_tile, int64_t last_tile) {
  for (auto it = spans_.lower_bound(SpanOf(first_tile)); it != spans_.end() && it->first <= SpanOf(last_tile);
       ++it) {
    Span& span = it->second;
    if (span.folded.known) {
      Clear(&span, &span.folded);
      span.stays_fine = true;
    }
    if (span.tiles.empty()) continue;
    const int64_t base = FirstTile(it->first);
    for (int64_t tile = std::max(first_tile, base); tile <= std::min(last_tile, base + span_tiles_ - 1);
         ++tile) {
      Clear(&span, &span.tiles[static_cast<size_t>(tile - base)]);
    }
  }
}

void RollingState::Clear(Span* span, Tile* tile) {
  SetParts(tile, {});
  tile->known = false;
  if (!tile->saved) return;
  tile->saved = false;
  span->stale = true;
  span->changed = true;
}

// Whether some window's left edge lies in the span, or the span reaches beyond what is known.
bool RollingState::IsCut(int64_t span, int64_t last) const {
  const int64_t begin = FirstTile(span);
  const int64_t end = begin + span_tiles_ - 1;
  if (end > last) return true;
  for (const auto& [tiles, asked] : ranges_) {
    const int64_t first = last - tiles + 1;
    if (first > begin && first <= end) return true;
  }
  return false;
}

absl::Status RollingState::FillWindow(const QueryContext& context, const ReadPlan& read, int64_t first,
                                      int64_t last) {
  const bool many = last - first + 1 > kManyTiles;
  // Runs of tiles that are not known, and of whole spans.
  int64_t tile_run = 0;
  int64_t tile_count = 0;
  int64_t span_run = 0;
  int64_t span_count = 0;
  const auto fill_tiles = [&]() -> absl::Status {
    if (tile_count == 0) return absl::OkStatus();
    const int64_t from = tile_run;
    const auto count = static_cast<uint32_t>(std::exchange(tile_count, 0));
    return Fill(context, read, from, 1, count, [&, from](uint32_t i) {
      const int64_t tile = from + i;
      const int64_t span = SpanOf(tile);
      spans_[span].changed = true;
      return &spans_[span].tiles[static_cast<size_t>(tile - FirstTile(span))];
    });
  };
  const auto fill_spans = [&]() -> absl::Status {
    if (span_count == 0) return absl::OkStatus();
    const int64_t from = span_run;
    const auto count = static_cast<uint32_t>(std::exchange(span_count, 0));
    return Fill(context, read, FirstTile(from), span_tiles_, count, [&, from](uint32_t i) {
      spans_[from + i].changed = true;
      return &spans_[from + i].folded;
    });
  };
  for (int64_t number = SpanOf(first); number <= SpanOf(last); ++number) {
    Span& span = spans_[number];
    const int64_t base = FirstTile(number);
    const bool whole = first <= base && base + span_tiles_ - 1 <= last;
    if (whole && span.folded.known) {
      RETURN_IF_ERROR(fill_spans());
      RETURN_IF_ERROR(fill_tiles());
      continue;
    }
    if (whole && many && span.tiles.empty() && !span.stays_fine && !IsCut(number, last)) {
      if (span_count == 0) span_run = number;
      ++span_count;
      RETURN_IF_ERROR(fill_tiles());
      continue;
    }
    RETURN_IF_ERROR(fill_spans());
    if (span.tiles.empty()) {
      span.tiles.resize(static_cast<size_t>(span_tiles_));
      Clear(&span, &span.folded);
    }
    for (int64_t tile = std::max(first, base); tile <= std::min(last, base + span_tiles_ - 1); ++tile) {
      if (span.tiles[static_cast<size_t>(tile - base)].known) {
        RETURN_IF_ERROR(fill_tiles());
        continue;
      }
      if (tile_count == 0) tile_run = tile;
      ++tile_count;
    }
  }
  RETURN_IF_ERROR(fill_spans());
  RETURN_IF_ERROR(fill_tiles());
  known_until_ns_ = std::max(known_until_ns_, phase_ns_ + last * width_ns_);
  return absl::OkStatus();
}

absl::Status RollingState::Fill(const QueryContext& context, const ReadPlan& read, int64_t first_tile,
                                int64_t tiles_each, uint32_t count,
                                const std::function<Tile*(uint32_t)>& where) {
  // Windows that lie end to end: the tiles themselves.
  const int64_t step_ns = width_ns_ * tiles_each;
  const int64_t first_end_ns = phase_ns_ + (first_tile - 1) * width_ns_ + step_ns;
  const WindowGrid grid(first_end_ns, step_ns, count, step_ns, 0);
  ASSIGN_OR_RETURN(std::vector<CollectedSeries> collected, CollectSamples(context, read, grid, &pipeline_));
  std::vector<std::vector<Part>> parts(count);
  // Windows of one length lie end to end: the i-th is the one bucket 2 * i + 1.
  const auto tile_of = [](uint32_t bucket) { return (bucket - 1) / 2; };
  for (CollectedSeries& series : collected) {
    const uint32_t number = SeriesNumber(series.labels, series.is_error);
    const auto part_of = [&](uint32_t tile) -> Part* {
      if (parts[tile].empty() || parts[tile].back().series != number)
        parts[tile].emplace_back().series = number;
      return &parts[tile].back();
    };
    for (const Cell& cell : series.samples.cells()) part_of(tile_of(cell.bucket))->cell = cell;
    series.samples.TakeValues([&](uint32_t bucket, std::vector<double> values) {
      part_of(tile_of(bucket))->values = std::make_unique<ValueBag>(std::move(values));
    });
    for (const TimedValue& sample : series.samples.TakeSamples()) {
      Part* const part = part_of(tile_of(grid.Find(sample.time_ns).id));
      if (part->run == nullptr) part->run = std::make_unique<CounterRun>();
      part->run->Add(sample);
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    Tile* tile = where(i);
    SetParts(tile, std::move(parts[i]));
    tile->known = true;
    tile->saved = false;
  }
  return absl::OkStatus();
}

absl::StatusOr<StepVector> RollingState::Total(const ReadPlan& read, int64_t first, int64_t last,
                                               int64_t range_ns) {
  std::vector<Part> totals(series_.size());
  const auto add = [&](const Tile& tile) {
    for (const Part& part : tile.parts) totals[part.series].Append(read.kernel, part);
  };
  for (auto it = spans_.lower_bound(SpanOf(first)); it != spans_.end() && it->first <= SpanOf(last); ++it) {
    const int64_t base = FirstTile(it->first);
    if (it->second.folded.known && first <= base && base + span_tiles_ - 1 <= last) {
      add(it->second.folded);
      continue;
    }
    for (int64_t tile = std::max(first, base); tile <= std::min(last, base + span_tiles_ - 1); ++tile) {
      add(it->second.tiles[static_cast<size_t>(tile - base)]);
    }
  }
  const double range_seconds = static_cast<double>(range_ns) / 1e9;
  StepVector out;
  for (const auto& [key, number] : series_of_) {  // sorted by labels
    Part& total = totals[number];
    if (total.empty()) continue;
    if (key.second) return PipelineError(key.first);
    const double value = total.values != nullptr ? total.values->Quantile(read.range->parameter.value_or(0))
                         : total.run != nullptr  ? CounterRate(*total.run, range_seconds)
                                                 : ValueOf(read.range->op, total.cell, range_seconds);
    out.push_back(StepSeries{key.first, {StepValue{0, value}}});
  }
  if (read.range->op == logql::RangeOp::kAbsentOverTime) return AbsentOf(*read.range, out, 1);
  return out;
}

void RollingState::Fold(int64_t last, RangeKernel kernel) {
  if (bytes() < fold_bytes_) return;
  // Late lines mostly belong to the newest spans: those stay as they are.
  const int64_t newest = SpanOf(last) - 2;
  for (auto& [number, span] : spans_) {
    if (number >= newest) break;
    if (span.tiles.empty() || span.stays_fine || IsCut(number, last) || IsCut(number, last + span_tiles_))
      continue;
    if (!std::all_of(span.tiles.begin(), span.tiles.end(), [](const Tile& tile) { return tile.known; }))
      continue;
    std::map<uint32_t, Part> folded;
    for (Tile& tile : span.tiles) {
      for (const Part& part : tile.parts) {
        const auto [it, added] = folded.try_emplace(part.series);
        it->second.series = part.series;
        it->second.Append(kernel, part);
      }
      Clear(&span, &tile);
    }
    std::vector<Part> parts;
    parts.reserve(folded.size());
    for (auto& [series, part] : folded) {
      if (part.values != nullptr) part.values->Shrink();
      parts.push_back(std::move(part));
    }
    SetParts(&span.folded, std::move(parts));
    span.folded.known = true;
    span.changed = true;
    span.tiles = std::vector<Tile>();
  }
}

void RollingState::DropBefore(int64_t tile) {
  bool dropped = false;
  while (!spans_.empty() && FirstTile(spans_.begin()->first + 1) <= tile) {
    Span& span = spans_.begin()->second;
    for (Tile& old : span.tiles) SetParts(&old, {});
    SetParts(&span.folded, {});
    spans_.erase(spans_.begin());
    dropped = true;
  }
  if (dropped) DropUnusedSeries();
}

void RollingState::SetParts(Tile* tile, std::vector<Part> parts) {
  const auto heap_of = [](const std::vector<Part>& all) {
    int64_t n = 0;
    for (const Part& part : all) n += part.heap_bytes();
    return n;
  };
  parts_ += static_cast<int64_t>(parts.size()) - static_cast<int64_t>(tile->parts.size());
  heap_bytes_ += heap_of(parts) - heap_of(tile->parts);
  tile->parts = std::move(parts);
}

void RollingState::DropUnusedSeries() {
  std::vector<bool> used(series_.size());
  const auto visit = [this](const auto& with) {
    for (auto& [number, span] : spans_) {
      for (Tile& tile : span.tiles) {
        for (Part& part : tile.parts) with(&part);
      }
      for (Part& part : span.folded.parts) with(&part);
    }
  };
  visit([&](Part* part) { used[part->series] = true; });
  if (2 * std::count(used.begin(), used.end(), true) >= static_cast<ptrdiff_t>(series_.size())) return;
  std::vector<uint32_t> place(series_.size());
  std::vector<Series> kept;
  series_of_.clear();
  label_bytes_ = 0;
  for (size_t i = 0; i < series_.size(); ++i) {
    if (!used[i]) continue;
    place[i] = static_cast<uint32_t>(kept.size());
    label_bytes_ += 2 * static_cast<int64_t>(series_[i].labels.ToString().size()) + 128;
    series_of_[{series_[i].labels, series_[i].is_error}] = place[i];
    kept.push_back(std::move(series_[i]));
  }
  series_ = std::move(kept);
  visit([&](Part* part) { part->series = place[part->series]; });
}

uint32_t RollingState::SeriesNumber(const Labels& labels, bool is_error) {
  const auto [it, added] = series_of_.try_emplace({labels, is_error}, static_cast<uint32_t>(series_.size()));
  if (added) {
    series_.push_back(Series{labels, is_error});
    label_bytes_ += 2 * static_cast<int64_t>(labels.ToString().size()) + 128;
  }
  return it->second;
}

}  // namespace skald::exec
