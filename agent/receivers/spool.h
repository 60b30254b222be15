// What receivers took and no file has: a log on disk that all ends read, each from its own position. A record
// stays until every end has it acknowledged. agent/receivers/spool_format.h has the bytes.
//
// Bounded: when max_bytes are undelivered, more is refused (the sender waits), or it or the oldest is thrown
// away and counted. A damaged place is stepped over and counted; nothing on disk stops a start. A full disk
// keeps what nobody waits for in memory and refuses the rest, until there is room again.
#pragma once

#include <absl/status/status.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/receivers/spool_format.h"
#include "base/file.h"
#include "base/types.h"

namespace skald::agent {

struct SpoolOptions {
  enum class WhenFull { kBlock, kDropNewest, kDropOldest };
  std::string directory;
  uint64_t max_bytes = uint64_t{1} << 30;
  uint64_t segment_bytes = uint64_t{16} << 20;  // no more than a quarter of max_bytes is taken
  WhenFull when_full = WhenFull::kBlock;
  int64_t sync_wait_ns = 50 * kNsPerMs;  // of what nobody waits for
  bool sync = true;
};

struct SpoolStats {
  uint64_t bytes = 0;  // on disk and waiting to be written
  uint64_t segments = 0;
  uint64_t taken_lines = 0;
  uint64_t taken_bytes = 0;  // of lines
  uint64_t full_lines = 0;   // thrown away because it was full
  uint64_t full_bytes = 0;
  uint64_t corrupt_bytes = 0;  // of the files, that no reader could make sense of
  uint64_t write_errors = 0;
};

class Spool;

// One end's place in the spool. Used by its thread alone. It goes before the spool does; when it has gone, it
// wakes nobody, and what it had not acknowledged is kept for some time yet: the end may come back.
class SpoolReader {
 public:
  ~SpoolReader();
  SpoolReader(const SpoolReader&) = delete;
  SpoolReader& operator=(const SpoolReader&) = delete;
  // The next record; false if there is none now, or it cannot be read now.
  bool Next(SpoolRecord* record);
  // Next is the first record behind this number.
  void Seek(uint64_t number);
  uint64_t position() const { return position_; }
  // Something may be behind the position.
  bool ready() const;
  // Everything up to this number is acknowledged.
  void Commit(uint64_t number);

 private:
  friend class Spool;
  SpoolReader(Spool* spool, uint64_t committed, std::function<void()> wake)
      : spool_(spool), wake_(std::move(wake)), committed_(committed), position_(committed) {}
  void OpenSegment(uint64_t first);
  bool Fill(size_t need, uint64_t limit);

  Spool* const spool_;
  const std::function<void()> wake_;
  uint64_t committed_;  // guarded by the spool's mu_
  uint64_t position_;
  uint64_t dry_at_ = 0;   // nothing below this number is left
  uint64_t segment_ = 0;  // its first number; 0 = none is open
  FileDescriptor file_;
  uint64_t offset_ = 0;  // in the file, of the buffer's first unused byte
  std::string buffer_;
  size_t used_ = 0;
};

// Thread-safe.
class Spool {
 public:
  // What is there is found; a directory that cannot be used makes every Append fail until it can.
  static std::unique_ptr<Spool> Open(SpoolOptions options);
  // Closes it.
  ~Spool();
  // Writes what was taken; then nothing more is taken and nobody is woken.
  void Close();

  // committed: the end's saved position, 0 = none; known: the last number it has ever read (of a spool that
  // was thrown away: before the first Append); wake: called by the spool's thread when there is news.
  std::unique_ptr<SpoolReader> AddReader(uint64_t committed, uint64_t known, std::function<void()> wake);

  using Done = std::function<void(const absl::Status&)>;
  // Takes entries. ResourceExhausted: there is no room now, nothing was taken. With done, it is called by
  // the spool's thread once they are synced (or thrown away by the rule), or with an error if they were not
  // kept; without, they are synced within sync_wait.
  absl::Status Append(std::string_view source, const std::vector<SpoolStream>& streams, Done done = nullptr);
  // Every end has acknowledged everything that was taken.
  bool AllCommitted() const;
  SpoolStats stats() const;
  // Lines that were lost on the way in because there was no room.
  void CountFull(uint64_t lines, uint64_t bytes);

 private:
  friend class SpoolReader;
  struct Segment {
    uint64_t first = 0;
    uint64_t bytes = 0;  // published to readers
  };
  struct Waiting {
    std::vector<std::string> payloads;
    uint64_t bytes = 0;
    Done done;
  };
  explicit Spool(SpoolOptions options);
  void Load();
  std::string PathOf(uint64_t first) const;
  void Work();
  // Of a group: those that are written are taken off its front.
  absl::Status Write(std::deque<Waiting>* group, std::vector<Done>* written);
  absl::Status OpenNext();
  absl::Status WritePiece(const std::string& bytes);
  void DropOldest(uint64_t room);
  void RemoveCommitted();
  uint64_t MinCommitted() const;
  void Remove(const Segment& segment);
  void CountUnread(const Segment& segment, uint64_t committed, uint64_t* lines, uint64_t* bytes) const;

  const SpoolOptions options_;
  const uint64_t segment_bytes_;
  std::mutex wake_mu_;  // while readers are woken; taken before mu_
  mutable std::mutex mu_;
  std::condition_variable news_;
  std::deque<Segment> segments_;  // guarded by mu_, as all below; the last one may be written to
  std::vector<SpoolReader*> readers_;
  struct Departed {
    uint64_t committed = 0;
    int64_t until_ns = 0;  // monotonic
  };
  std::vector<Departed> departed_;
  std::deque<Waiting> waiting_;
  uint64_t waiting_bytes_ = 0;  // with the group that is being written
  uint64_t next_number_ = 1;
  SpoolStats counted_;
  bool stopping_ = false;
  bool failing_ = false;  // the last write failed
  // The thread's own.
  FileDescriptor file_;
  uint64_t file_bytes_ = 0;
  bool dirty_ = false;  // not synced
  int64_t sync_at_ns_ = 0;
  std::thread thread_;
};

}  // namespace skald::agent
