// Rolling windows and their store: heads at the start, rounds of writing.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/coding.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "query/exec/windows/late_log.h"
#include "query/exec/windows/rolling_codec.h"
#include "query/exec/windows/rolling_state.h"
#include "query/exec/windows/rolling_windows.h"

namespace skald::exec {
namespace {

// Of one round.
constexpr int64_t kRoundBytes = int64_t{8} << 20;
// What the store has of a state that nobody asked for since the start goes after this, and three intervals.
constexpr int64_t kHourNs = int64_t{3600} * kNsPerSecond;
constexpr int64_t kUnclaimedNs = int64_t{600} * kNsPerSecond;

std::string FormatValue() {
  std::string value;
  PutVarint(&value, kWindowFormat);
  return value;
}

const std::string kFormat(1, kFormatKey);

}  // namespace

absl::Status RollingWindows::Clear(WindowStore* store) {
  WindowStore::Change change;
  for (const char kind : {kFormatKey, kHeadKey, kPositionKey, kSpanKey, kNoteKey})
    change.prefixes.emplace_back(1, kind);
  change.puts.emplace_back(kFormat, FormatValue());
  return store->Write(change, false);
}

void RollingWindows::Open(WindowStore* store) {
  bool known = false;
  absl::Status status =
      store->Scan(kFormat, [&](std::string_view, std::string_view value) { known = value == FormatValue(); });
  if (status.ok() && !known) status = Clear(store);
  if (!status.ok()) {
    LogWarn("partial aggregates of rules are not kept on disk", "error=\"{}\"", MessageOf(status));
    return;
  }
  store_ = store;
  ReadHeads(*store);
}

void RollingWindows::ReadHeads(const WindowStore& store) {
  std::map<std::string, WindowPosition> positions;
  std::map<std::string, WindowHead> heads;
  absl::Status status = store.Scan(std::string(1, kPositionKey), [&](std::string_view key, auto value) {
    WindowPosition position;
    if (DecodePosition(value, &position)) positions.emplace(key.substr(1), std::move(position));
  });
  status.Update(store.Scan(std::string(1, kHeadKey), [&](std::string_view key, std::string_view value) {
    WindowHead head;
    if (DecodeHead(value, &head) && WindowId(head.tenant, head.key) == key.substr(1)) {
      heads.emplace(key.substr(1), std::move(head));
    }
  }));
  std::map<uint64_t, Note> notes;
  status.Update(store.Scan(std::string(1, kNoteKey), [&](std::string_view key, std::string_view value) {
    WindowNote note;
    // Of any time, where it cannot be read.
    if (!DecodeNote(value, &note)) note = {0, {{kMinTimeNs, kMaxTimeNs}}};
    notes.emplace(NoteOfKey(key), Note{std::move(note), true});
  }));
  const std::lock_guard lock(mu_);
  const int64_t now_ns = MonotonicNs();
  bool any = false;
  notes_ = std::move(notes);
  for (auto& [id, head] : heads) {
    const auto position = positions.find(id);
    if (!status.ok() || position == positions.end()) {
      dropped_.push_back(id);
      damaged_->fetch_add(1);
      continue;
    }
    Tenant* const tenant = FindOrAdd(head.tenant);
    tenant->late->Cover(position->second.known_until_ns);
    stored_batch_ = any ? std::min(stored_batch_, position->second.applied) : position->second.applied;
    any = true;
    saved_bytes_ += position->second.bytes;
    auto state = std::make_shared<RollingState>(head, fold_bytes_, tenant->late);
    state->used_ns = now_ns + std::max(kUnclaimedNs, 3 * head.interval_ns);
    state->SetStored({store_, position->second, {}, damaged_});
    tenant->states.emplace(head.key, std::move(state));
  }
}

void RollingWindows::Begin(const std::vector<LinesFile>& files, uint64_t last, bool lost) {
  if (store_ == nullptr) return;
  const std::lock_guard lock(mu_);
  for (const auto& [name, tenant] : tenants_) {
    for (const auto& [key, state] : tenant.states) lost = lost || state->stored()->position.last > last;
  }
  if (lost) {
    for (auto& [name, tenant] : tenants_) {
      for (const auto& [key, state] : tenant.states) Drop(*state);
      tenant.states.clear();
    }
    return;
  }
  if (std::all_of(tenants_.begin(), tenants_.end(),
                  [](const auto& one) { return one.second.states.empty(); }))
    return;
  uint64_t noted = stored_batch_;
  for (const auto& [number, note] : notes_) noted = std::max(noted, note.what.batch);
  WindowNote unknown;
  for (const LinesFile& file : files) {
    if (file.covered > noted) unknown.times.emplace_back(file.min_ns, file.max_ns);
  }
  if (!unknown.times.empty()) {
    WindowStore::Change change;
    change.puts.push_back(AddNote(std::move(unknown), true));
    // Where it fails, so do later notes, or the store is given up.
    if (!store_.load()->Write(change, false).ok()) (void)store_.load()->Distrust();
  }
  for (auto& [name, tenant] : tenants_) {
    for (const auto& [key, state] : tenant.states) {
      RollingState::Stored* const stored = state->stored();
      for (const auto& [number, note] : notes_) {
        if (note.what.batch != 0 && note.what.batch <= stored->position.applied) continue;
        stored->changed.insert(stored->changed.end(), note.what.times.begin(), note.what.times.end());
      }
    }
  }
}

std::pair<std::string, std::string> RollingWindows::AddNote(WindowNote what, bool told) {
  const uint64_t number = notes_.empty() ? 1 : notes_.rbegin()->first + 1;
  std::pair<std::string, std::string> out{NoteKey(number), EncodeNote(what)};
  notes_[number] = {std::move(what), told};
  return out;
}

absl::Status RollingWindows::WriteNote(std::pair<std::string, std::string> note) {
  WindowStore::Change change;
  change.puts.push_back(std::move(note));
  const absl::Status status = store_.load()->Write(change, true);
  return status.ok() ? status : store_.load()->Distrust();
}

absl::Status RollingWindows::ExpectLoss(int64_t min_ns, int64_t max_ns) {
  if (store_ == nullptr) return absl::OkStatus();
  std::pair<std::string, std::string> note;
  {
    const std::lock_guard lock(mu_);
    note = AddNote({0, {{min_ns, max_ns}}}, false);
  }
  return WriteNote(std::move(note));
}

absl::Status RollingWindows::NoteLate(uint64_t applied) {
  if (store_ == nullptr) return absl::OkStatus();
  std::pair<std::string, std::string> note;
  {
    const std::lock_guard lock(mu_);
    if (tenants_.empty()) return absl::OkStatus();
    std::map<int64_t, std::pair<int64_t, int64_t>> times;  // by hour
    for (auto& [name, tenant] : tenants_) {
      std::vector<LateLog::Entry> entries;
      if (!tenant.late->Take(&tenant.noted, kMinTimeNs, kMaxTimeNs, 0, &entries))
        times[kMinTimeNs] = {kMinTimeNs, kMaxTimeNs};
      for (const LateLog::Entry& entry : entries) {
        const std::pair<int64_t, int64_t> time{entry.min_ns, entry.max_ns};
        const auto [it, added] = times.try_emplace(entry.min_ns / kHourNs, time);
        it->second.first = std::min(it->second.first, time.first);
        it->second.second = std::max(it->second.second, time.second);
      }
    }
    WindowNote what{applied, {}};
    for (const auto& [hour, time] : times) what.times.push_back(time);
    note = AddNote(std::move(what), true);
  }
  return WriteNote(std::move(note));
}

absl::Status RollingWindows::Save(uint64_t applied, const std::function<uint64_t()>& last, bool everything) {
  if (store_ == nullptr) return absl::OkStatus();
  std::vector<std::shared_ptr<RollingState>> states;
  std::vector<std::string> dropped;
  std::vector<uint64_t> old_notes;
  {
    const std::lock_guard lock(mu_);
    Sweep(MonotonicNs());
    for (const auto& [name, tenant] : tenants_) {
      for (const auto& [key, state] : tenant.states) states.push_back(state);
    }
    dropped.swap(dropped_);
    ++round_;
    for (const auto& [number, note] : notes_) {
      if (note.told && note.what.batch <= applied) old_notes.push_back(number);
    }
    // Those first that had to wait.
    std::stable_sort(states.begin(), states.end(),
                     [](const auto& a, const auto& b) { return a->saved_round < b->saved_round; });
  }
  WindowStore::Change gone;
  for (const std::string& id : dropped) {
    gone.deletes.push_back(std::string(1, kHeadKey) + id);
    gone.deletes.push_back(std::string(1, kPositionKey) + id);
    gone.prefixes.push_back(SpanKey(id, 0).substr(0, 1 + id.size()));
  }
  absl::Status status = gone.empty() ? absl::OkStatus() : store_.load()->Write(gone, false);
  if (!status.ok()) {
    const std::lock_guard lock(mu_);
    dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
    return status;
  }
  int64_t room = kRoundBytes;
  int64_t total = 0;
  bool all = true;  // states are as they should be after what was noted
  for (const auto& state : states) {
    if (room <= 0 && !everything) {
      all = false;
      break;
    }
    const std::lock_guard lock(state->mu);
    WindowStore::Change change;
    const int64_t before = state->saved_bytes();
    const int64_t below_ceiling = max_bytes_ - saved_bytes_.load();
    if (!state->Save(applied, last, everything ? below_ceiling : std::min(room, below_ceiling), everything,
                     &change)) {
      all = false;
      continue;
    }
    status = store_.load()->Write(change, false);
    if (!status.ok()) {
      state->Unsave();
      break;
    }
    room -= change.bytes();
    total += change.bytes();
    saved_bytes_ += state->saved_bytes() - before;
    const std::lock_guard round_lock(mu_);
    state->saved_round = round_;
  }
  written_bytes_ += static_cast<uint64_t>(total);
  RETURN_IF_ERROR(status);

  if (!all || old_notes.empty()) return absl::OkStatus();
  WindowStore::Change old;
  for (const uint64_t number : old_notes) old.deletes.push_back(NoteKey(number));
  RETURN_IF_ERROR(store_.load()->Write(old, false));
  const std::lock_guard lock(mu_);
  for (const uint64_t number : old_notes) notes_.erase(number);
  return absl::OkStatus();
}

}  // namespace skald::exec
