#include "base/fair_share.h"

#include "base/error.h"
#include "base/status_macros.h"

namespace skald {

absl::Status FairShare::Reserve(std::string_view sharer, int64_t bytes) {
  if (sharer.empty()) return budget_->Reserve(bytes);
  if (bytes <= 0) return absl::OkStatus();
  const std::lock_guard lock(mu_);
  const auto it = held_.find(sharer);
  const int64_t held = it == held_.end() ? 0 : it->second;
  const int64_t share = (budget_->limit() - (budget_->used() - held)) / 2;
  if (held + bytes > share) {
    return ResourceExhausted(
        "{} bytes are more than a tenant's part of the memory ({} of {} bytes), try again", bytes, share,
        budget_->limit());
  }
  RETURN_IF_ERROR(budget_->Reserve(bytes));
  if (it != held_.end()) {
    it->second += bytes;
  } else {
    held_.emplace(sharer, bytes);
  }
  return absl::OkStatus();
}

void FairShare::Release(std::string_view sharer, int64_t bytes) {
  if (bytes <= 0) return;
  budget_->Release(bytes);
  if (sharer.empty()) return;
  const std::lock_guard lock(mu_);
  const auto it = held_.find(sharer);
  it->second -= bytes;
  if (it->second == 0) held_.erase(it);
}

}  // namespace skald
