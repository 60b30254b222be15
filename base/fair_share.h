// Divides one budget among many, so that none of them takes what the others need.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/memory_budget.h"

namespace skald {

// Each sharer has at most half of what the others leave, so that there is always room for one more.
// Thread-safe.
class FairShare {
 public:
  // budget outlives it; what others take from it counts as taken by another sharer.
  explicit FairShare(MemoryBudget* budget) : budget_(budget) {}

  // ResourceExhausted where the sharer has its part already, or the budget is used up; then nothing is taken.
  // Sharer "" is bound by the budget alone.
  absl::Status Reserve(std::string_view sharer, int64_t bytes);
  // What Reserve gave to the same sharer, in any pieces.
  void Release(std::string_view sharer, int64_t bytes);

 private:
  MemoryBudget* const budget_;
  std::mutex mu_;
  std::map<std::string, int64_t, std::less<>> held_;  // guarded by mu_; none is 0
};

}  // namespace skald
