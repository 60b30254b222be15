// What the services whose containers run here declare in their own labels, such as alerts: said to the
// server, which makes rules of it (rules/declared.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/push.pb.h"

namespace skald::agent {

// Whether a label, an annotation or a meta key is about alerts: com.df.* and skald.io/*.
bool IsDeclaringKey(std::string_view key);

// One service, by the labels of one of its containers or pods.
struct ServiceLabels {
  std::string name;
  std::string selector;  // of its streams, as the agent labels them when no relabel_configs say otherwise
  std::map<std::string, std::string> labels;  // all of them, or those that declare
};

// A Swarm service, a Compose service as project_service, or else the container itself.
ServiceLabels ServiceOfContainer(const std::string& container,
                                 const std::map<std::string, std::string>& labels);
// A Swarm service by its own labels.
ServiceLabels ServiceOfSwarm(const std::string& service, const std::map<std::string, std::string>& labels);
// A pod's application, as namespace/app.
ServiceLabels ServiceOfPod(const std::string& namespace_name, const std::string& app,
                           const std::map<std::string, std::string>& annotations);

// A discovery that sees what services declare. Thread-safe.
class DeclaringDiscovery {
 public:
  virtual ~DeclaringDiscovery() = default;
  // nullopt: not known yet, and nothing shall be said until it is.
  virtual std::optional<std::vector<ServiceLabels>> Declared() const = 0;
};

// Thread-safe.
class Declarations {
 public:
  // docker_directory: .../containers, whose config.v2.json have the labels; "" = none.
  explicit Declarations(std::string docker_directory) : docker_directory_(std::move(docker_directory)) {}

  // Those to ask from now on, as long as they live. What one of them says of a service that containers tell
  // of too is added to that, and wins.
  void SetDiscoveries(std::vector<std::weak_ptr<const DeclaringDiscovery>> discoveries);
  // All that is declared by now: the same object as long as it says the same; nullptr where nothing is known
  // yet. Looks again at most once a second.
  std::shared_ptr<const skald::push::v1::PushRequest> Current();

 private:
  struct Config {
    int64_t changed_ns = 0;
    uint64_t size = 0;
    uint64_t inode = 0;
    ServiceLabels service;  // without declaring labels: of no interest
  };
  void LookAtContainers();

  const std::string docker_directory_;
  std::mutex mu_;
  std::vector<std::weak_ptr<const DeclaringDiscovery>> discoveries_;  // guarded by mu_
  std::map<std::string, Config> configs_;                             // by container id; guarded by mu_
  int64_t looked_ns_ = 0;                                             // guarded by mu_; monotonic
  std::shared_ptr<const skald::push::v1::PushRequest> current_;       // guarded by mu_
};

}  // namespace skald::agent
