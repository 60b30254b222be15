// The allocations of this node as Nomad's HTTP API tells of them: which job and group a task's log is of, and
// what jobs declare in their meta. Logs are found by their paths, so all this only decorates.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/discovery/declarations.h"
#include "agent/discovery/target.h"
#include "base/http_post.h"
#include "base/labels.h"
#include "base/types.h"

namespace skald::agent {

struct NomadOptions {
  HttpTarget server;  // url: http://host:port; "" = nobody is asked
  std::string node_name;
  int64_t wait_ns = 60 * kNsPerSecond;  // a request is asked to wait for news for about that
  int64_t grace_ns = 30 * kNsPerSecond;
  int64_t min_backoff_ns = kNsPerSecond;
  int64_t max_backoff_ns = 30 * kNsPerSecond;
  int64_t keep_gone_ns = 600 * kNsPerSecond;
};

// The address, http://host:port or unix:///path, as NOMAD_ADDR has it. False for any other.
bool UseNomadAddress(std::string_view address, HttpTarget* server);
// Address, token and certificates from NOMAD_ADDR, NOMAD_TOKEN and the other variables of Nomad's own tools;
// false, and the rest is read all the same, where the address is none.
bool UseNomadEnvironment(HttpTarget* server);

class NomadWatch final : public LogMetadata, public DeclaringDiscovery {
 public:
  explicit NomadWatch(NomadOptions options);
  ~NomadWatch() override;
  // Begins to ask. Before it, Find answers kNone.
  void Start();

  // By the allocation's id in the path.
  Answer Find(const std::string& path, Labels* meta) const override;
  uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  // By the meta of jobs, groups and tasks that are to run here.
  std::optional<std::vector<ServiceLabels>> Declared() const override;

 private:
  struct Allocation {
    Labels meta;
    std::vector<ServiceLabels> declared;  // empty when it is to run no more
    int64_t gone_ns = 0;                  // monotonic, 0 = Nomad still tells of it
  };
  enum class Outcome { kOk, kRefused, kFailed };
  void Run();
  Outcome Get(const std::string& path, int64_t timeout_ns, std::string* body);
  Outcome FindNode();
  Outcome List();

  const NomadOptions options_;
  HttpPoster http_;      // of the thread alone
  std::string node_id_;  // likewise; "" = not known
  uint64_t index_ = 0;   // likewise: of the newest change that is known
  bool told_ = false;    // likewise
  mutable std::mutex mu_;
  std::map<std::string, Allocation> allocations_;  // by id; guarded by mu_
  bool started_ = false;                           // guarded by mu_
  bool listed_ = false;                            // guarded by mu_
  bool refused_ = false;                           // guarded by mu_
  std::atomic<uint64_t> version_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skald::agent
