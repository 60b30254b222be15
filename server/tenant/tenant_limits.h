// The limits of each tenant: limits_config, and on top of it what an overrides file says for single tenants.
// The file is read again while the server runs.
#pragma once

#include <absl/status/status.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "server/tenant/limits.h"

namespace skald::server {

// Thread-safe.
class TenantLimits {
 public:
  explicit TenantLimits(Limits base);
  ~TenantLimits();
  TenantLimits(const TenantLimits&) = delete;
  TenantLimits& operator=(const TenantLimits&) = delete;

  // The tenant's limits as they are now; a caller keeps them for as long as one request takes. `a|b`: the
  // smallest positive value of each limit on questions.
  std::shared_ptr<const Limits> Of(std::string_view tenant) const;

  // Those that single tenants have of their own.
  std::vector<std::shared_ptr<const Limits>> Overridden() const;

  // Of every tenant that has none of its own: Of gives out this same object for them.
  const std::shared_ptr<const Limits>& base() const { return base_; }

  // Takes `overrides: {tenant: {limit: value}}` in place of what was in force. On an error nothing changes.
  absl::Status Apply(std::string_view yaml, std::string_view file);
  // Reads the file (an error of this first time is the caller's), then looks every period whether it changed;
  // an error of later times is logged and counted, and what was in force stays.
  absl::Status Watch(std::string file, int64_t period_ns, Metrics* metrics);

 private:
  using Overrides = std::map<std::string, std::shared_ptr<const Limits>, std::less<>>;

  absl::Status Reload();
  void Run(int64_t period_ns);

  const std::shared_ptr<const Limits> base_;
  mutable std::mutex mu_;
  std::shared_ptr<const Overrides> overrides_;  // guarded by mu_
  std::string file_;
  std::string text_;  // of the file, as it is in force or was refused; of Watch and its thread
  MetricGauge* loaded_ = nullptr;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace skald::server
