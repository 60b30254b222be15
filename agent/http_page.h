// The agent's own page: /ready, /healthy, /metrics, /targets.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "agent/agent.h"
#include "agent/stages/stage_metrics.h"
#include "base/metrics.h"

namespace skald::agent {

// Serves on a thread of its own, one request at a time: a scrape and a person now and then. The agent
// outlives it.
class HttpPage {
 public:
  // listen: host:port; port 0 takes any.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Start(const std::string& listen, Agent* agent,
                                                         std::shared_ptr<StageMetrics> stages);
  ~HttpPage();
  int port() const { return port_; }

 private:
  struct Listener;
  HttpPage(Agent* agent, std::shared_ptr<StageMetrics> stages);
  void Serve();
  // Status and body for a path; content type in *type.
  unsigned Answer(const std::string& path, std::string* body, std::string* type);
  void RegisterMetrics();

  Agent* const agent_;
  const std::shared_ptr<StageMetrics> stages_;
  Metrics metrics_;
  AgentStats stats_;  // of the scrape under way; only the page's thread uses it
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::agent
