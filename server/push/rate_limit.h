// A token bucket.
#pragma once

#include <algorithm>
#include <cstdint>

namespace skald::server {

// Not thread-safe. Rate and burst in the same unit (bytes); starts full.
class TokenBucket {
 public:
  TokenBucket(double rate_per_second, double burst) : rate_(rate_per_second), burst_(burst), tokens_(burst) {}

  // Takes n and returns true if that many are there; else takes nothing. More than the burst never passes.
  bool Take(double n, int64_t now_monotonic_ns) {
    if (last_ns_ != 0) {
      const double seconds = static_cast<double>(std::max<int64_t>(now_monotonic_ns - last_ns_, 0)) / 1e9;
      tokens_ = std::min(burst_, tokens_ + seconds * rate_);
    }
    last_ns_ = now_monotonic_ns;
    if (n > tokens_) return false;
    tokens_ -= n;
    return true;
  }

  // Goes on with other figures; what was taken stays taken.
  void Change(double rate_per_second, double burst) {
    if (rate_ == rate_per_second && burst_ == burst) return;
    tokens_ = std::min(burst, tokens_ + std::max(burst - burst_, 0.0));
    rate_ = rate_per_second;
    burst_ = burst;
  }

 private:
  double rate_;
  double burst_;
  double tokens_;
  int64_t last_ns_ = 0;
};

}  // namespace skald::server
