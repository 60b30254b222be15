// Memory that a tenant's questions have together: a part of all questions' memory, so that one tenant's do
// not take what the others' need.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/memory_budget.h"

namespace skald::server {

// Thread-safe. `a|b` counts as a tenant of its own.
class TenantBudgets {
 public:
  // all outlives it. bytes: of each tenant.
  TenantBudgets(MemoryBudget* all, int64_t bytes) : all_(all), bytes_(bytes) {}

  // To be held as long as a question is under way.
  std::shared_ptr<MemoryBudget> Of(std::string_view tenant) {
    const std::lock_guard lock(mu_);
    // Ids are what senders make up: those without a question in hand are let go before they are very many.
    constexpr size_t kMany = 10'000;
    if (budgets_.size() >= kMany) {
      std::erase_if(budgets_, [](const auto& item) { return item.second.use_count() == 1; });
    }
    const auto it = budgets_.find(tenant);
    if (it != budgets_.end()) return it->second;
    auto made = std::make_shared<MemoryBudget>("all queries of a tenant (query.memory)", bytes_, all_);
    return budgets_.emplace(std::string(tenant), std::move(made)).first->second;
  }

 private:
  MemoryBudget* const all_;
  const int64_t bytes_;
  std::mutex mu_;
  std::map<std::string, std::shared_ptr<MemoryBudget>, std::less<>> budgets_;  // guarded by mu_
};

}  // namespace skald::server
