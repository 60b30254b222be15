#include "agent/positions/state_journal.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "base/clock.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace skald::agent {
namespace {

constexpr uint64_t kVersion = 1;
constexpr size_t kFrameBytes = 8;
constexpr uint32_t kMaxRecordBytes = uint32_t{64} << 20;
constexpr std::string_view kPrefix = "state-";
constexpr int64_t kRetryNs = 5 * kNsPerSecond;

std::string NewAgentId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", random());
  return id;
}

void AppendRecord(uint8_t type, std::string_view payload, std::string* out) {
  std::string body(1, static_cast<char>(type));
  body += payload;
  PutFixed<uint32_t>(out, static_cast<uint32_t>(body.size()));
  PutFixed<uint32_t>(out, Crc32c(body));
  *out += body;
}

// The generation in a file's name; 0 if it is none of ours.
uint64_t GenerationOf(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 8) return 0;
  uint64_t generation = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return 0;
    generation = generation * 10 + static_cast<uint64_t>(c - '0');
  }
  return generation;
}

}  // namespace

std::string StateJournal::PathOf(uint64_t generation) const { return PathIn(options_.directory, generation); }

std::string StateJournal::PathIn(const std::string& directory, uint64_t generation) {
  return fmt::format("{}/{}{:08}", directory, kPrefix, generation);
}

absl::StatusOr<std::unique_ptr<StateJournal>> StateJournal::Open(StateJournalOptions options) {
  std::unique_ptr<StateJournal> journal(new StateJournal(std::move(options)));
  const absl::Status loaded = journal->LoadAll();
  if (absl::IsFailedPrecondition(loaded)) return loaded;
  if (!loaded.ok()) {
    LogError(
        "state directory is not usable: positions are kept in memory only, a restart reads all files again",
        "dir={} err=\"{}\"", journal->options_.directory, MessageOf(loaded));
    journal->in_memory_ = true;
  }
  AgentState& state = journal->state_;
  if (state.agent_id.empty() || state.node != journal->options_.node) {
    if (!state.agent_id.empty()) {
      // Two agents under one id would have their batches taken for each other's.
      LogWarn("state directory comes from another node: new agent id", "was={} now={}", state.node,
              journal->options_.node);
    }
    state.agent_id = NewAgentId();
    state.node = journal->options_.node;
    state.next_sequence = 1;
    // What was on its way under the old id is read again under the new one.
    state.in_flight.clear();
  }
  if (!journal->in_memory_) {
    const absl::Status compacted = journal->Compact();
    if (!compacted.ok()) {
      LogError("state cannot be written", "dir={} err=\"{}\"", journal->options_.directory,
               MessageOf(compacted));
      ++journal->write_errors_;
    }
  }
  return journal;
}

std::unique_ptr<StateJournal> StateJournal::InMemory(std::string node) {
  std::unique_ptr<StateJournal> journal(new StateJournal({.directory = "", .node = node}));
  journal->in_memory_ = true;
  journal->state_.agent_id = NewAgentId();
  journal->state_.node = std::move(node);
  return journal;
}

absl::StatusOr<std::vector<uint64_t>> StateJournal::Generations(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory));
  std::vector<uint64_t> generations;
  for (const std::string& name : names) {
    if (const uint64_t generation = GenerationOf(name); generation != 0) generations.push_back(generation);
  }
  std::sort(generations.rbegin(), generations.rend());
  return generations;
}

bool StateJournal::LoadNewest(const std::string& directory, const std::vector<uint64_t>& generations,
                              AgentState* state, Loaded* loaded) {
  for (const uint64_t generation : generations) {
    const std::string path = PathIn(directory, generation);
    const absl::StatusOr<std::string> bytes = ReadWholeFile(path);
    AgentState found;
    uint64_t cut = 0;
    if (bytes.ok() && LoadFile(*bytes, &found, &cut)) {
      *state = std::move(found);
      loaded->had_state = true;
      loaded->alive_ns = state->alive_ns;
      loaded->used_older = generation != generations.front();
      loaded->cut_bytes = cut;
      loaded->file = path;
      loaded->generation = generation;
      return true;
    }
    LogError("state journal is damaged", "file={}", path);
  }
  AgentState salvaged;
  uint64_t records = 0;
  for (auto generation = generations.rbegin(); generation != generations.rend(); ++generation) {
    const absl::StatusOr<std::string> bytes = ReadWholeFile(PathIn(directory, *generation));
    if (bytes.ok()) records += Salvage(*bytes, &salvaged);
  }
  loaded->lost = records == 0 && !generations.empty();
  if (records == 0) return false;
  // Which batches were on their way is not sure: their lines are read again, under another id.
  salvaged.agent_id.clear();
  salvaged.in_flight.clear();
  salvaged.next_sequence = 1;
  // Nor what was read of messages without their end: it may belong to another moment than the offsets do.
  for (const auto& [chain, messages] : std::exchange(salvaged.pending, {})) {
    for (const PendingMessage& message : messages) {
      for (const Span& span : message.spans) {
        const auto file = salvaged.files.find(span.file_id);
        if (file == salvaged.files.end() || file->second.offset <= span.begin) continue;
        file->second.offset = span.begin;
        file->second.tail = TailHash();
      }
    }
  }
  *state = std::move(salvaged);
  loaded->had_state = loaded->salvaged = true;
  loaded->alive_ns = state->alive_ns;
  LogWarn("going on with what is whole of the state", "records={} files={}", records, state->files.size());
  return true;
}

absl::Status StateJournal::LoadAll() {
  RETURN_IF_ERROR(CreateDirectories(options_.directory));
  ASSIGN_OR_RETURN(lock_, LockFile(options_.directory + "/lock"));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> generations, Generations(options_.directory));
  if (!generations.empty()) generation_ = generations.front();
  if (!LoadNewest(options_.directory, generations, &state_, &loaded_)) return absl::OkStatus();
  scanned_ns_ = state_.alive_ns;
  reserve_ = loaded_.generation;
  if (loaded_.cut_bytes > 0)
    LogWarn("state journal had a damaged end", "file={} cut_bytes={}", loaded_.file, loaded_.cut_bytes);
  return absl::OkStatus();
}

absl::StatusOr<AgentState> StateJournal::Read(const std::string& directory, Loaded* loaded) {
  AgentState state;
  // The generation that was listed may make way for the next one before it is read.
  for (int attempt = 0; attempt < 3; ++attempt) {
    ASSIGN_OR_RETURN(const std::vector<uint64_t> generations, Generations(directory));
    if (generations.empty()) break;
    if (!FileExists(PathIn(directory, generations.front()))) continue;
    *loaded = Loaded();
    if (LoadNewest(directory, generations, &state, loaded)) return state;
  }
  return NotFound("{}: there is no state of an agent that can be read", directory);
}

uint64_t StateJournal::Salvage(std::string_view bytes, AgentState* state) {
  uint64_t records = 0;
  // When the directories were last looked at: the earliest that any record says, so that nothing is taken for
  // older than it is.
  std::optional<int64_t> alive_ns;
  while (bytes.size() > kFrameBytes) {
    ByteReader frame(bytes);
    const auto length = frame.Fixed<uint32_t>();
    const auto crc = frame.Fixed<uint32_t>();
    if (length == 0 || length > frame.remaining()) {
      bytes.remove_prefix(1);
      continue;
    }
    const std::string_view body = frame.Bytes(length);
    if (Crc32c(body) != crc) {
      bytes.remove_prefix(1);
      continue;
    }
    bytes.remove_prefix(kFrameBytes + length);
    const auto type = static_cast<Type>(body.front());
    if (!Apply(type, body.substr(1), state)) continue;
    ++records;
    if (type == Type::kHeader || type == Type::kTouch || type == Type::kAck)
      alive_ns = std::min(alive_ns.value_or(INT64_MAX), state->alive_ns);
  }
  state->alive_ns = alive_ns.value_or(0);
  return records;
}

bool StateJournal::LoadFile(const std::string& bytes, AgentState* state, uint64_t* cut_bytes) {
  std::string_view rest = bytes;
  bool first = true;
  bool snapshot_ended = false;
  while (rest.size() >= kFrameBytes) {
    ByteReader frame(rest);
    const auto length = frame.Fixed<uint32_t>();
    const auto crc = frame.Fixed<uint32_t>();
    if (length == 0 || length > kMaxRecordBytes || length > frame.remaining()) break;
    const std::string_view body = frame.Bytes(length);
    if (Crc32c(body) != crc) break;
    const auto type = static_cast<Type>(body.front());
    if (first != (type == Type::kHeader)) break;
    if (!Apply(type, body.substr(1), state)) break;
    first = false;
    snapshot_ended |= type == Type::kSnapshotEnd;
    rest.remove_prefix(kFrameBytes + length);
  }
  *cut_bytes = rest.size();
  return snapshot_ended;
}

bool StateJournal::Apply(Type type, std::string_view payload, AgentState* state) {
  ByteReader in(payload);
  switch (type) {
    case Type::kHeader: {
      if (in.Varint() != kVersion) return false;
      state->agent_id = in.Text();
      state->node = in.Text();
      state->next_sequence = in.Varint();
      state->next_file_id = in.Varint();
      state->alive_ns = in.Fixed<int64_t>();
      return in.ok() && !state->agent_id.empty() && state->next_sequence > 0 && state->next_file_id > 0;
    }
    case Type::kFile: {
      FilePosition file;
      if (!DecodeFilePosition(&in, &file)) return false;
      state->next_file_id = std::max(state->next_file_id, file.file_id + 1);
      const uint64_t id = file.file_id;
      state->files.insert_or_assign(id, std::move(file));
      return true;
    }
    case Type::kPending: {
      const std::string chain(in.Text());
      std::vector<PendingMessage> pending;
      if (!DecodePending(&in, &pending)) return false;
      state->pending.insert_or_assign(chain, std::move(pending));
      return true;
    }
    case Type::kCursor: {
      const std::string source(in.Text());
      const std::string_view cursor = in.Text();
      if (!in.ok()) return false;
      state->cursors.insert_or_assign(source, std::string(cursor));
      return true;
    }
    case Type::kManifest: {
      Manifest manifest;
      if (!DecodeManifest(&in, &manifest)) return false;
      if (!state->in_flight.empty() && manifest.sequence <= state->in_flight.back().sequence) return false;
      state->next_sequence = std::max(state->next_sequence, manifest.sequence + 1);
      state->in_flight.push_back(std::move(manifest));
      return true;
    }
    case Type::kSnapshotEnd:
      return true;
    case Type::kAck: {
      const uint64_t sequence = in.Varint();
      const auto alive = in.Fixed<int64_t>();
      if (!in.ok()) return false;
      state->alive_ns = alive;
      state->ApplyAck(sequence);
      return true;
    }
    case Type::kForget: {
      const uint64_t file_id = in.Varint();
      if (!in.ok()) return false;
      state->files.erase(file_id);
      return true;
    }
    case Type::kTouch: {
      const auto alive = in.Fixed<int64_t>();
      if (!in.ok()) return false;
      state->alive_ns = alive;
      return true;
    }
    case Type::kIdentity: {
      const std::string_view agent_id = in.Text();
      if (!in.ok() || agent_id.empty()) return false;
      state->agent_id = agent_id;
      state->next_sequence = 1;
      state->in_flight.clear();
      return true;
    }
  }
  return false;
}

void StateJournal::Append(Type type, std::string_view payload) {
  const bool applied = Apply(type, payload, &state_);
  SKALD_CHECK(applied);
  if (in_memory_) return;
  const bool due = bytes_ > options_.compact_bytes && bytes_ > 4 * snapshot_bytes_;
  if (!file_.valid() || due) {
    if (!file_.valid() && MonotonicNs() < retry_at_ns_) return;
    const absl::Status compacted = Compact();
    if (!compacted.ok()) {
      if (write_errors_++ == 0 || !file_.valid())
        LogError("state cannot be written", "err=\"{}\"", MessageOf(compacted));
      retry_at_ns_ = MonotonicNs() + kRetryNs;
    }
    if (file_.valid() && !compacted.ok()) {
      // The current generation still takes the record below.
    } else {
      return;  // the snapshot has it, or nothing can be written
    }
  }
  std::string record;
  AppendRecord(static_cast<uint8_t>(type), payload, &record);
  absl::Status written = WriteAll(file_.get(), record, PathOf(generation_));
  if (written.ok() && options_.sync && type == Type::kManifest)
    written = SyncData(file_.get(), PathOf(generation_));
  if (!written.ok()) {
    ++write_errors_;
    LogError("state cannot be written", "err=\"{}\"", MessageOf(written));
    // What stands after a torn record would not be read: the next record begins a new generation.
    file_ = FileDescriptor();
    retry_at_ns_ = MonotonicNs() + kRetryNs;
    return;
  }
  bytes_ += record.size();
}

absl::Status StateJournal::Compact() {
  state_.alive_ns = scanned_ns_;
  std::string out;
  std::string payload;
  const auto put = [&](Type type) {
    AppendRecord(static_cast<uint8_t>(type), payload, &out);
    payload.clear();
  };
  PutVarint(&payload, kVersion);
  PutText(&payload, state_.agent_id);
  PutText(&payload, state_.node);
  PutVarint(&payload, state_.next_sequence);
  PutVarint(&payload, state_.next_file_id);
  PutFixed<int64_t>(&payload, state_.alive_ns);
  put(Type::kHeader);
  for (const auto& [id, file] : state_.files) {
    EncodeFilePosition(file, &payload);
    put(Type::kFile);
  }
  for (const auto& [chain, pending] : state_.pending) {
    PutText(&payload, chain);
    EncodePending(pending, &payload);
    put(Type::kPending);
  }
  for (const auto& [source, cursor] : state_.cursors) {
    PutText(&payload, source);
    PutText(&payload, cursor);
    put(Type::kCursor);
  }
  for (const Manifest& manifest : state_.in_flight) {
    EncodeManifest(manifest, &payload);
    put(Type::kManifest);
  }
  put(Type::kSnapshotEnd);

  const uint64_t next = generation_ + 1;
  const std::string path = PathOf(next);
  RETURN_IF_ERROR(WriteFileAtomically(path, out));
  ASSIGN_OR_RETURN(FileDescriptor file, OpenFile(path, O_WRONLY | O_APPEND));
  file_ = std::move(file);
  generation_ = next;
  bytes_ = snapshot_bytes_ = out.size();
  // One more stays as the reserve: the one before, or the one that was whole when that was not.
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(options_.directory));
  for (const std::string& name : names) {
    const uint64_t generation = GenerationOf(name);
    if (generation != 0 && generation < next && generation != reserve_)
      RemoveFile(options_.directory + "/" + name).IgnoreError();
  }
  reserve_ = next;
  return absl::OkStatus();
}

void StateJournal::PutFile(FilePosition file) {
  std::string payload;
  EncodeFilePosition(file, &payload);
  Append(Type::kFile, payload);
}

void StateJournal::PutCursor(const std::string& source, std::string_view cursor) {
  std::string payload;
  PutText(&payload, source);
  PutText(&payload, cursor);
  Append(Type::kCursor, payload);
}

void StateJournal::ForgetFile(uint64_t file_id) {
  if (!state_.files.contains(file_id)) return;
  std::string payload;
  PutVarint(&payload, file_id);
  Append(Type::kForget, payload);
}

void StateJournal::SetPath(uint64_t file_id, std::string path) {
  const auto file = state_.files.find(file_id);
  if (file != state_.files.end()) file->second.path = std::move(path);
}

void StateJournal::PutManifest(Manifest manifest) {
  std::string payload;
  EncodeManifest(manifest, &payload);
  Append(Type::kManifest, payload);
}

void StateJournal::Ack(uint64_t sequence) {
  std::string payload;
  PutVarint(&payload, sequence);
  PutFixed<int64_t>(&payload, scanned_ns_);
  Append(Type::kAck, payload);
}

void StateJournal::RenewIdentity() {
  std::string payload;
  PutText(&payload, NewAgentId());
  Append(Type::kIdentity, payload);
}

void StateJournal::Touch() {
  std::string payload;
  PutFixed<int64_t>(&payload, scanned_ns_);
  Append(Type::kTouch, payload);
}

void StateJournal::Close() {
  if (in_memory_) return;
  Touch();
  if (!file_.valid()) return;
  const absl::Status synced = SyncData(file_.get(), PathOf(generation_));
  if (!synced.ok()) LogError("state cannot be synced", "err=\"{}\"", MessageOf(synced));
  file_ = FileDescriptor();
}

}  // namespace skald::agent
