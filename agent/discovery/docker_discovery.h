// Containers as Docker's API tells of them, over its Unix socket: one list, and a new one whenever the event
// stream says something happened. Lines are read from the containers' json-files, never over the API.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/discovery/docker_api.h"
#include "agent/discovery/target.h"
#include "base/labels.h"
#include "base/types.h"

namespace skald::agent {

struct DockerOptions {
  std::string socket = "/var/run/docker.sock";
  std::string filters;                     // JSON as /containers/json takes it; "" = all containers
  int64_t refresh_ns = 60 * kNsPerSecond;  // a list at least that often
  int64_t retry_ns = 5 * kNsPerSecond;
};

// Without an answer from the socket the path's own files (config.v2.json) must do, and Find says so.
class DockerDiscovery final : public LogMetadata {
 public:
  explicit DockerDiscovery(DockerOptions options);
  ~DockerDiscovery() override;
  // Begins to ask. Before it, Find answers kNone.
  void Start();

  Answer Find(const std::string& path, Labels* meta) const override;
  uint64_t version() const override;
  std::vector<std::string> Patterns() const override;

 private:
  struct Container {
    Labels meta;
    bool wanted = true;  // by the filters
    std::string log_path;
    bool inspected = false;
  };
  void Run();
  // False: no answer.
  bool List();
  bool Get(const std::string& target, std::string* body);
  void SetState(bool reachable);

  const DockerOptions options_;
  DockerCalls calls_;
  mutable std::mutex mu_;
  // Guarded by mu_.
  std::map<std::string, Container> containers_;  // by id
  std::set<std::string> patterns_;
  uint64_t version_ = 0;
  bool started_ = false;
  bool listed_ = false;
  bool unreachable_ = false;
  std::thread thread_;
};

}  // namespace skald::agent
