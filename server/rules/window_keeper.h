// Keeps what rules know of the lines over a restart: joins rolling windows with their database and with the
// store, and writes in the background.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/metrics.h"
#include "query/exec/windows/rolling_windows.h"
#include "rules/window_db.h"
#include "storage/store.h"

namespace skald::server {

// Made before the store is opened, so that no row that comes out of its log is missed. Where something fails,
// windows are kept in memory alone, and the log says so. Everything given outlives it.
class WindowKeeper {
 public:
  // directory: of the database; made by Begin where there is none yet.
  WindowKeeper(std::string directory, exec::RollingWindows* windows, Metrics* metrics);
  ~WindowKeeper();

  // When the store is open and what deletes hide is known; before the first evaluation.
  void Begin(const Store* store);
  // Writes what is left. After the last evaluation, before the store goes.
  void Stop();

 private:
  bool OpenDatabase();
  void Run();
  void Save(bool everything);

  const std::string directory_;
  exec::RollingWindows* const windows_;
  Metrics* const metrics_;
  const Store* store_ = nullptr;
  std::unique_ptr<rules::WindowDb> db_;
  bool failed_ = false;  // and said so

  std::mutex mu_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace skald::server
