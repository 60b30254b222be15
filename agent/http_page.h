// The agent's own page: /ready, /healthy, /metrics, /targets, /tap, /-/reload.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/stages/stage_metrics.h"
#include "agent/stages/tap.h"
#include "agent/tap_page.h"
#include "base/file.h"
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
  // Other ends from now on; none is asked any more when this returns. From any thread.
  void SetAgents(std::vector<Agent*> agents);
  // What POST /-/reload does; before it, 404. Called on the page's thread.
  void SetReload(std::function<absl::Status()> reload);
  // What GET /tap shows; before it, 404. To other hosts only if to_others: lines may be confidential.
  void SetTap(std::shared_ptr<Tap> tap, bool to_others);
  // Counts a reload that came another way.
  void CountReload(bool ok);
  // For more metrics than the ends have; callbacks of the page's own address go with it.
  Metrics* metrics() { return &metrics_; }

 private:
  struct Listener;
  HttpPage(std::vector<Agent*> agents, std::shared_ptr<StageMetrics> stages);
  void Serve();
  // Status and body for a path; content type in *type.
  unsigned Answer(const std::string& path, bool html, std::string* body, std::string* type);
  unsigned Reload(std::string* body);
  // 0: the connection is taken over.
  unsigned ServeTap(const std::string& query, bool from_here, const std::function<FileDescriptor()>& take,
                    std::string* body);
  unsigned TargetsJson(std::string* body);
  void RegisterMetrics();
  void RegisterPromtailNames();

  // One sample an end.
  std::vector<Metrics::Sample> Samples(const std::function<double(const AgentStats&)>& read) const;
  // Samples with the label "reason".
  using AddReason = std::function<void(std::string_view reason, double value)>;
  void ReasonMetric(const char* name, const char* help,
                    std::function<void(const AgentStats&, const AddReason&)> read);

  std::mutex mu_;               // held while agents are asked
  std::vector<Agent*> agents_;  // guarded by mu_
  std::mutex reload_mu_;
  std::function<absl::Status()> reload_;  // guarded by reload_mu_
  std::unique_ptr<TapPage> tap_;          // likewise
  bool tap_to_others_ = false;            // likewise
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> failed_reloads_{0};
  const std::shared_ptr<StageMetrics> stages_;
  Metrics metrics_;
  std::vector<AgentStats> stats_;  // of the scrape under way, by agent; only the page's thread uses it
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::agent
