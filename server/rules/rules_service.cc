#include "server/rules/rules_service.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/push.pb.h"
#include "rules/evaluate.h"
#include "server/push/rows_builder.h"
#include "server/tenant/tenant.h"

namespace skald::server {
namespace {

absl::Status AppendHistory(Store* store, const std::string& tenant,
                           const std::vector<rules::HistoryLine>& lines) {
  RowsBuilder builder;
  for (const rules::HistoryLine& line : lines) {
    builder.Add(line.time_ns, line.line);
    builder.Set("alertname", line.alert);
    builder.Set("alertstate", line.state);
  }
  StreamRows stream;
  stream.labels = Labels{{"skald_source", "alerts"}, {"service_name", "skald"}};
  stream.rows = std::make_shared<const Rows>(builder.Take());
  AppendBatch batch;
  batch.tenant = tenant;
  batch.streams.push_back(std::move(stream));
  return store->AppendAndWait(std::move(batch));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RulesService>> RulesService::Open(const RulesConfig& config, bool auth_enabled,
                                                                 const std::string& data_dir,
                                                                 const Engine* engine, Store* store,
                                                                 exec::RollingWindows* windows,
                                                                 Metrics* metrics) {
  std::unique_ptr<RulesService> service(new RulesService());
  service->auth_enabled_ = auth_enabled;
  const std::string directory = data_dir + "/ruler";
  ASSIGN_OR_RETURN(service->db_, rules::RuleDb::Open(directory + "/state"));
  ASSIGN_OR_RETURN(service->audit_, rules::AuditLog::Open(directory + "/audit.jsonl"));
  service->history_ = std::make_unique<rules::History>(
      [store](const std::string& tenant, const std::vector<rules::HistoryLine>& lines) {
        return AppendHistory(store, tenant, lines);
      },
      service->db_.get(), service->audit_.get());

  rules::ManagerSinks sinks;
  sinks.history = service->history_.get();
  for (const std::string& url : config.alertmanagers) {
    if (url.empty()) continue;
    rules::NotifierOptions options;
    options.target = config.alertmanager;
    options.target.url = url;
    options.target.timeout_ms = std::max<int64_t>(config.notification_timeout_ns / kNsPerMs, 1);
    options.capacity = static_cast<size_t>(config.queue_capacity);
    options.external_labels = config.external_labels;
    options.relabelling = config.alert_relabelling;
    service->notifiers_.push_back(std::make_unique<rules::Notifier>(
        std::move(options), service->db_.get(), service->audit_.get(), &Clock::System(), metrics));
    sinks.notifiers.push_back(service->notifiers_.back().get());
  }
  if (config.remote_write_enabled) {
    for (const RulesConfig::RemoteWrite& client : config.remote_writes) {
      rules::RemoteWriteOptions options;
      options.name = client.name;
      options.target = client.target;
      options.relabelling = client.relabelling;
      options.add_org_id_header = config.add_org_id_header;
      service->remote_writers_.push_back(
          std::make_unique<rules::RemoteWriter>(std::move(options), service->db_.get(), metrics));
      sinks.remote_writers.push_back(service->remote_writers_.back().get());
    }
  }

  rules::ManagerOptions options;
  options.groups.default_interval_ns = config.evaluation_interval_ns;
  options.groups.default_query_offset_ns = config.query_offset_ns;
  options.groups.resend_delay_ns = config.resend_delay_ns;
  options.groups.external_labels = config.external_labels;
  options.groups.external_url = config.external_url;
  while (options.groups.external_url.ends_with('/')) options.groups.external_url.pop_back();
  options.groups.datasource_uid = config.datasource_uid;
  MetricCounter* const lines =
      &metrics->Counter("skald_rule_read_lines_total", "Lines that rules have read.");
  MetricCounter* const bytes =
      &metrics->Counter("skald_rule_read_bytes_total", "Bytes of the lines that rules have read.");
  options.groups.evaluate = [engine, windows, lines, bytes](const std::string& tenant,
                                                            const logql::ExprPtr& expr, int64_t at_ns,
                                                            int64_t interval_ns) {
    rules::KeptWindows kept;
    if (interval_ns > 0) kept = {windows, interval_ns};
    QueryStats stats;
    absl::StatusOr<Vector> vector = rules::EvaluateAt(*engine, tenant, expr, at_ns, kept, &stats);
    lines->Add(static_cast<double>(stats.lines_processed));
    bytes->Add(static_cast<double>(stats.bytes_processed));
    return vector;
  };
  if (windows != nullptr) {
    metrics->Callback(service.get(), MetricKind::kGauge, "skald_rule_window_bytes",
                      "Memory of the partial aggregates that rules keep.", [windows] {
                        return std::vector<Metrics::Sample>{{{}, static_cast<double>(windows->bytes())}};
                      });
  }
  service->metrics_ = metrics;
  options.rules_directory = config.directory.empty() ? data_dir + "/rules" : config.directory;
  options.api_directory = directory + "/namespaces";
  options.poll_interval_ns = config.poll_interval_ns;
  options.enabled_tenants = config.enabled_tenants;
  options.disabled_tenants = config.disabled_tenants;
  options.outage_tolerance_ns = config.outage_tolerance_ns;
  options.evaluation_threads = config.threads > 0
                                   ? static_cast<int>(config.threads)
                                   : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  service->manager_ = std::make_unique<rules::Manager>(std::move(options), std::move(sinks),
                                                       service->db_.get(), &Clock::System(), metrics);
  service->services_ = std::make_unique<rules::DeclaredServices>(
      service->manager_.get(), service->db_.get(),
      rules::DeclaredServicesOptions{config.declared_silence_ns, &Clock::System()});
  return service;
}

void RulesService::Declare(const std::string& tenant, const std::string& agent_id,
                           const push::v1::Declarations& declarations) {
  std::vector<rules::ServiceDeclaration> services;
  for (const push::v1::DeclaringService& service : declarations.services()) {
    rules::ServiceDeclaration declaration;
    declaration.service = service.name();
    declaration.selector = service.selector();
    declaration.labels.insert(service.labels().begin(), service.labels().end());
    services.push_back(std::move(declaration));
  }
  for (const std::string& problem :
       services_->Replace(tenant, std::string(rules::kAgentSource) + agent_id, services)) {
    LogWarn("alerts that a service declares are refused", "agent={} problem=\"{}\"", agent_id, problem);
  }
}

void RulesService::Start() { manager_->Start(); }
void RulesService::Stop() { manager_->Stop(); }

RulesService::~RulesService() {
  Stop();
  if (metrics_ != nullptr) metrics_->RemoveCallbacks(this);
}

}  // namespace skald::server
