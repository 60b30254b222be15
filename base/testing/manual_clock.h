// A clock that stands still until a test moves it.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace skald {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_ns) : now_ns(start_ns) {}
  int64_t NowNs() const override { return now_ns; }

  std::atomic<int64_t> now_ns;
};

}  // namespace skald
