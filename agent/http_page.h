// The agent's own page: /ready, /healthy, /metrics, /targets.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/stages/stage_metrics.h"
#include "base/metrics.h"

namespace skald::agent {

// Serves on a thread of its own, one request at a time: a scrape and a person now and then. The agents (one
// for each end) outlive it. With several, metrics carry the label "end".
class HttpPage {
 public:
  // listen: host:port; port 0 takes any.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Start(const std::string& listen,
                                                         std::vector<Agent*> agents,
                                                         std::shared_ptr<StageMetrics> stages);
  ~HttpPage();
  int port() const { return port_; }

 private:
  struct Listener;
  HttpPage(std::vector<Agent*> agents, std::shared_ptr<StageMetrics> stages);
  void Serve();
  // Status and body for a path; content type in *type.
  unsigned Answer(const std::string& path, std::string* body, std::string* type);
  void RegisterMetrics();
  void RegisterPromtailNames();

  // One sample an end.
  std::vector<Metrics::Sample> Samples(const std::function<double(const AgentStats&)>& read) const;
  // Samples with the label "reason".
  using AddReason = std::function<void(std::string_view reason, double value)>;
  void ReasonMetric(const char* name, const char* help,
                    std::function<void(const AgentStats&, const AddReason&)> read);

  const std::vector<Agent*> agents_;
  const std::shared_ptr<StageMetrics> stages_;
  Metrics metrics_;
  std::vector<AgentStats> stats_;  // of the scrape under way, by agent; only the page's thread uses it
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::agent
