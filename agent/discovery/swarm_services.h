// The labels of Swarm services, which stand in no container: asked of Docker's API where this node is a
// manager. Every manager tells of all services.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/discovery/declarations.h"
#include "agent/discovery/docker_api.h"
#include "base/types.h"

namespace skald::agent {

struct SwarmOptions {
  std::string socket = "/var/run/docker.sock";
  int64_t refresh_ns = 60 * kNsPerSecond;  // a list at least that often: a node may become a manager
  int64_t retry_ns = kNsPerSecond;
  int64_t patience_ns = 60 * kNsPerSecond;  // for the first answer, as long as there is a socket
};

// Without a socket, or on a node that is no manager, there are no services. A list that fails changes
// nothing.
class SwarmServices final : public DeclaringDiscovery {
 public:
  explicit SwarmServices(SwarmOptions options);
  ~SwarmServices() override;
  // Begins to ask. Before it there are none.
  void Start();
  std::optional<std::vector<ServiceLabels>> Declared() const override;

 private:
  void Run();
  // False: no answer.
  bool List();
  void Set(std::vector<ServiceLabels> services);

  const SwarmOptions options_;
  DockerCalls calls_;
  mutable std::mutex mu_;
  bool started_ = false;                                // guarded by mu_
  int64_t patient_until_ns_ = 0;                        // monotonic; guarded by mu_
  std::optional<std::vector<ServiceLabels>> services_;  // guarded by mu_
  std::thread thread_;
};

}  // namespace skald::agent
