// Delete requests: kept durably, made into what the store hides, listed and cancelled, and in the end carried
// out.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "storage/deletes/delete_log.h"
#include "storage/deletes/delete_view.h"
#include "storage/store.h"

namespace skald::server {

// What a query of a delete request means. InvalidArgument for what is no log selector, and for stages that
// cannot be built.
absl::StatusOr<ActiveDelete> CompileDelete(const DeleteRequest& request);

// When and how lines that are hidden are removed.
struct PurgeOptions {
  Store* store = nullptr;
  int64_t cancel_period_ns = 0;  // from the creation of a request to its being carried out
  int64_t interval_ns = 0;       // how often there is a look for one that is due
  // Whether requests of the tenant are carried out at all, or hide lines only.
  std::function<bool(const std::string& tenant)> may_purge;
};

// Thread-safe.
class DeleteService {
 public:
  ~DeleteService() { Stop(); }
  // Reads the file and hides what it says. view and clock outlive it.
  static absl::StatusOr<std::unique_ptr<DeleteService>> Open(std::string path, DeleteView* view,
                                                             const Clock* clock);
  // Begins to carry out requests that are due, on a thread of its own; what options name outlives Stop.
  void Start(PurgeOptions options);
  void Stop();
  // One look: carries out what is due. For Start's thread and tests.
  absl::Status PurgeDue(const PurgeOptions& options);

  // Lines are hidden when it returns, also after a crash. The request's id; its own id and time of creation
  // are not looked at. InvalidArgument for a query that is none.
  absl::StatusOr<std::string> Create(DeleteRequest request);
  // Lines are seen again when it returns. NotFound; FailedPrecondition when it is older than a day and not
  // forced, and when it is being carried out or was.
  absl::Status Cancel(std::string_view tenant, std::string_view id, bool force);
  // Since the start, by tenant.
  struct Counts {
    uint64_t received = 0;
    uint64_t processed = 0;
  };
  std::map<std::string, Counts> counts() const;
  // Looks for requests that are due, since the start: those that went well, those that did not.
  uint64_t good_looks() const { return good_looks_; }
  uint64_t failed_looks() const { return failed_looks_; }
  // In order of their creation.
  std::vector<DeleteRequest> List(std::string_view tenant) const { return log_->Of(tenant); }
  // Of all tenants.
  std::vector<DeleteRequest> All() const { return log_->All(); }

 private:
  DeleteService(std::unique_ptr<DeleteLog> log, DeleteView* view, const Clock* clock)
      : log_(std::move(log)), view_(view), clock_(clock) {}

  absl::Status Show(std::string_view tenant);
  void Run(const PurgeOptions& options);

  const std::unique_ptr<DeleteLog> log_;
  DeleteView* const view_;
  const Clock* const clock_;
  std::atomic<uint64_t> good_looks_{0};
  std::atomic<uint64_t> failed_looks_{0};
  mutable std::mutex mu_;                 // one change at a time, so that view_ follows log_
  std::string purging_tenant_;            // guarded by mu_; of the request that is being carried out ...
  std::string purging_id_;                // ... and its id; "" = none
  std::map<std::string, Counts> counts_;  // guarded by mu_

  std::mutex thread_mu_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by thread_mu_
  std::thread thread_;
};

}  // namespace skald::server
