// The ends of the process and what they share, over reloads: what has not changed goes on as it is.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/agent_config.h"

namespace skald::agent {

// Thread-safe but for Start and Stop, which the owner calls.
class Ends {
 public:
  // Told of the agents there are, before one of them goes and after one has come.
  using OnChange = std::function<void(const std::vector<Agent*>&)>;

  // FailedPrecondition if another process uses a state directory; nothing runs then.
  absl::Status Start(AgentSettings settings, std::shared_ptr<Spool> spool);
  void SetOnChange(OnChange on_change);
  // Takes the configuration anew, by load. An error leaves all as it is. Targets, files of targets and the
  // journal change within a running end; an end with other settings begins anew with its own state; new ones
  // come, and those that are gone stop. What receives (and the page's address) needs a restart: said in the
  // log.
  absl::Status Reload(
      const std::function<absl::StatusOr<AgentSettings>(const AgentSettings& previous)>& load);
  // Ends all of them, and waits.
  void Stop();
  std::vector<Agent*> agents() const;

 private:
  struct End {
    std::string name;
    std::string definition;
    std::unique_ptr<Agent> agent;
    std::thread thread;
  };
  static std::vector<AgentConfig> ConfigsOf(const AgentSettings& settings);
  absl::Status Add(AgentConfig config);
  void Remove(const std::string& name);
  void Tell();

  std::mutex reload_mu_;  // one reload at a time
  mutable std::mutex mu_;
  std::vector<std::unique_ptr<End>> ends_;  // guarded by mu_
  OnChange on_change_;                      // guarded by mu_
  AgentSettings settings_;                  // guarded by reload_mu_
  std::shared_ptr<Spool> spool_;
};

}  // namespace skald::agent
