// Wall time behind a seam, so that tests can hold it still.
#pragma once

#include <cstdint>

namespace skald {

class Clock {
 public:
  virtual ~Clock() = default;
  // Unix nanoseconds. Thread-safe.
  virtual int64_t NowNs() const = 0;

  // The machine's own clock; lives for ever.
  static const Clock& System();
};

// Monotonic nanoseconds, for measuring spans.
int64_t MonotonicNs();

}  // namespace skald
