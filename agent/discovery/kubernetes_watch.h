// The pods of this node as the API server tells of them: one list, then a watch that goes on from where it
// broke off. Logs are found by their paths, so all this only decorates: reading never waits for it longer
// than metadata_wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
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

struct KubernetesOptions {
  HttpTarget server;  // url: https://host:port; "" = from the pod's environment and service account
  // The node's kubelet, whose /pods is asked while the server does not answer or refuses; without a URL it is
  // not. It knows no selectors: with one, it is not asked either.
  HttpTarget kubelet;
  std::string node_name;
  std::vector<std::string> namespaces;  // empty = all; one watch for each
  std::string label_selector;
  std::string field_selector;             // with the node's in front
  std::string cache_file;                 // pods survive a restart without the API in it; "" = they do not
  int64_t watch_ns = 240 * kNsPerSecond;  // a watch is asked to end after about that
  int64_t grace_ns = 30 * kNsPerSecond;   // and is ended that much later, should the server hang
  int64_t list_ns = 30 * kNsPerSecond;
  int64_t min_backoff_ns = kNsPerSecond;
  int64_t max_backoff_ns = 60 * kNsPerSecond;
  int64_t keep_deleted_ns = 600 * kNsPerSecond;
  int64_t kubelet_ns = 5 * kNsPerSecond;  // between its questions
};

// Fills in server from KUBERNETES_SERVICE_HOST and the service account's files; false outside of a pod, and
// in one without an account.
bool UseServiceAccount(KubernetesOptions* options);

// The kubelet is asked with the token that the server is asked with.
void UseKubelet(const HttpTarget& kubelet, KubernetesOptions* options);

class KubernetesWatch final : public LogMetadata, public DeclaringDiscovery {
 public:
  struct Stats {
    uint64_t lists = 0;
    uint64_t watches = 0;
    uint64_t events = 0;
    uint64_t failures = 0;
    uint64_t expired = 0;  // resource versions the server no longer had (410)
    uint64_t pods = 0;
    uint64_t kubelet_lists = 0;  // that were answered
    bool synced = false;
  };

  explicit KubernetesWatch(KubernetesOptions options);
  ~KubernetesWatch() override;
  // Reads the cache and begins to ask. Before it, Find answers kNone.
  void Start();

  // By the uid in the path, or (static pods) by the hash that stands in its place; under containers/ by name.
  Answer Find(const std::string& path, Labels* meta) const override;
  uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  // By the pods' annotations.
  std::optional<std::vector<ServiceLabels>> Declared() const override;
  Stats stats() const;

 private:
  struct Pod {
    Labels meta;                                  // of the pod
    std::map<std::string, Labels> containers;     // by name: what is added
    std::map<std::string, std::string> declared;  // annotations that declare
    std::string hash;                             // of a static pod's configuration
    int64_t deleted_ns = 0;                       // monotonic, 0 = it is there
    size_t scope = 0;                             // of which namespace's watch
  };
  class Scope;
  void ReadCache();
  void WriteCache();
  bool Stopping() const { return stopping_.load(std::memory_order_acquire); }
  void WaitFor(int64_t ns) const;
  void Put(const std::string& uid, Pod pod);
  void SweepDeleted();

  const KubernetesOptions options_;
  mutable std::mutex mu_;
  // Guarded by mu_.
  std::map<std::string, Pod> pods_;             // by uid
  std::map<std::string, std::string> by_hash_;  // a static pod's uid, by its configuration's hash
  std::map<std::string, std::string> by_name_;  // namespace/name
  Stats stats_;
  size_t synced_scopes_ = 0;
  size_t refused_scopes_ = 0;  // the server says no
  bool started_ = false;
  bool cache_dirty_ = false;
  std::atomic<uint64_t> version_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Scope>> scopes_;
};

}  // namespace skald::agent
