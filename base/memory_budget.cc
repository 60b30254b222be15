#include "base/memory_budget.h"

#include "base/error.h"

namespace skald {

absl::Status MemoryBudget::Reserve(int64_t bytes) {
  int64_t after = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (after > limit_ && on_shortage_) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    on_shortage_(after - limit_);
    after = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  }
  if (after > limit_) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return ResourceExhausted("{}: out of memory budget: {} bytes in use, {} more asked for, limit {}", name_,
                             after - bytes, bytes, limit_);
  }
  if (parent_ != nullptr) {
    if (absl::Status status = parent_->Reserve(bytes); !status.ok()) {
      used_.fetch_sub(bytes, std::memory_order_relaxed);
      return status;
    }
  }
  return absl::OkStatus();
}

void MemoryBudget::Release(int64_t bytes) {
  if (bytes == 0) return;
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->Release(bytes);
}

}  // namespace skald
