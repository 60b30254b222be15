// Keeps the changes of alerts in the log store itself, so that LogQL can ask for them: lines of
// {skald_source="alerts"} of the tenant whose alert it was. A durable queue stands before the store; a line
// that is written twice after a crash counts once there.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "rules/audit_log.h"
#include "rules/rule_db.h"

namespace skald::rules {

struct HistoryLine {
  int64_t time_ns = 0;
  std::string alert;
  std::string state;  // what it changed to
  std::string line;   // TransitionLine
};

// Appends to the store and waits. Lines ascend in time.
using HistorySink =
    std::function<absl::Status(const std::string& tenant, const std::vector<HistoryLine>& lines)>;

// Thread-safe. Everything given outlives it.
class History {
 public:
  History(HistorySink sink, RuleDb* db, AuditLog* audit);
  ~History();

  void Enqueue(RuleDbBatch* batch, const RulePlace& place, const std::vector<Transition>& transitions);
  // After the batch is committed.
  void Announce() { queue_.Announce(); }

 private:
  void Run();

  const HistorySink sink_;
  AuditLog* const audit_;  // may be null
  DurableQueue queue_;
  std::thread thread_;
};

}  // namespace skald::rules
