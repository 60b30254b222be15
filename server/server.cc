#include "server/server.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/memory_limit.h"
#include "base/status_macros.h"
#include "server/api/delete_handlers.h"
#include "server/grpc/grpc_server.h"
#include "server/loki_metrics.h"
#include "server/push/otlp_handler.h"
#include "server/push/push_handler.h"
#include "server/tenant/retention.h"
#include "storage/filenames.h"

namespace skald::server {
namespace {

constexpr int kLookupThreads = 4;
constexpr uint64_t kFixedMemory = uint64_t{96} << 20;
constexpr double kReservedDisk = 0.02;
constexpr int kPageThreads = 4;
constexpr int64_t kNsPerMilli = 1'000'000;
// Agents keep what was not acknowledged, so their streams may be cut soon.
constexpr int64_t kGrpcDrainMs = 500;

WalSync SyncOf(const std::string& text) {
  if (text == "interval") return WalSync::kInterval;
  if (text == "off") return WalSync::kOff;
  return WalSync::kAlways;
}

}  // namespace

Server::Server(ServerConfig config) : config_(std::move(config)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerConfig config, std::string config_yaml) {
  RETURN_IF_ERROR(ValidateServerConfig(config));
  std::unique_ptr<Server> server(new Server(std::move(config)));
  RETURN_IF_ERROR(server->Open(std::move(config_yaml)));
  return server;
}

absl::Status Server::Open(std::string config_yaml) {
  limits_ = std::make_unique<TenantLimits>(config_.limits);
  if (!config_.overrides_file.empty()) {
    RETURN_IF_ERROR(limits_->Watch(config_.overrides_file, config_.overrides_period_ns, &metrics_));
  }
  const uint64_t available = AvailableMemory();
  const uint64_t ceiling = config_.memory_limit > 0 ? config_.memory_limit
                           : available > 0          ? available / 2
                                                    : std::numeric_limits<int64_t>::max();
  memory_ = std::make_unique<MemoryBudget>("the process (memory.limit)", static_cast<int64_t>(ceiling));
  // What is always there: caches, code, and what is not counted byte by byte.
  RETURN_IF_ERROR(memory_->Reserve(static_cast<int64_t>(std::min(kFixedMemory, ceiling / 4))));
  results_ = std::make_unique<exec::ResultCache>(
      static_cast<int64_t>(std::min(config_.query_results_memory, ceiling / 4)), memory_.get(),
      &Clock::System());
  memory_->OnShortage([this](int64_t bytes) { results_->GiveBack(bytes); });
  StoreOptions options;
  options.memory = memory_.get();
  options.reserved_disk = kReservedDisk;
  options.directory = config_.data_dir;
  options.wal_sync = SyncOf(config_.wal_sync);
  options.wal_sync_interval_ms = std::max<int64_t>(config_.wal_sync_interval_ns / kNsPerMilli, 1);
  options.head_memory_bytes = std::min(config_.head_memory, ceiling / 4);
  options.head_max_age_ms = config_.head_max_age_ns / kNsPerMilli;
  options.min_free_disk = config_.min_free_disk_percent / 100;
  options.max_disk_bytes = config_.max_disk;
  options.compact_interval_ms = std::max<int64_t>(config_.compaction_interval_ns / kNsPerMilli, 1);
  options.compact_quiet_ms = config_.compaction_quiet_ns / kNsPerMilli;
  options.fresh_rows = [this](const FreshRows& rows) {
    tails_.Publish(rows);
    rule_windows_.Publish(rows.tenant, rows.stream, rows.labels, rows.rows->time_ns.front(),
                          rows.rows->time_ns.back(), Raw(rows.lsn));
    results_->Publish(rows.tenant, *rows.labels, rows.rows->time_ns.front(), rows.rows->time_ns.back());
  };
  store_numbers_ = ObserveStore(static_cast<double>(options.block_text_bytes), &Clock::System(), &metrics_);
  options.observer = store_numbers_.get();
  options.flushing = [this](Lsn applied) { return rule_windows_.NoteLate(Raw(applied)); };
  options.lines_going = [this](int64_t min_ns, int64_t max_ns) {
    return rule_windows_.ExpectLoss(min_ns, max_ns);
  };
  options.lines_removed = [this](int64_t min_ns, int64_t max_ns) {
    rule_windows_.ForgetTimes(min_ns, max_ns);
    results_->ForgetTimes(min_ns, max_ns);
  };
  if (config_.rules.enabled) {
    window_keeper_ =
        std::make_unique<WindowKeeper>(config_.data_dir + "/ruler/windows", &rule_windows_, &metrics_);
  } else {
    // Nobody tells what is kept there what happens to the lines.
    RETURN_IF_ERROR(rules::WindowDb::Remove(config_.data_dir + "/ruler/windows"));
  }
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options);
  if (!store.ok()) {
    return Annotate(
        store.status(),
        fmt::format("cannot use the data directory {} (choose another with --data-dir)", config_.data_dir));
  }
  store_ = *std::move(store);
  if (config_.retention_enabled) {
    store_->SetRetention(std::make_shared<LimitsRetention>(limits_.get()));
  } else if (LimitsRetention(limits_.get()).ShortestNs() > 0) {
    LogWarn("limits_config.retention_period and retention_stream hold only with compactor.retention_enabled");
  }
  visible_ = std::make_unique<DeleteView>(store_.get());
  visible_->OnSet([this](std::string_view tenant, const std::string& name) {
    rule_windows_.Forget(tenant, name);
    results_->Forget(tenant);
  });
  ASSIGN_OR_RETURN(deletes_,
                   DeleteService::Open(DeletesFileName(config_.data_dir), visible_.get(), &Clock::System()));
  PurgeOptions purge;
  purge.store = store_.get();
  purge.cancel_period_ns = config_.delete_cancel_period_ns;
  purge.interval_ns = std::max<int64_t>(config_.compaction_interval_ns, kNsPerMilli);
  purge.may_purge = [limits = limits_.get()](const std::string& tenant) {
    return limits->Of(tenant)->deletion_mode == "filter-and-delete";
  };
  deletes_->Start(std::move(purge));

  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int concurrency =
      config_.query_concurrency > 0 ? static_cast<int>(config_.query_concurrency) : std::max(4, 2 * cores);
  const auto queue = static_cast<size_t>(config_.query_queue);
  // Of threads and memory a tenant has three quarters at most, where there are several.
  const auto of_one = [this](int threads) {
    return static_cast<size_t>(config_.auth_enabled ? std::max(1, threads * 3 / 4) : threads);
  };
  query_budget_ = std::make_unique<MemoryBudget>("all queries (query.memory)",
                                                 static_cast<int64_t>(config_.query_memory), memory_.get());
  tenant_budgets_ = std::make_unique<TenantBudgets>(
      query_budget_.get(),
      static_cast<int64_t>(config_.auth_enabled ? config_.query_memory / 4 * 3 : config_.query_memory));
  scan_pool_ = std::make_unique<ThreadPool>(cores);
  tail_pool_ = std::make_unique<ThreadPool>(2);
  slow_pool_ = std::make_unique<ThreadPool>(1);
  page_pool_ = std::make_unique<ThreadPool>(kPageThreads);
  visible_->Use(scan_pool_.get(), query_budget_.get());
  tenants_ = std::make_unique<MultiTenantSource>(visible_.get());
  engine_ = std::make_unique<Engine>(tenants_.get(), scan_pool_.get(), query_budget_.get());
  queries_ = std::make_unique<QueryPool>("queries", concurrency, queue, of_one(concurrency), &metrics_);
  lookups_ = std::make_unique<QueryPool>("lookups", kLookupThreads, queue, of_one(kLookupThreads), &metrics_);
  ingest_ = std::make_unique<IngestService>(&config_, limits_.get(), store_.get(), memory_.get(),
                                            &Clock::System(), &metrics_);

  query_service_.config = &config_;
  query_service_.limits = limits_.get();
  query_service_.source = tenants_.get();
  query_service_.engine = engine_.get();
  query_service_.results = results_.get();
  query_service_.budgets = tenant_budgets_.get();
  query_service_.queries = queries_.get();
  query_service_.lookups = lookups_.get();
  query_service_.tails = &tails_;
  query_service_.deletes = visible_.get();
  query_service_.tail_pool = tail_pool_.get();
  query_service_.clock = &Clock::System();
  query_service_.metrics = &metrics_;
  status_service_.config = &config_;
  status_service_.limits = limits_.get();
  status_service_.metrics = &metrics_;
  status_service_.store = store_.get();
  status_service_.stopping = &stopping_;
  status_service_.config_yaml = std::move(config_yaml);
  ServerConfig defaults;
  Config registry("skald", "", std::string(kVersion));
  RegisterServerOptions(&registry, &defaults);
  status_service_.default_config_yaml = registry.EffectiveYaml();
  status_service_.run = [this](std::function<void()> work) { slow_pool_->Add(std::move(work)); };
  AddPushRoutes(&config_, ingest_.get(), &router_);
  AddOtlpRoutes(&config_, ingest_.get(), &router_);
  AddDeleteRoutes(
      &config_, limits_.get(), deletes_.get(), &Clock::System(),
      [this](std::function<void()> work) { slow_pool_->Add(std::move(work)); }, &router_);
  AddReadRoutes(&query_service_, &router_);
  AddStatusRoutes(&status_service_, &router_);
  page_service_ = {&config_.page, config_.auth_enabled, page_pool_.get()};
  AddPageRoutes(&page_service_, &router_);
  AddLimitsRoutes(&status_service_, &router_);
  if (config_.rules.enabled) {
    window_keeper_->Begin(store_.get());
    RulesConfig rules = config_.rules;
    if (rules.external_url.empty()) rules.external_url = "http://" + config_.http_listen;
    ASSIGN_OR_RETURN(rules_, RulesService::Open(rules, config_.auth_enabled, config_.data_dir, engine_.get(),
                                                store_.get(), &rule_windows_, &metrics_));
    AddRulesRoutes(rules_.get(), &router_);
    AddServiceRulesRoutes(rules_.get(), &router_);
  }
  metrics_.AddProcessMetrics();
  metrics_.Gauge("loki_build_info", "1, with the version.", {{"version", std::string(kVersion)}}).Set(1);
  AddStoreMetrics(this, store_.get(), &metrics_);
  AddLokiMetrics(this, store_.get(), deletes_.get(), &Clock::System(), &metrics_);
  AddResultMetrics(this, results_.get(), &metrics_);

  HttpServerOptions http;
  http.listen = config_.http_listen;
  http.max_connections = static_cast<uint32_t>(config_.max_connections);
  http.max_body_memory_bytes = config_.push_memory;
  http.max_answer_memory_bytes = config_.query_answer_memory;
  if (config_.auth_enabled) http.share_by_header = "X-Scope-OrgID";
  http.memory = memory_.get();
  ASSIGN_OR_RETURN(http_, HttpServer::Start(http, &router_, &metrics_));
  if (!config_.grpc_listen.empty()) {
    ASSIGN_OR_RETURN(grpc_, GrpcServer::Start(config_, ingest_.get(), store_.get(), &metrics_, memory_.get(),
                                              [this](const std::string& tenant, const std::string& agent_id,
                                                     const push::v1::Declarations& declarations) {
                                                if (rules_ != nullptr)
                                                  rules_->Declare(tenant, agent_id, declarations);
                                              }));
  }
  if (rules_ != nullptr) rules_->Start();
  return absl::OkStatus();
}

void Server::Shutdown() {
  if (shut_down_.exchange(true)) return;
  stopping_ = true;
  if (store_ != nullptr) store_->StopMaintenance();
  if (rules_ != nullptr) rules_->Stop();
  if (grpc_ != nullptr) grpc_->Shutdown(kGrpcDrainMs);
  if (http_ != nullptr) http_->Shutdown(config_.shutdown_timeout_ns / kNsPerMilli);
  grpc_ = nullptr;
  metrics_.RemoveCallbacks(this);
  queries_ = nullptr;
  lookups_ = nullptr;
  tail_pool_ = nullptr;
  slow_pool_ = nullptr;
  page_pool_ = nullptr;
  rules_ = nullptr;
  ingest_ = nullptr;
  engine_ = nullptr;
  scan_pool_ = nullptr;
  tenants_ = nullptr;
  deletes_ = nullptr;
  visible_ = nullptr;
  window_keeper_ = nullptr;  // after all that may remove lines, while the store can tell how far it is
  store_ = nullptr;
}

Server::~Server() { Shutdown(); }

uint16_t Server::http_port() const { return http_->port(); }
uint16_t Server::grpc_port() const { return grpc_ != nullptr ? grpc_->port() : 0; }
std::string Server::http_address() const { return http_->address(); }
std::string Server::grpc_address() const {
  if (grpc_ == nullptr) return "off";
  return config_.grpc_listen.substr(0, config_.grpc_listen.rfind(':') + 1) + std::to_string(grpc_->port());
}

}  // namespace skald::server
