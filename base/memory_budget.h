// Counts bytes against a ceiling. Budgets nest: a query's draws from the process's.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace skald {

// Thread-safe. The parent, if any, outlives the child.
class MemoryBudget {
 public:
  MemoryBudget(std::string name, int64_t limit_bytes, MemoryBudget* parent = nullptr)
      : name_(std::move(name)), limit_(limit_bytes), parent_(parent) {}
  // Gives back to the parent whatever is still held.
  ~MemoryBudget() { Release(used()); }
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Called, on the asking thread, with what is missing when a Reserve goes beyond this ceiling: what it
  // releases is tried with. Given once, before others use the budget.
  void OnShortage(std::function<void(int64_t bytes)> call) { on_shortage_ = std::move(call); }

  // ResourceExhausted, with the name, the limit and what was asked for; then nothing is taken, here or in the
  // parent.
  absl::Status Reserve(int64_t bytes);
  void Release(int64_t bytes);

  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_; }

 private:
  const std::string name_;
  const int64_t limit_;
  MemoryBudget* const parent_;
  std::function<void(int64_t bytes)> on_shortage_;
  std::atomic<int64_t> used_{0};
};

}  // namespace skald
