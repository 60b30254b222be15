// Lines a second with a burst.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/types.h"

namespace skald::agent {

// Times are monotonic nanoseconds. Not thread-safe.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // False if there is no token now.
  bool Take(int64_t now_ns) {
    Refill(now_ns);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  // Takes one in any case. When nothing is owed any more; 0 = now.
  int64_t TakeOnCredit(int64_t now_ns) {
    Refill(now_ns);
    tokens_ -= 1;
    return tokens_ >= 0 ? 0 : now_ns + static_cast<int64_t>(-tokens_ / rate_ * double{kNsPerSecond});
  }

 private:
  void Refill(int64_t now_ns) {
    if (last_ns_ != 0 && now_ns > last_ns_)
      tokens_ = std::min(burst_, tokens_ + static_cast<double>(now_ns - last_ns_) / 1e9 * rate_);
    last_ns_ = now_ns;
  }

  const double rate_;
  const double burst_;
  double tokens_;
  int64_t last_ns_ = 0;
};

}  // namespace skald::agent
