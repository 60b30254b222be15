#include "server/api/query_pool.h"

namespace skald::server {

QueryPool::QueryPool(std::string name, int threads, size_t max_waiting, Metrics* metrics)
    : metrics_(metrics), max_waiting_(max_waiting) {
  const auto gauge = [this, &name](const char* metric, const char* help, const size_t* value) {
    metrics_->Callback(this, MetricKind::kGauge, metric, help, [this, name, value] {
      const std::lock_guard lock(mu_);
      return std::vector<Metrics::Sample>{{{{"pool", name}}, static_cast<double>(*value)}};
    });
  };
  gauge("skald_queries_waiting", "Questions that wait for a thread.", &waiting_count_);
  gauge("skald_queries_running", "Questions that are being answered.", &running_);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

QueryPool::~QueryPool() {
  metrics_->RemoveCallbacks(this);
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool QueryPool::Add(const std::string& tenant, const std::string& client, std::function<void()> task) {
  {
    const std::lock_guard lock(mu_);
    auto it = waiting_.find(tenant);
    if (it != waiting_.end() && it->second.waiting >= max_waiting_) return false;
    Tenant& queue = waiting_[tenant];
    queue.by_client[client].push_back(std::move(task));
    ++queue.waiting;
    ++waiting_count_;
  }
  wake_.notify_one();
  return true;
}

void QueryPool::Run() {
  std::unique_lock lock(mu_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto it = waiting_.upper_bound(last_tenant_);
    if (it == waiting_.end()) it = waiting_.begin();
    last_tenant_ = it->first;
    Tenant& tenant = it->second;
    auto client = tenant.by_client.upper_bound(tenant.last_client);
    if (client == tenant.by_client.end()) client = tenant.by_client.begin();
    tenant.last_client = client->first;
    std::function<void()> task = std::move(client->second.front());
    client->second.pop_front();
    if (client->second.empty()) tenant.by_client.erase(client);
    if (--tenant.waiting == 0) waiting_.erase(it);
    --waiting_count_;
    ++running_;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --running_;
  }
}

}  // namespace skald::server
