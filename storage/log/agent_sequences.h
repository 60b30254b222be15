// The last durable sequence of every agent: how a resent batch is recognised.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/coding.h"
#include "base/types.h"

namespace skald {

// Thread-safe; Begin, Commit and Fail of one agent come from one thread, in order.
class AgentSequences {
 public:
  enum class Verdict {
    kNew,
    kResent,    // at or below one that is durable, or that was begun before it in the same group
    kMustWait,  // a batch before it failed and has not come again
  };

  explicit AgentSequences(const Clock* clock) : clock_(clock) {}

  // Judges a batch; kNew also begins it: until Commit or Fail it counts as there for the ones behind it.
  Verdict Begin(std::string_view tenant, std::string_view agent_id, BatchSeq sequence);
  void Commit(std::string_view tenant, std::string_view agent_id, BatchSeq sequence);
  // Bars what is above sequence (limits.h: kFailedBatchBarsMs) until it is committed.
  void Fail(std::string_view tenant, std::string_view agent_id, BatchSeq sequence);

  BatchSeq Last(std::string_view tenant, std::string_view agent_id) const;

  // Durable sequences as a log checkpoint holds them (FORMAT.md), without agents that are long gone.
  void Encode(std::string* out) const;
  // Takes over what Encode wrote, keeping the higher sequence of each agent. False when the bytes are
  // malformed.
  bool Merge(ByteReader* reader);

 private:
  struct Entry {
    uint64_t last = 0;
    uint64_t begun = 0;        // highest begun and not yet committed; 0 = none
    uint64_t failed_from = 0;  // lowest that failed since `last`; 0 = none
    int64_t failed_at_ms = 0;
    uint32_t seen_day = 0;  // days since 1970 of the last commit
  };

  int64_t NowMs() const { return clock_->NowNs() / kNsPerMs; }

  const Clock* const clock_;
  mutable std::mutex mu_;
  absl::flat_hash_map<std::string, Entry> agents_;  // guarded by mu_; key: tenant, NUL, agent id
};

}  // namespace skald
