// The agent's state on disk: an append-only journal of checksummed records, begun anew with a snapshot when
// it has grown. Two generations are kept. A torn or damaged end is cut; a damaged snapshot makes the older
// generation count; if that is damaged too, what is whole of both counts, under a new agent id: what a
// damaged record said is read again. Nothing of this stops a start.
//
// Directory: lock, state-<generation> (8 digits). File: records of
//   u32 length of what follows the checksum, u32 CRC-32C of it, u8 type, payload
// in the order header, snapshot (files, pending messages, cursors, manifests), snapshot end, then changes.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/positions/state.h"
#include "base/file.h"

namespace skald::agent {

struct StateJournalOptions {
  std::string directory;
  std::string node;   // a state directory that was copied to another node gets a new agent id
  bool sync = false;  // fdatasync each manifest: a power cut then doubles nothing
  uint64_t compact_bytes = uint64_t{1} << 20;
};

// Owned and used by one thread. Write errors are logged and counted, and do not reach the caller: the agent
// goes on with what it has in memory and tries again with a new generation.
class StateJournal {
 public:
  // What was found.
  struct Loaded {
    bool had_state = false;   // anything was read
    bool lost = false;        // there were files, and none of them was usable
    bool used_older = false;  // the newest generation was not usable
    bool salvaged = false;    // none was whole
    uint64_t cut_bytes = 0;   // of a damaged end
    int64_t alive_ns = 0;     // when the directories were last looked at before this start
    std::string file;         // the state is this file's; "" where it was salvaged
    uint64_t generation = 0;  // of that file
  };

  // FailedPrecondition if another process uses the directory. A directory that cannot be written makes a
  // journal in memory, with an error in the log.
  static absl::StatusOr<std::unique_ptr<StateJournal>> Open(StateJournalOptions options);

  // What stands in the directory, read beside the agent that uses it: nothing is locked, changed or cut. A
  // damaged end may be a record that is being written. NotFound if there is no state.
  static absl::StatusOr<AgentState> Read(const std::string& directory, Loaded* loaded);

  // Nothing on disk: for a dry run and tests.
  static std::unique_ptr<StateJournal> InMemory(std::string node);

  const AgentState& state() const { return state_; }
  const Loaded& loaded() const { return loaded_; }
  bool in_memory() const { return in_memory_; }
  uint64_t write_errors() const { return write_errors_; }
  uint64_t bytes() const { return bytes_; }

  uint64_t NewFileId() { return state_.next_file_id++; }
  // Adds or replaces.
  void PutFile(FilePosition file);
  void ForgetFile(uint64_t file_id);
  // For a source's position that comes from elsewhere; acknowledgements move it.
  void PutCursor(const std::string& source, std::string_view cursor);
  // In memory; goes to disk with the next snapshot.
  void SetPath(uint64_t file_id, std::string path);
  // After this the batch may be sent. Sequences ascend.
  void PutManifest(Manifest manifest);
  void Ack(uint64_t sequence);
  // A new agent id and sequences from 1; nothing may be in flight. Files and their positions stay.
  void RenewIdentity();
  // All files that existed at that time are known; written as alive_ns with the next acknowledgement or
  // Touch.
  void NoteScanned(int64_t wall_ns) { scanned_ns_ = wall_ns; }
  void Touch();
  // At the end: everything on disk, synced.
  void Close();

 private:
  enum class Type : uint8_t {
    kHeader = 1,
    kFile = 2,
    kPending = 3,
    kCursor = 4,
    kManifest = 5,
    kSnapshotEnd = 6,
    kAck = 7,
    kForget = 8,
    kTouch = 9,
    kIdentity = 10,
  };

  explicit StateJournal(StateJournalOptions options) : options_(std::move(options)) {}
  absl::Status LoadAll();
  // The newest first.
  static absl::StatusOr<std::vector<uint64_t>> Generations(const std::string& directory);
  // The newest usable one of them, or what is whole of all. False if there is nothing.
  static bool LoadNewest(const std::string& directory, const std::vector<uint64_t>& generations,
                         AgentState* state, Loaded* loaded);
  // False if the file has no whole snapshot.
  static bool LoadFile(const std::string& bytes, AgentState* state, uint64_t* cut_bytes);
  // Applies each record that is whole, wherever it stands. How many there are.
  static uint64_t Salvage(std::string_view bytes, AgentState* state);
  static bool Apply(Type type, std::string_view payload, AgentState* state);
  void Append(Type type, std::string_view payload);
  absl::Status Compact();
  std::string PathOf(uint64_t generation) const;
  static std::string PathIn(const std::string& directory, uint64_t generation);

  const StateJournalOptions options_;
  FileDescriptor lock_;
  FileDescriptor file_;
  uint64_t generation_ = 0;
  uint64_t reserve_ = 0;  // the newest that is known to be whole, 0 = none
  uint64_t bytes_ = 0;
  uint64_t snapshot_bytes_ = 0;
  uint64_t write_errors_ = 0;
  int64_t scanned_ns_ = 0;
  int64_t retry_at_ns_ = 0;  // monotonic; after a write error
  bool in_memory_ = false;
  AgentState state_;
  Loaded loaded_;
};

}  // namespace skald::agent
