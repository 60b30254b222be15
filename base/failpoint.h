// Named places where a test can make a step fail, stop the process, or wait. Without a test nothing is set
// and a passage costs one relaxed load.
//
//   RETURN_IF_ERROR(Failpoint("wal.sync"));
//   SetFailpoint("wal.sync", [] { return Unavailable("injected"); });
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <string>

namespace skald {

using FailpointAction = std::function<absl::Status()>;

// Thread-safe. The action runs on the thread that passes the place and may block or end the process; its
// status is what Failpoint answers there.
void SetFailpoint(const std::string& name, FailpointAction action);
void ClearFailpoints();

namespace failpoint_internal {
extern std::atomic<bool> any_set;
absl::Status Hit(const char* name);
}  // namespace failpoint_internal

inline absl::Status Failpoint(const char* name) {
  if (!failpoint_internal::any_set.load(std::memory_order_relaxed)) return absl::OkStatus();
  return failpoint_internal::Hit(name);
}

}  // namespace skald
