// Lets one who takes something away wait for those who may be on their way to it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>

namespace skald {

// Thread-safe.
class ReadGate {
 public:
  // Held between reading where something is and holding on to it.
  class Pass {
   public:
    explicit Pass(ReadGate* gate) : gate_(gate), number_(gate->Enter()) {}
    ~Pass() { gate_->Leave(number_); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    ReadGate* const gate_;
    const uint64_t number_;
  };

  // Returns when every pass that was given out before the call is back.
  void WaitForEarlier() {
    std::unique_lock lock(mu_);
    const uint64_t limit = next_;
    changed_.wait(lock, [&] { return held_.empty() || *held_.begin() >= limit; });
  }

 private:
  uint64_t Enter() {
    const std::lock_guard lock(mu_);
    held_.insert(next_);
    return next_++;
  }
  void Leave(uint64_t number) {
    {
      const std::lock_guard lock(mu_);
      held_.erase(number);
    }
    changed_.notify_all();
  }

  std::mutex mu_;
  std::condition_variable changed_;
  uint64_t next_ = 1;        // guarded by mu_
  std::set<uint64_t> held_;  // guarded by mu_
};

}  // namespace skald
