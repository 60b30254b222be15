#include "storage/store.h"

#include <condition_variable>
#include <mutex>

#include "base/status_macros.h"
#include "storage/local_store.h"

namespace skald {

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<LocalStore> store, LocalStore::Open(std::move(options)));
  return std::unique_ptr<Store>(std::move(store));
}

absl::Status Store::AppendAndWait(AppendBatch batch) {
  std::mutex mu;
  std::condition_variable answered;
  bool done = false;
  absl::Status result;
  Append(std::move(batch), [&](absl::Status status) {
    std::lock_guard lock(mu);
    result = std::move(status);
    done = true;
    answered.notify_one();
  });
  std::unique_lock lock(mu);
  answered.wait(lock, [&] { return done; });
  return result;
}

}  // namespace skald
