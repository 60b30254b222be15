// What receivers and the spool count, for /metrics.
#pragma once

#include "agent/receivers/receiver.h"
#include "agent/receivers/spool.h"
#include "base/metrics.h"

namespace skald::agent {

// spool and counters outlive the owner's callbacks.
void RegisterIntakeMetrics(const void* owner, const Spool* spool, const ReceiverCounters* counters,
                           Metrics* metrics);

}  // namespace skald::agent
