// The write-ahead log as files of one directory, with group commit: all batches that wait are written with
// one call and made durable with one fdatasync.
#pragma once

#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "storage/log/agent_sequences.h"
#include "storage/log/wal_record.h"
#include "storage/log/write_log.h"
#include "storage/store.h"

namespace skald {

struct WalOptions {
  std::string directory;
  WalSync sync = WalSync::kAlways;
  int64_t sync_interval_ms = 100;
  uint64_t file_bytes = uint64_t{64} << 20;
  const Clock* clock = &Clock::System();
};

struct WalStats {
  uint64_t bytes = 0;
  uint64_t files = 0;
  uint64_t syncs = 0;
  uint64_t resent = 0;         // entries recognised as sent before
  uint64_t torn_bytes = 0;     // cut off the end by Replay
  uint64_t damaged_bytes = 0;  // passed over by Replay, within files
};

// Thread-safe after Start. Open, then Replay once, then Start, then Append.
class Wal final : public WriteLog {
 public:
  // Makes the directory if it is missing. LSNs go on above floor and above all the files tell of.
  static absl::StatusOr<std::unique_ptr<Wal>> Open(WalOptions options, Lsn floor);
  ~Wal() override { Stop(); }

  // Gives every durable entry, in the order of LSNs, and leaves out repetitions of a sequence. Damage is
  // counted, told in the program's log and passed over; a torn tail of the last file is cut off. Errors: the
  // files cannot be read or cut; a version this build does not know.
  using Visitor = std::function<void(Lsn, const LogEntry&)>;
  absl::Status Replay(const Visitor& visit);
  void Start();
  // Commits what waits, syncs, ends the thread. Nothing may be appended after it.
  void Stop();

  void Append(LogEntry entry, Committed committed) override;
  void Refuse(LogEntry entry, absl::Status status, Committed committed) override;
  BatchSeq LastSequence(std::string_view tenant, std::string_view agent_id) const override;
  void Release(Lsn covered) override;
  // Begins a new file, so that Release can take away all that was appended so far. Before Stop.
  absl::Status Rotate();

  // Closed files (older than the one that is written to) and the last LSN of the oldest of them, 0 if there
  // is none.
  std::pair<size_t, Lsn> ClosedFiles() const;
  WalStats Stats() const;

 private:
  struct File {
    uint64_t number = 0;
    uint64_t bytes = 0;
    Lsn last_lsn{0};  // of its batches; 0 if it has none
  };
  struct Waiting {
    LogEntry entry;  // body emptied once it is in payload
    std::string payload;
    uint32_t payload_crc = 0;
    Committed committed;
    Lsn lsn{0};  // 0 until it is to be written
    LogOutcome outcome = LogOutcome::kStored;
    absl::Status status;
  };
  using LsnRange = std::pair<uint64_t, uint64_t>;  // both inclusive

  explicit Wal(WalOptions options) : options_(std::move(options)), sequences_(options_.clock) {}

  std::string Path(uint64_t number) const;
  absl::Status ReplayFile(File* file, bool last, const Visitor& visit);
  bool IsVoid(Lsn lsn) const;
  bool ReadCheckpoint(const WalRecord& record);

  void Enqueue(Waiting waiting);
  void Run();
  void CommitGroup(std::vector<Waiting>* group);
  absl::Status WriteGroup(std::vector<Waiting>* group, Lsn first);
  absl::Status OpenNextFile(Lsn first);  // first: LSN of the group that will be its first
  // Sync as by options_.sync; on failure the file is given up.
  absl::Status SyncFile();
  void GiveUpFile(Lsn first_void);
  void CloseFile();

  // Constant after construction.
  const WalOptions options_;

  // Own synchronisation.
  AgentSequences sequences_;

  // Of Replay, then of the log's thread alone.
  FileDescriptor fd_;        // not valid: the next group opens a file
  uint64_t good_bytes_ = 0;  // of the open file: end of its last good record
  uint64_t next_file_ = 1;
  uint64_t next_lsn_ = 1;
  bool unsynced_ = false;
  int64_t last_sync_ns_ = 0;
  // LSNs whose records failed but may still stand in a file that could not be cut: never to be replayed.
  // Every file's checkpoint names them.
  std::vector<LsnRange> void_lsns_;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  std::deque<Waiting> queue_;       // guarded by mu_
  bool stopping_ = false;           // guarded by mu_
  absl::Status* rotate_ = nullptr;  // guarded by mu_; who waits for a new file, and what came of it
  std::condition_variable rotated_;
  std::deque<File> files_;  // guarded by mu_; the last is the open one if has_open_
  bool has_open_ = false;   // guarded by mu_
  WalStats stats_;          // guarded by mu_ (bytes and files are summed up when asked)

  std::thread thread_;
};

}  // namespace skald
