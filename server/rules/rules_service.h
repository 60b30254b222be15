// Rules in the server: joins rules/ with the engine, the store and the doors.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "query/exec/engine.h"
#include "rules/manager.h"
#include "server/http/router.h"
#include "server/rules/rules_config.h"
#include "storage/store.h"

namespace skald::server {

// Thread-safe. Everything given outlives it.
class RulesService {
 public:
  // Opens <data_dir>/ruler and reads the rule files; Start begins evaluating.
  static absl::StatusOr<std::unique_ptr<RulesService>> Open(const RulesConfig& config, bool auth_enabled,
                                                            const std::string& data_dir, const Engine* engine,
                                                            Store* store, Metrics* metrics);
  ~RulesService();

  void Start();
  void Stop();

  rules::Manager* manager() { return manager_.get(); }
  bool auth_enabled() const { return auth_enabled_; }

 private:
  RulesService() = default;

  bool auth_enabled_ = false;
  std::unique_ptr<rules::RuleDb> db_;
  std::unique_ptr<rules::AuditLog> audit_;
  std::unique_ptr<rules::History> history_;
  std::vector<std::unique_ptr<rules::Notifier>> notifiers_;
  std::vector<std::unique_ptr<rules::RemoteWriter>> remote_writers_;
  std::unique_ptr<rules::Manager> manager_;
};

// Loki's rules API (YAML) and Prometheus' state API (JSON).
void AddRulesRoutes(RulesService* service, Router* router);

}  // namespace skald::server
