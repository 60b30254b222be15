#include "query/exec/windows/rolling_windows.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/status_macros.h"
#include "query/exec/metric/sample_scan.h"
#include "query/exec/pipeline/read_key.h"
#include "query/exec/windows/late_log.h"
#include "query/exec/windows/rolling_state.h"

namespace skald::exec {
namespace {

constexpr int64_t kMaxTiles = 16'000'000;
constexpr int64_t kMinTileNs = kNsPerMs;
constexpr int64_t kSweepNs = int64_t{60} * kNsPerSecond;
// States live this long without being asked for, and three intervals at least.
constexpr int64_t kIdleNs = int64_t{600} * kNsPerSecond;

int64_t TileWidth(const WindowGrid& grid, int64_t interval_ns) {
  return std::gcd(grid.range_ns(), interval_ns);
}

}  // namespace

RollingWindows::RollingWindows(int64_t max_bytes, int64_t fold_bytes)
    : max_bytes_(max_bytes), fold_bytes_(fold_bytes) {}
RollingWindows::~RollingWindows() = default;

bool RollingWindows::Fits(const ReadPlan& read, const WindowGrid& grid, int64_t interval_ns) {
  if (interval_ns <= 0 || grid.steps() != 1 || grid.range_ns() <= 0) return false;
  if (read.kernel == RangeKernel::kDistinct) return false;
  const int64_t width_ns = TileWidth(grid, interval_ns);
  return width_ns >= kMinTileNs && grid.range_ns() / width_ns <= kMaxTiles;
}

RollingWindows::Tenant* RollingWindows::FindOrAdd(const std::string& tenant) {
  const auto [it, added] = tenants_.try_emplace(tenant);
  if (!added) return &it->second;
  it->second.late = std::make_shared<LateLog>(tenant.find('|') != std::string::npos);
  it->second.hidden = HiddenOf(tenant);
  for (size_t begin = 0; begin <= tenant.size();) {
    const size_t end = std::min(tenant.find('|', begin), tenant.size());
    with_[tenant.substr(begin, end - begin)].push_back(&it->second);
    begin = end + 1;
  }
  return &it->second;
}

absl::StatusOr<StepVector> RollingWindows::Read(const QueryContext& context, const ReadPlan& read,
                                                const WindowGrid& grid, int64_t interval_ns) {
  const int64_t width_ns = TileWidth(grid, interval_ns);
  const int64_t phase_ns = (grid.window_end_ns(0) % width_ns + width_ns) % width_ns;
  const std::string key = fmt::format("{} {} {}", width_ns, phase_ns, ReadKey(read));
  const int64_t now_ns = MonotonicNs();
  std::shared_ptr<RollingState> state;
  RollingState::Hidden hidden;
  {
    const std::lock_guard lock(mu_);
    Sweep(now_ns);
    Tenant& tenant = *FindOrAdd(context.tenant);
    hidden = {tenant.generation, tenant.hidden};
    std::shared_ptr<RollingState>& slot = tenant.states[key];
    if (slot == nullptr) {
      slot = std::make_shared<RollingState>(WindowHead{context.tenant, key, width_ns, phase_ns, interval_ns},
                                            fold_bytes_, tenant.late);
    }
    slot->used_ns = now_ns + std::max(kIdleNs, 3 * interval_ns);
    state = slot;
  }
  bool too_large = false;
  absl::StatusOr<StepVector> out = StepVector();
  {
    const std::lock_guard lock(state->mu);
    out = state->Read(context, read, grid, hidden);
    if (!state->is_dropped) {
      const int64_t grown = state->bytes() - state->counted_bytes;
      state->counted_bytes += grown;
      too_large = bytes_.fetch_add(grown) + grown > max_bytes_;
      if (too_large) {
        bytes_.fetch_sub(state->counted_bytes);
        state->is_dropped = true;
      }
    }
  }
  if (too_large) {
    const std::lock_guard lock(mu_);
    Tenant& tenant = *FindOrAdd(context.tenant);
    const auto it = tenant.states.find(key);
    if (it != tenant.states.end() && it->second == state) {
      Drop(*state);
      tenant.states.erase(it);
    }
  }
  return out;
}

void RollingWindows::Publish(std::string_view tenant, StreamId stream,
                             const std::shared_ptr<const Labels>& labels, int64_t min_ns, int64_t max_ns,
                             uint64_t batch) {
  const std::lock_guard lock(mu_);
  if (batch <= stored_batch_) return;
  const auto it = with_.find(tenant);
  if (it == with_.end()) return;
  for (Tenant* one : it->second) one->late->Add(tenant, stream, labels, min_ns, max_ns, batch);
}

void RollingWindows::Forget(std::string_view tenant, const std::string& deletes) {
  const std::lock_guard lock(mu_);
  deletes_[std::string(tenant)] = deletes;
  const auto it = with_.find(tenant);
  if (it == with_.end()) return;
  for (auto& [name, one] : tenants_) {
    if (std::find(it->second.begin(), it->second.end(), &one) == it->second.end()) continue;
    ++one.generation;
    one.hidden = HiddenOf(name);
  }
}

uint64_t RollingWindows::HiddenOf(const std::string& tenant) const {
  std::string text;
  for (const auto& [member, deletes] : deletes_) {
    if (!deletes.empty() && ("|" + tenant + "|").find("|" + member + "|") != std::string::npos)
      text += member + "|" + deletes + "|";
  }
  return text.empty() ? 0 : XXH3_64bits(text.data(), text.size());
}

void RollingWindows::ForgetTimes(int64_t min_ns, int64_t max_ns) {
  const std::lock_guard lock(mu_);
  for (auto& [name, tenant] : tenants_) tenant.late->AddLoss(min_ns, max_ns);
  for (auto& [number, note] : notes_) {
    if (note.told || note.what.times.front() != std::pair(min_ns, max_ns)) continue;
    note.told = true;
    return;
  }
}

size_t RollingWindows::states() const {
  const std::lock_guard lock(mu_);
  size_t n = 0;
  for (const auto& [name, tenant] : tenants_) n += tenant.states.size();
  return n;
}

void RollingWindows::Drop(const RollingState& state) {
  if (store_ == nullptr) return;
  dropped_.push_back(state.id());
  saved_bytes_ -= state.saved_bytes();
}

void RollingWindows::Sweep(int64_t now_ns) {
  if (now_ns - swept_ns_ < kSweepNs) return;
  swept_ns_ = now_ns;
  for (auto& [name, tenant] : tenants_) {
    std::erase_if(tenant.states, [&](const auto& item) {
      // Whoever holds it counts its bytes on.
      if (item.second->used_ns > now_ns || item.second.use_count() > 1) return false;
      bytes_.fetch_sub(item.second->counted_bytes);
      Drop(*item.second);
      return true;
    });
  }
}

}  // namespace skald::exec
