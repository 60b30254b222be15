// Delete requests: kept durably, made into what the store hides, listed and cancelled.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "storage/delete_log.h"
#include "storage/delete_view.h"

namespace skald::server {

// What a query of a delete request means. InvalidArgument for what is no log selector, and for stages that
// cannot be built.
absl::StatusOr<ActiveDelete> CompileDelete(const DeleteRequest& request);

// Thread-safe.
class DeleteService {
 public:
  // Reads the file and hides what it says. view and clock outlive it.
  static absl::StatusOr<std::unique_ptr<DeleteService>> Open(std::string path, DeleteView* view,
                                                             const Clock* clock);

  // Lines are hidden when it returns, also after a crash. The request's id; its own id and time of creation
  // are not looked at. InvalidArgument for a query that is none.
  absl::StatusOr<std::string> Create(DeleteRequest request);
  // Lines are seen again when it returns. NotFound; FailedPrecondition when it is older than a day and not
  // forced.
  absl::Status Cancel(std::string_view tenant, std::string_view id, bool force);
  // In order of their creation.
  std::vector<DeleteRequest> List(std::string_view tenant) const { return log_->Of(tenant); }

 private:
  DeleteService(std::unique_ptr<DeleteLog> log, DeleteView* view, const Clock* clock)
      : log_(std::move(log)), view_(view), clock_(clock) {}

  absl::Status Show(std::string_view tenant);

  const std::unique_ptr<DeleteLog> log_;
  DeleteView* const view_;
  const Clock* const clock_;
  std::mutex mu_;  // one change at a time, so that view_ follows log_
};

}  // namespace skald::server
