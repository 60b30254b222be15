#include "server/api/query_pool.h"

namespace skald::server {

QueryPool::QueryPool(std::string name, int threads, size_t max_waiting, size_t max_running, Metrics* metrics)
    : metrics_(metrics), max_waiting_(max_waiting), max_running_(max_running) {
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
    auto it = tenants_.find(tenant);
    if (it != tenants_.end() && it->second.waiting >= max_waiting_) return false;
    Tenant& queue = tenants_[tenant];
    queue.by_client[client].push_back(std::move(task));
    ++queue.waiting;
    ++waiting_count_;
  }
  wake_.notify_one();
  return true;
}

std::pair<const std::string, QueryPool::Tenant>* QueryPool::Next() {
  auto it = tenants_.upper_bound(last_tenant_);
  for (size_t i = 0; i < tenants_.size(); ++i, ++it) {
    if (it == tenants_.end()) it = tenants_.begin();
    if (it->second.waiting > 0 && (stopping_ || it->second.running < max_running_)) return &*it;
  }
  return nullptr;
}

void QueryPool::Run() {
  std::unique_lock lock(mu_);
  while (true) {
    std::pair<const std::string, Tenant>* next = nullptr;
    wake_.wait(lock, [&] { return (next = Next()) != nullptr || stopping_; });
    if (next == nullptr) return;
    last_tenant_ = next->first;
    Tenant& tenant = next->second;  // stays where it is as long as it has questions
    auto client = tenant.by_client.upper_bound(tenant.last_client);
    if (client == tenant.by_client.end()) client = tenant.by_client.begin();
    tenant.last_client = client->first;
    std::function<void()> task = std::move(client->second.front());
    client->second.pop_front();
    if (client->second.empty()) tenant.by_client.erase(client);
    --tenant.waiting;
    ++tenant.running;
    --waiting_count_;
    ++running_;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --running_;
    // One that was held back by this tenant's bound may have its turn; this thread takes it.
    if (--tenant.running == 0 && tenant.waiting == 0) tenants_.erase(tenants_.find(next->first));
  }
}

}  // namespace skald::server
