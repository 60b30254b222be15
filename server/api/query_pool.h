// Runs questions on a bounded number of threads, tenants in turn and within a tenant its clients in turn, so
// that one's many questions do not keep the others waiting.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"

namespace skald::server {

// Thread-safe. The destructor runs what waits, then joins.
class QueryPool {
 public:
  // name goes into metrics; max_waiting and max_running are per tenant. With max_running below the number of
  // threads, one tenant's long questions leave threads to the others.
  QueryPool(std::string name, int threads, size_t max_waiting, size_t max_running, Metrics* metrics);
  ~QueryPool();
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;

  // False when too many of the tenant wait already; the task is then not taken.
  bool Add(const std::string& tenant, const std::string& client, std::function<void()> task);

 private:
  struct Tenant {
    std::map<std::string, std::deque<std::function<void()>>> by_client;  // no empty queues
    std::string last_client;                                             // served most recently
    size_t waiting = 0;
    size_t running = 0;
  };

  void Run();
  // Under mu_: the tenant whose turn it is; null if none may run another question.
  std::pair<const std::string, Tenant>* Next();

  Metrics* const metrics_;
  const size_t max_waiting_;
  const size_t max_running_;
  std::mutex mu_;
  std::condition_variable wake_;
  std::map<std::string, Tenant> tenants_;  // guarded by mu_; those with questions
  std::string last_tenant_;                // guarded by mu_; served most recently
  size_t waiting_count_ = 0;               // guarded by mu_
  size_t running_ = 0;                     // guarded by mu_
  bool stopping_ = false;                  // guarded by mu_
  std::vector<std::thread> threads_;
};

}  // namespace skald::server
