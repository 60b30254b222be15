// What makes an accepted batch durable before it is acknowledged, and gives it back after a crash.
// storage/log/wal.h writes local files; another implementation may be a partition of a shared log.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace skald {

struct LogEntry {
  std::string tenant;
  std::string agent_id;  // "" = no sequence: stored whenever it comes
  BatchSeq sequence{0};
  std::string body;  // opaque to the log
};

enum class LogOutcome {
  kStored,
  kResent,  // the agent's last durable sequence is not below this one: stored before, and not again
};

// Thread-safe.
//
// An agent's durable sequences have no holes: when a batch fails (disk full, refused for want of room), later
// ones of the same agent fail with Unavailable until that one has been sent again. Batches of one agent must
// therefore come in the order of their sequence.
class WriteLog {
 public:
  virtual ~WriteLog() = default;

  // Called once per Append, on the log's own thread, in the order of LSNs (0 for what was not stored); must
  // not block for long.
  using Committed = std::function<void(absl::Status, LogOutcome, Lsn)>;
  virtual void Append(LogEntry entry, Committed committed) = 0;

  // An entry that is refused for want of room: stores nothing, answers status (not OK) in the same way and
  // order as Append, and bars the agent's later batches like a failed one. The body is not needed.
  virtual void Refuse(LogEntry entry, absl::Status status, Committed committed) = 0;

  // Highest durable sequence, 0 if none.
  virtual BatchSeq LastSequence(std::string_view tenant, std::string_view agent_id) const = 0;

  // Entries up to and including this one are kept elsewhere: the log may forget their bodies, never their
  // sequences.
  virtual void Release(Lsn covered) = 0;
};

}  // namespace skald
