// The whole server: store, engine, doors. main.cc makes one; so do tests.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/thread_pool.h"
#include "query/exec/engine.h"
#include "query/exec/metric/result_cache.h"
#include "server/api/query_handlers.h"
#include "server/api/status_handlers.h"
#include "server/config.h"
#include "server/delete_service.h"
#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/page/page_handlers.h"
#include "server/push/ingest.h"
#include "server/rules/rules_service.h"
#include "server/rules/window_keeper.h"
#include "server/tenant/multi_tenant_source.h"
#include "storage/deletes/delete_view.h"
#include "storage/store.h"

namespace skald::server {

class GrpcServer;

class Server {
 public:
  // Opens the store, then the doors. config_yaml is what GET /config shows. Errors are fit for a person: the
  // data directory cannot be used, an address is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerConfig config, std::string config_yaml);
  ~Server();

  // Stops accepting, finishes what is under way, closes the store. Idempotent.
  void Shutdown();

  uint16_t http_port() const;
  uint16_t grpc_port() const;  // 0 without gRPC
  std::string http_address() const;
  std::string grpc_address() const;
  Store* store() { return store_.get(); }

 private:
  explicit Server(ServerConfig config);
  absl::Status Open(std::string config_yaml);

  const ServerConfig config_;
  Metrics metrics_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> shut_down_{false};
  // In order of dependency; Shutdown takes them down from the end.
  std::unique_ptr<TenantLimits> limits_;
  exec::RollingWindows rule_windows_{kRuleWindowsBytes};
  TailHub tails_;
  std::unique_ptr<MemoryBudget> memory_;  // of the process
  std::unique_ptr<exec::ResultCache> results_;
  std::unique_ptr<StoreObserver> store_numbers_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DeleteView> visible_;  // the store without what was deleted: what questions see
  std::unique_ptr<DeleteService> deletes_;
  std::unique_ptr<MultiTenantSource> tenants_;  // what questions see
  std::unique_ptr<MemoryBudget> query_budget_;
  std::unique_ptr<TenantBudgets> tenant_budgets_;
  std::unique_ptr<ThreadPool> scan_pool_;
  std::unique_ptr<ThreadPool> tail_pool_;
  std::unique_ptr<ThreadPool> slow_pool_;  // flushes and the like
  std::unique_ptr<ThreadPool> page_pool_;  // waits for what the page shows of other programs
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<QueryPool> queries_;
  std::unique_ptr<QueryPool> lookups_;
  std::unique_ptr<IngestService> ingest_;
  std::unique_ptr<RulesService> rules_;          // null where rules are off
  std::unique_ptr<WindowKeeper> window_keeper_;  // null where rules are off
  QueryService query_service_{};
  StatusService status_service_{};
  PageService page_service_{};
  Router router_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace skald::server
