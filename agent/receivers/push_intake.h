// The way of a push, whatever door it came through, into the spool: the job's labels and relabelling, and
// what becomes of its times.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <mutex>
#include <string_view>

#include "agent/receivers/receiver.h"
#include "proto/push/push_decode.h"

namespace skald::agent {

// Thread-safe.
class PushIntake {
 public:
  // All are outlived by what they point to. Without use_incoming_timestamp entries have the time they came.
  PushIntake(const ReceiverJob* job, bool use_incoming_timestamp, Spool* spool, ReceiverCounters* counters,
             const Clock* clock)
      : job_(job),
        use_incoming_timestamp_(use_incoming_timestamp),
        spool_(spool),
        counters_(counters),
        clock_(clock),
        labels_(job) {}

  // The job's labels are added to each stream's, and win. Entries without a time have the present one.
  // done is called once, perhaps before this returns, on any thread: OK when the entries are synced, or
  // thrown away by a rule; InvalidArgument when labels of a stream are none (the others are kept); any other
  // error: nothing was kept, the same may be sent again.
  void Take(const DecodedPush& push, Spool::Done done);
  // Plain text without labels, an entry a line; blank ones are passed over.
  void TakeText(std::string_view text, Spool::Done done);

 private:
  // One push on its way.
  struct Taking {
    ReceivedEntries entries;
    ReceiverCounters::ByReason dropped;
    absl::Status complaint;
  };

  void Add(const Labels& labels, SpoolEntry entry, int64_t now_ns, Taking* taking);
  void Finish(Taking taking, Spool::Done done);

  const ReceiverJob* const job_;
  const bool use_incoming_timestamp_;
  Spool* const spool_;
  ReceiverCounters* const counters_;
  const Clock* const clock_;
  std::mutex mu_;
  ReceiverLabels labels_;  // guarded by mu_
  int64_t last_ns_ = 0;    // guarded by mu_
};

}  // namespace skald::agent
