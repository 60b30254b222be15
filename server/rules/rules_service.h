// Rules in the server: joins rules/ with the engine, the store and the doors.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "query/exec/engine.h"
#include "query/exec/windows/rolling_windows.h"
#include "rules/declared_services.h"
#include "rules/manager.h"
#include "server/http/router.h"
#include "server/rules/rules_config.h"
#include "storage/store.h"

namespace skald::push::v1 {
class Declarations;
}

namespace skald::server {

// Of all that rules keep between two evaluations (query/exec/windows/rolling_windows.h).
inline constexpr int64_t kRuleWindowsBytes = int64_t{256} << 20;

// Thread-safe. Everything given outlives it.
class RulesService {
 public:
  // Opens <data_dir>/ruler and reads the rule files; Start begins evaluating. windows: told of each row of
  // the store and each delete; null: windows are read anew with each evaluation.
  static absl::StatusOr<std::unique_ptr<RulesService>> Open(const RulesConfig& config, bool auth_enabled,
                                                            const std::string& data_dir, const Engine* engine,
                                                            Store* store, exec::RollingWindows* windows,
                                                            Metrics* metrics);
  ~RulesService();

  void Start();
  void Stop();

  // What an agent says of the services that it sees.
  void Declare(const std::string& tenant, const std::string& agent_id,
               const push::v1::Declarations& declarations);

  rules::Manager* manager() { return manager_.get(); }
  rules::DeclaredServices* services() { return services_.get(); }
  bool auth_enabled() const { return auth_enabled_; }

 private:
  RulesService() = default;

  bool auth_enabled_ = false;
  Metrics* metrics_ = nullptr;
  std::unique_ptr<rules::RuleDb> db_;
  std::unique_ptr<rules::AuditLog> audit_;
  std::unique_ptr<rules::History> history_;
  std::vector<std::unique_ptr<rules::Notifier>> notifiers_;
  std::vector<std::unique_ptr<rules::RemoteWriter>> remote_writers_;
  std::unique_ptr<rules::Manager> manager_;
  std::unique_ptr<rules::DeclaredServices> services_;
};

// Loki's rules API (YAML) and Prometheus' state API (JSON).
void AddRulesRoutes(RulesService* service, Router* router);
// docker-flow-monitor's requests about services that declare alerts.
void AddServiceRulesRoutes(RulesService* service, Router* router);

}  // namespace skald::server
