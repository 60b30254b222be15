// Stops a running query from outside, or when its time is up.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/clock.h"
#include "query/exec/query_error.h"

namespace skald {

// Thread-safe. The engine looks at it once per block.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  // The client has left.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // On MonotonicNs(). An earlier deadline stays.
  void SetDeadline(int64_t monotonic_ns) {
    int64_t current = deadline_ns_.load(std::memory_order_relaxed);
    while (monotonic_ns < current && !deadline_ns_.compare_exchange_weak(current, monotonic_ns)) {
    }
  }

  // In place of the deadline, also a later one: for what is still to be done when the reading has ended.
  void Extend(int64_t monotonic_ns) { deadline_ns_.store(monotonic_ns, std::memory_order_relaxed); }

  // Cancelled (499) or DeadlineExceeded (504) with Loki's text, or OK.
  absl::Status Check() const {
    if (cancelled()) return ClientCancelledError();
    const int64_t deadline_ns = deadline_ns_.load(std::memory_order_relaxed);
    if (deadline_ns != std::numeric_limits<int64_t>::max() && MonotonicNs() > deadline_ns)
      return TimedOutError();
    return absl::OkStatus();
  }

 private:
  std::atomic<bool> cancelled_{false};
  std::atomic<int64_t> deadline_ns_{std::numeric_limits<int64_t>::max()};
};

}  // namespace skald
