// Where rolling windows keep what must survive the process. FORMAT.md has keys and values.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald::exec {

// Keys and values in order of the keys' bytes. Thread-safe.
//
// What a crash leaves is what the first n writes made, for some n: each write as a whole or not at all, none
// without those before it.
class WindowStore {
 public:
  struct Change {
    std::vector<std::string> prefixes;  // all keys that begin so go; before the rest is done
    std::vector<std::string> deletes;
    std::vector<std::pair<std::string, std::string>> puts;

    bool empty() const { return prefixes.empty() && deletes.empty() && puts.empty(); }
    int64_t bytes() const {
      int64_t n = 0;
      for (const auto& [key, value] : puts) n += static_cast<int64_t>(key.size() + value.size());
      return n;
    }
  };

  virtual ~WindowStore() = default;
  // sync: on the disk when it returns, with all before it.
  virtual absl::Status Write(const Change& change, bool sync) = 0;
  // Where nothing can be written any more: what is there must not be found by the next Open.
  virtual absl::Status Distrust() = 0;
  // Keys with the prefix, ascending.
  virtual absl::Status Scan(
      std::string_view prefix,
      const std::function<void(std::string_view key, std::string_view value)>& visit) const = 0;
};

// A file of lines.
struct LinesFile {
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  uint64_t covered = 0;  // no batch above it is in there
};

}  // namespace skald::exec
