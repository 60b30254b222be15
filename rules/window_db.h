// What rules keep between their evaluations (query/exec/windows/FORMAT.md), in a RocksDB of its own: it is
// large, and worth no more than the time it takes to read the lines again.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "query/exec/windows/window_store.h"

namespace rocksdb {
class DB;
}

namespace skald::rules {

// Thread-safe. Writes survive the process, not necessarily the machine.
class WindowDb final : public exec::WindowStore {
 public:
  // Makes the directory if it is missing, and makes it anew where it is damaged.
  static absl::StatusOr<std::unique_ptr<WindowDb>> Open(const std::string& directory);
  // What is there, if anything.
  static absl::Status Remove(const std::string& directory);
  ~WindowDb() override;

  absl::Status Write(const Change& change, bool sync) override;
  absl::Status Distrust() override;
  absl::Status Scan(
      std::string_view prefix,
      const std::function<void(std::string_view key, std::string_view value)>& visit) const override;

 private:
  WindowDb(std::string trust, std::unique_ptr<rocksdb::DB> db);

  const std::string trust_;  // the file without which the rest does not count
  std::unique_ptr<rocksdb::DB> db_;
  std::atomic<bool> distrusted_{false};
};

}  // namespace skald::rules
