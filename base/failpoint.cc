#include "base/failpoint.h"

#include <map>
#include <mutex>

namespace skald {
namespace {

struct Registry {
  std::mutex mu;
  std::map<std::string, FailpointAction> actions;  // guarded by mu
};

Registry& Actions() {
  static Registry* const registry = new Registry;  // passed by threads that may outlive static destruction
  return *registry;
}

}  // namespace

namespace failpoint_internal {

std::atomic<bool> any_set{false};

absl::Status Hit(const char* name) {
  FailpointAction action;
  {
    std::lock_guard lock(Actions().mu);
    auto it = Actions().actions.find(name);
    if (it == Actions().actions.end()) return absl::OkStatus();
    action = it->second;
  }
  return action();
}

}  // namespace failpoint_internal

void SetFailpoint(const std::string& name, FailpointAction action) {
  std::lock_guard lock(Actions().mu);
  Actions().actions[name] = std::move(action);
  failpoint_internal::any_set = true;
}

void ClearFailpoints() {
  std::lock_guard lock(Actions().mu);
  Actions().actions.clear();
  failpoint_internal::any_set = false;
}

}  // namespace skald
