#include "query/exec/metric/result_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "base/status_macros.h"
#include "query/exec/labels_index.h"
#include "query/exec/metric/sample_scan.h"
#include "query/exec/pipeline/read_key.h"
#include "query/exec/query_limiter.h"

namespace skald::exec {
namespace {

// Windows that end later than this before now are read each time: lines of them are still on their way.
constexpr int64_t kOpenNs = 10 * kNsPerSecond;
// Gaps of more pieces are read as one.
constexpr size_t kMaxRuns = 8;
constexpr size_t kMaxSpoiled = 64;

using Wide = __int128;

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// A template may look at the clock: what it gave is not what it will give.
bool AsksTheClock(std::string_view key) {
  if (key.find("_format") == std::string_view::npos) return false;
  for (const std::string_view word : {"now", "ago", "date"}) {
    if (key.find(word) != std::string_view::npos) return true;
  }
  return false;
}

// Bits [first, last] of a chunk whose first step is base, of absolute steps.
uint64_t MaskOf(int64_t base, int64_t chunk_steps, int64_t first, int64_t last) {
  first = std::max(first - base, int64_t{0});
  last = std::min(last - base, chunk_steps - 1);
  if (first > last) return 0;
  const uint64_t up_to_last = last == 63 ? ~uint64_t{0} : (uint64_t{1} << (last + 1)) - 1;
  return up_to_last & ~((uint64_t{1} << first) - 1);
}

int64_t BytesOf(const Labels& labels) {
  int64_t bytes = 0;
  for (const auto& [name, value] : labels) {
    bytes += static_cast<int64_t>(sizeof(Labels::Pair) + (name.size() > 15 ? name.size() + 16 : 0) +
                                  (value.size() > 15 ? value.size() + 16 : 0));
  }
  return bytes;
}

int64_t BytesOf(const StepVector& vector) {
  auto bytes = static_cast<int64_t>(sizeof(StepVector) + vector.capacity() * sizeof(StepSeries));
  for (const StepSeries& series : vector) {
    bytes += BytesOf(series.labels) + 32 + static_cast<int64_t>(series.points.capacity() * sizeof(StepValue));
  }
  return bytes;
}

bool IsBefore(const StepValue& a, const StepValue& b) { return a.step < b.step; }

// A vector that is put together of parts.
class Joined {
 public:
  std::vector<StepValue>* PointsOf(const Labels& labels) {
    const auto next = static_cast<uint32_t>(vector_.size());
    const uint32_t at = index_.FindOrInsert(labels, next);
    if (at == next) vector_.push_back(StepSeries{labels, {}});
    return &vector_[at].points;
  }
  StepVector Take() {
    std::erase_if(vector_, [](const StepSeries& series) { return series.points.empty(); });
    for (StepSeries& series : vector_) {
      if (!std::is_sorted(series.points.begin(), series.points.end(), IsBefore))
        std::sort(series.points.begin(), series.points.end(), IsBefore);
    }
    return std::move(vector_);
  }

 private:
  StepVector vector_;
  LabelsIndex index_{[this](uint32_t i) -> const Labels& { return vector_[i].labels; }};
};

bool Accept(const std::vector<Matcher>& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& m) { return m.Matches(labels.Get(m.name())); });
}

}  // namespace

struct ResultCache::Entry {
  // The steps whose windows hold a time of [min_ns, max_ns].
  std::pair<int64_t, int64_t> StepsOf(int64_t min_ns, int64_t max_ns) const {
    constexpr Wide kFar = std::numeric_limits<int64_t>::max() / 4;
    const auto floor_div = [this](Wide a) {
      const Wide b = step_ns;
      return a / b - (a % b < 0 ? 1 : 0);
    };
    // A window (t - offset - range, t - offset] holds x when x + offset <= t < x + offset + range.
    const Wide first = floor_div(Wide{min_ns} + offset_ns - phase_ns + step_ns - 1);
    const Wide last = floor_div(Wide{max_ns} + offset_ns + range_ns - 1 - phase_ns);
    return {static_cast<int64_t>(std::clamp(first, -kFar, kFar)),
            static_cast<int64_t>(std::clamp(last, -kFar, kFar))};
  }

  Tenant* tenant = nullptr;
  std::string key;
  std::vector<Matcher> matchers;
  int64_t step_ns = 1;
  int64_t phase_ns = 0;
  int64_t range_ns = 0;
  int64_t offset_ns = 0;
  std::map<int64_t, Chunk> chunks;
};

struct ResultCache::Tenant {
  std::string name;
  std::map<std::string, std::unique_ptr<Entry>> entries;
  std::list<Pending*> pending;
  // No kept window, nor one that is being read to be kept, ends later.
  int64_t covered_ns = kMinTimeNs;
};

// A read that goes on: what arrives meanwhile it may have seen or not.
struct ResultCache::Pending {
  void Spoil(int64_t min_ns, int64_t max_ns) {
    if (max_ns <= after_ns || min_ns > until_ns) return;
    if (spoiled.size() < kMaxSpoiled) {
      spoiled.emplace_back(min_ns, max_ns);
    } else {
      spoiled.back().first = std::min(spoiled.back().first, min_ns);
      spoiled.back().second = std::max(spoiled.back().second, max_ns);
    }
  }

  Tenant* tenant = nullptr;
  const std::vector<Matcher>* matchers = nullptr;
  int64_t after_ns = 0;  // its windows: (after_ns, until_ns]
  int64_t until_ns = 0;
  std::vector<std::pair<int64_t, int64_t>> spoiled;
  bool all_spoiled = false;
};

struct ResultCache::Request {
  struct Found {
    int64_t number = 0;
    uint64_t known = 0;
    std::shared_ptr<const StepVector> values;
  };

  const Found* ChunkOf(int64_t number) const {
    for (const Found& chunk : found) {
      if (chunk.number == number) return &chunk;
    }
    return nullptr;
  }

  const std::string& tenant;
  const ReadPlan& read;
  const WindowGrid& grid;
  std::string key{};
  int64_t phase_ns = 0;
  int64_t first = 0;    // number of the grid's first step
  uint32_t closed = 0;  // so many of the grid's steps may be kept
  std::vector<Found> found{};
  std::vector<bool> kept{};  // by step of the grid
};

ResultCache::ResultCache(int64_t max_bytes, MemoryBudget* budget, const Clock* clock)
    : max_bytes_(max_bytes), budget_(budget), clock_(clock) {}

ResultCache::~ResultCache() { EvictTo(0); }

absl::StatusOr<StepVector> ResultCache::Read(const QueryContext& context, const ReadPlan& read,
                                             const WindowGrid& grid) {
  const bool counts_bytes = context.limiter != nullptr && context.limiter->limits_bytes();
  // Of several tenants at once nothing is kept: their streams have other labels then.
  if (max_bytes_ <= 0 || counts_bytes || grid.range_ns() <= 0 ||
      context.tenant.find('|') != std::string::npos) {
    return ScanSamples(context, read, grid);
  }
  Request request{context.tenant, read, grid};
  const int64_t step_ns = grid.step_ns();
  request.first = FloorDiv(grid.time_ns(0), step_ns);
  request.phase_ns = grid.time_ns(0) - request.first * step_ns;
  request.closed = grid.FirstStepEndingAt(clock_->NowNs() - kOpenNs + 1);
  const double parameter = read.range->parameter.value_or(0);
  uint64_t parameter_bits = 0;
  std::memcpy(&parameter_bits, &parameter, sizeof parameter_bits);
  request.key =
      fmt::format("{} {} {} {} {} {:x} {}", step_ns, request.phase_ns, grid.range_ns(), grid.offset_ns(),
                  static_cast<int>(read.range->op), parameter_bits, ReadKey(read));
  if (request.closed == 0 || AsksTheClock(request.key)) return ScanSamples(context, read, grid);

  Pending pending;
  Find(&request, &pending);
  // Whatever comes of the read, nobody tells it of lines afterwards.
  struct Guard {
    ~Guard() {
      if (pending->tenant == nullptr) return;
      const std::lock_guard lock(cache->mu_);
      cache->Unregister(pending);
    }
    ResultCache* cache;
    Pending* pending;
  } guard{this, &pending};

  struct Run {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  std::vector<Run> runs;
  for (uint32_t step = 0; step < grid.steps(); ++step) {
    if (request.kept[step]) continue;
    // What lies between two runs is read anew where their windows meet anyway.
    if (!runs.empty() && int64_t{step - runs.back().end} <= grid.range_ns() / step_ns) {
      runs.back().end = step + 1;
    } else {
      runs.push_back({step, step + 1});
    }
  }
  if (runs.size() > kMaxRuns) runs = {{runs.front().begin, runs.back().end}};
  for (const Run& run : runs) std::fill_n(request.kept.begin() + run.begin, run.end - run.begin, false);

  const auto found = static_cast<uint64_t>(std::count(request.kept.begin(), request.kept.end(), true));
  QueryStats* const stats = context.stats;
  ++stats->kept_requests;
  stats->kept_steps_asked += grid.steps();
  stats->kept_steps_found += found;
  stats->kept_length_ns += static_cast<int64_t>(found) * step_ns;

  StepVector out;
  if (found == 0) {
    ASSIGN_OR_RETURN(out, ScanSamples(context, read, grid));
  } else {
    Joined joined;
    int64_t points = 0;
    for (const Request::Found& chunk : request.found) {
      const int64_t base = chunk.number * kChunkSteps - request.first;  // may be below 0
      for (const StepSeries& series : *chunk.values) {
        std::vector<StepValue>* into = nullptr;
        for (const StepValue& point : series.points) {
          const int64_t step = base + point.step;
          if ((chunk.known >> point.step & 1) == 0 || step < 0 || step >= grid.steps() ||
              !request.kept[static_cast<size_t>(step)]) {
            continue;
          }
          if (into == nullptr) into = joined.PointsOf(series.labels);
          into->push_back(StepValue{static_cast<uint32_t>(step), point.value});
          ++points;
        }
      }
    }
    const absl::Status reserved = context.budget->Reserve(points * static_cast<int64_t>(sizeof(StepValue)));
    if (!reserved.ok() && (context.limiter == nullptr || !context.limiter->Forgives(reserved)))
      return reserved;
    for (const Run& run : runs) {
      ASSIGN_OR_RETURN(const StepVector part,
                       ScanSamples(context, read, grid.Part(run.begin, run.end - run.begin)));
      for (const StepSeries& series : part) {
        std::vector<StepValue>* const into = joined.PointsOf(series.labels);
        for (const StepValue& point : series.points)
          into->push_back(StepValue{point.step + run.begin, point.value});
      }
    }
    out = joined.Take();
    SortSeries(&out);
  }
  const bool is_whole =
      stats->damaged_blocks == 0 && (context.limiter == nullptr || !context.limiter->has_reached());
  if (is_whole && pending.tenant != nullptr) Keep(request, out, &pending, stats);
  return out;
}

void ResultCache::Find(Request* request, Pending* pending) {
  const WindowGrid& grid = request->grid;
  request->kept.assign(grid.steps(), false);
  const std::lock_guard lock(mu_);
  std::unique_ptr<Tenant>& tenant = tenants_[request->tenant];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>();
    tenant->name = request->tenant;
  }
  uint32_t known_steps = 0;
  const auto entry = tenant->entries.find(request->key);
  if (entry != tenant->entries.end()) {
    auto& chunks = entry->second->chunks;
    const int64_t last = request->first + request->closed - 1;
    for (auto it = chunks.lower_bound(FloorDiv(request->first, kChunkSteps));
         it != chunks.end() && it->first <= FloorDiv(last, kChunkSteps); ++it) {
      Chunk& chunk = it->second;
      lru_.splice(lru_.begin(), lru_, chunk.used);
      request->found.push_back({it->first, chunk.known, chunk.values});
      const int64_t base = it->first * kChunkSteps;
      for (uint64_t rest = chunk.known & MaskOf(base, kChunkSteps, request->first, last); rest != 0;
           rest &= rest - 1) {
        request->kept[static_cast<size_t>(base + std::countr_zero(rest) - request->first)] = true;
        ++known_steps;
      }
    }
  }
  stats_.found_steps += known_steps;
  stats_.read_steps += grid.steps() - known_steps;
  if (known_steps == request->closed) return;  // there will be nothing to keep
  pending->tenant = tenant.get();
  pending->matchers = &request->read.selector.matchers;
  pending->after_ns = grid.window_begin_ns(0);
  pending->until_ns = grid.window_end_ns(request->closed - 1);
  tenant->pending.push_back(pending);
  tenant->covered_ns = std::max(tenant->covered_ns, pending->until_ns);
}

void ResultCache::Keep(const Request& request, const StepVector& vector, Pending* pending,
                       QueryStats* stats) {
  const int64_t last = request.first + request.closed - 1;
  // The chunks that were not known wholly, as far as they were asked for.
  std::vector<Update> updates;
  std::vector<std::unique_ptr<Joined>> values;
  const int64_t first_chunk = FloorDiv(request.first, kChunkSteps);
  std::vector<int32_t> update_of(static_cast<size_t>(FloorDiv(last, kChunkSteps) - first_chunk + 1), -1);
  for (size_t i = 0; i < update_of.size(); ++i) {
    Update update;
    update.number = first_chunk + static_cast<int64_t>(i);
    const uint64_t asked = MaskOf(update.number * kChunkSteps, kChunkSteps, request.first, last);
    const Request::Found* const base = request.ChunkOf(update.number);
    if (base != nullptr && (base->known & asked) == asked) continue;
    update.added = asked;
    auto joined = std::make_unique<Joined>();
    if (base != nullptr) {
      update.base = base->values;
      update.base_known = base->known & ~asked;
      for (const StepSeries& series : *base->values) {
        for (const StepValue& point : series.points) {
          if ((update.base_known >> point.step & 1) != 0) joined->PointsOf(series.labels)->push_back(point);
        }
      }
    }
    update_of[i] = static_cast<int32_t>(updates.size());
    updates.push_back(std::move(update));
    values.push_back(std::move(joined));
  }
  int64_t about = 0;
  for (const StepSeries& series : vector) {
    about += BytesOf(series.labels) * static_cast<int64_t>(1 + series.points.size() / kChunkSteps) +
             static_cast<int64_t>(series.points.size() * sizeof(StepValue));
  }
  if (about > max_bytes_ / 2) return;  // would push out all else
  for (const StepSeries& series : vector) {
    int64_t number = 0;
    std::vector<StepValue>* into = nullptr;
    for (const StepValue& point : series.points) {
      if (point.step >= request.closed) break;
      const int64_t step = request.first + point.step;
      const int64_t of = FloorDiv(step, kChunkSteps);
      const int32_t update = update_of[static_cast<size_t>(of - first_chunk)];
      if (update < 0) continue;
      if (into == nullptr || of != number)
        into = values[static_cast<size_t>(update)]->PointsOf(series.labels);
      number = of;
      into->push_back(StepValue{static_cast<uint32_t>(step - of * kChunkSteps), point.value});
    }
  }
  int64_t bytes = 0;
  for (size_t i = 0; i < updates.size(); ++i) {
    StepVector taken = values[i]->Take();
    for (StepSeries& series : taken) series.points.shrink_to_fit();
    taken.shrink_to_fit();
    updates[i].bytes = BytesOf(taken) + static_cast<int64_t>(sizeof(Chunk) + 128);
    updates[i].values = std::make_shared<const StepVector>(std::move(taken));
    bytes += updates[i].bytes;
  }
  if (bytes > max_bytes_ || !budget_->Reserve(bytes).ok()) return;

  const std::lock_guard lock(mu_);
  Tenant* const tenant = pending->tenant;
  std::unique_ptr<Entry>& entry = tenant->entries[request.key];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>();
    entry->tenant = tenant;
    entry->key = request.key;
    entry->matchers = request.read.selector.matchers;
    entry->step_ns = request.grid.step_ns();
    entry->phase_ns = request.phase_ns;
    entry->range_ns = request.grid.range_ns();
    entry->offset_ns = request.grid.offset_ns();
  }
  stats_.bytes += bytes;
  for (Update& update : updates) {
    uint64_t known = pending->all_spoiled ? 0 : update.added;
    for (const auto& [min_ns, max_ns] : pending->spoiled) {
      const auto [from, to] = entry->StepsOf(min_ns, max_ns);
      known &= ~MaskOf(update.number * kChunkSteps, kChunkSteps, from, to);
    }
    auto it = entry->chunks.find(update.number);
    const bool is_as_found =
        it == entry->chunks.end() ? true : it->second.values == update.base;  // else another query was faster
    const uint64_t of_base = it == entry->chunks.end() ? 0 : it->second.known & update.base_known;
    if (!is_as_found || known == 0) {
      stats_.bytes -= update.bytes;
      budget_->Release(update.bytes);
      continue;
    }
    if (it == entry->chunks.end()) {
      it = entry->chunks.try_emplace(update.number).first;
      lru_.emplace_front(entry.get(), update.number);
      it->second.used = lru_.begin();
    } else {
      stats_.bytes -= it->second.bytes;
      budget_->Release(it->second.bytes);
    }
    it->second.known = known | of_base;
    it->second.values = std::move(update.values);
    it->second.bytes = update.bytes;
    stats->kept_steps_stored += static_cast<uint64_t>(std::popcount(known));
  }
  DropIfEmpty(entry.get());
  EvictTo(max_bytes_);
  Unregister(pending);
}

void ResultCache::Unregister(Pending* pending) {
  Tenant* const tenant = pending->tenant;
  if (tenant == nullptr) return;
  tenant->pending.remove(pending);
  pending->tenant = nullptr;
  if (tenant->pending.empty() && tenant->entries.empty()) tenants_.erase(tenants_.find(tenant->name));
}

void ResultCache::Publish(std::string_view tenant_name, const Labels& labels, int64_t min_ns,
                          int64_t max_ns) {
  const std::lock_guard lock(mu_);
  const auto it = tenants_.find(tenant_name);
  if (it == tenants_.end() || min_ns > it->second->covered_ns) return;
  DropTimes(it->second.get(), &labels, min_ns, max_ns);
}

void ResultCache::Forget(std::string_view tenant_name) {
  const std::lock_guard lock(mu_);
  const auto it = tenants_.find(tenant_name);
  if (it == tenants_.end()) return;
  for (Pending* pending : it->second->pending) pending->all_spoiled = true;
  DropTimes(it->second.get(), nullptr, kMinTimeNs, kMaxTimeNs);
}

void ResultCache::ForgetTimes(int64_t min_ns, int64_t max_ns) {
  const std::lock_guard lock(mu_);
  for (auto it = tenants_.begin(); it != tenants_.end();) {
    Tenant* const tenant = it->second.get();
    ++it;  // the tenant may go
    DropTimes(tenant, nullptr, min_ns, max_ns);
  }
}

void ResultCache::DropTimes(Tenant* tenant, const Labels* labels, int64_t min_ns, int64_t max_ns) {
  for (Pending* pending : tenant->pending) {
    if (labels == nullptr || Accept(*pending->matchers, *labels)) pending->Spoil(min_ns, max_ns);
  }
  for (auto it = tenant->entries.begin(); it != tenant->entries.end();) {
    Entry* const entry = it->second.get();
    ++it;  // the entry may go, and with the last one the tenant
    const bool is_last = it == tenant->entries.end();
    DropSteps(entry, labels, min_ns, max_ns);
    if (is_last) return;
  }
}

void ResultCache::DropSteps(Entry* entry, const Labels* labels, int64_t min_ns, int64_t max_ns) {
  const auto [first, last] = entry->StepsOf(min_ns, max_ns);
  std::optional<bool> concerned;
  if (labels == nullptr) concerned = true;
  for (auto it = entry->chunks.lower_bound(FloorDiv(first, kChunkSteps));
       it != entry->chunks.end() && it->first <= FloorDiv(last, kChunkSteps);) {
    const uint64_t touched = it->second.known & MaskOf(it->first * kChunkSteps, kChunkSteps, first, last);
    if (touched != 0) {
      if (!concerned) concerned = Accept(entry->matchers, *labels);
      if (!*concerned) return;
      stats_.dropped_steps += static_cast<uint64_t>(std::popcount(touched));
      it->second.known &= ~touched;
    }
    it = it->second.known == 0 ? Erase(entry, it) : std::next(it);
  }
  DropIfEmpty(entry);
}

std::map<int64_t, ResultCache::Chunk>::iterator ResultCache::Erase(Entry* entry,
                                                                   std::map<int64_t, Chunk>::iterator chunk) {
  stats_.bytes -= chunk->second.bytes;
  budget_->Release(chunk->second.bytes);
  lru_.erase(chunk->second.used);
  return entry->chunks.erase(chunk);
}

void ResultCache::DropIfEmpty(Entry* entry) {
  if (!entry->chunks.empty()) return;
  Tenant* const tenant = entry->tenant;
  tenant->entries.erase(tenant->entries.find(entry->key));
  if (tenant->pending.empty() && tenant->entries.empty()) tenants_.erase(tenants_.find(tenant->name));
}

void ResultCache::EvictTo(int64_t bytes) {
  while (stats_.bytes > bytes && !lru_.empty()) {
    const auto [entry, number] = lru_.back();
    Erase(entry, entry->chunks.find(number));
    ++stats_.evicted_chunks;
    DropIfEmpty(entry);
  }
}

void ResultCache::GiveBack(int64_t bytes) {
  const std::lock_guard lock(mu_);
  EvictTo(stats_.bytes - bytes);
}

ResultCacheStats ResultCache::Stats() const {
  const std::lock_guard lock(mu_);
  return stats_;
}

}  // namespace skald::exec
