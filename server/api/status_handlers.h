// What the server says about itself: ready, metrics, config, services, log level, build, limits, flush.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/metrics.h"
#include "query/exec/metric/result_cache.h"
#include "server/config.h"
#include "server/http/router.h"
#include "server/tenant/tenant_limits.h"
#include "storage/store.h"

namespace skald::server {

// Everything outlives the router.
struct StatusService {
  const ServerConfig* config;
  const TenantLimits* limits;
  const Metrics* metrics;
  Store* store;
  std::atomic<bool>* stopping;                     // /ready answers 503 then
  std::string config_yaml;                         // what is in force
  std::string default_config_yaml;                 // mode=defaults
  std::function<void(std::function<void()>)> run;  // puts work on a thread that may wait
};

void AddStatusRoutes(const StatusService* service, Router* router);
// drilldown-limits and /config/tenant/v1/limits.
void AddLimitsRoutes(const StatusService* service, Router* router);

// The store's statistics for /metrics.
void AddStoreMetrics(const void* owner, const Store* store, Metrics* metrics);
// The same of kept results.
void AddResultMetrics(const void* owner, const exec::ResultCache* results, Metrics* metrics);

}  // namespace skald::server
