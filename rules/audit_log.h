// What alerts did, for ever: one JSON object a line, appended to a file. Every change of state, every send
// and its result. The same changes go into the log store as lines (history.h).
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "rules/alert.h"

namespace skald::rules {

// Where a rule stands.
struct RulePlace {
  std::string tenant;
  std::string file;
  std::string group;
};

// The line of a change, without newline:
// {"ts":"2026-01-02T03:04:05.678Z","event":"transition","tenant":"fake","file":"f","group":"g","alert":"A",
//  "from":"pending","to":"firing","labels":{...},"annotations":{...},"value":"1","activeAt":"..."}
std::string TransitionLine(const RulePlace& place, const Transition& transition);

// Thread-safe.
class AuditLog {
 public:
  // Makes the file if it is missing; what it holds stays.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path);

  // A failure is logged, and alerting goes on.
  void Write(std::string line);
  // The result of one request to a receiver.
  void WriteSend(int64_t time_ns, std::string_view receiver, std::string_view tenant,
                 const std::vector<const AlertMessage*>& alerts, int status, std::string_view error,
                 std::string_view outcome);

 private:
  AuditLog(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  std::mutex mu_;
  const FileDescriptor file_;
  const std::string path_;
};

// 2026-01-02T03:04:05.678Z
std::string JsonTime(int64_t ns);

}  // namespace skald::rules
