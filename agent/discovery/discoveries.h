// The discoveries under way, shared by all jobs and ends that ask the same of the same: one watch on the API
// server, however many scrape configs name it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/discovery/docker_discovery.h"
#include "agent/discovery/kubernetes_watch.h"
#include "agent/discovery/nomad_watch.h"
#include "agent/discovery/swarm_services.h"
#include "agent/discovery/target.h"

namespace skald::agent {

// Thread-safe. A discovery ends when no target refers to it any more, so one that a reload still needs goes
// on.
class Discoveries {
 public:
  std::shared_ptr<const LogMetadata> Kubernetes(const KubernetesOptions& options);
  std::shared_ptr<const LogMetadata> Docker(const DockerOptions& options);
  std::shared_ptr<const LogMetadata> Nomad(const NomadOptions& options);
  std::shared_ptr<const DeclaringDiscovery> Swarm(const SwarmOptions& options);
  // Lets those there are, and those to come, ask. Without it they know nothing: for a check or a dry run.
  void Start();

 private:
  template <typename Kind, typename Options>
  std::shared_ptr<const Kind> Get(const std::string& key, const Options& options);

  std::mutex mu_;
  struct Known {
    std::weak_ptr<const void> discovery;  // of the kind that the key begins with
    std::function<void()> start;
  };
  std::map<std::string, Known> known_;  // guarded by mu_
  bool started_ = false;                // guarded by mu_
};

}  // namespace skald::agent
