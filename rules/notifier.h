// Sends alerts to one Alertmanager (API v2) through a durable queue: in order, again and again until they are
// taken.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/http_post.h"
#include "base/metrics.h"
#include "base/relabel.h"
#include "rules/alert.h"
#include "rules/audit_log.h"
#include "rules/rule_db.h"

namespace skald::rules {

struct NotifierOptions {
  HttpTarget target;         // of the Alertmanager: /api/v2/alerts is added to its path
  size_t capacity = 10'000;  // alerts that may wait; beyond it the oldest are dropped
  Labels external_labels;    // for alerts that have no such label
  Relabelling relabelling;   // after that; may drop alerts
  int64_t min_backoff_ms = 500;
  int64_t max_backoff_ms = 15'000;
  int64_t drain_ms = 2'000;  // after Stop, for what still waits
};

// The body of a request.
std::string AlertsJson(const std::vector<AlertMessage>& alerts);

// Thread-safe. Everything given outlives it.
class Notifier {
 public:
  Notifier(NotifierOptions options, RuleDb* db, AuditLog* audit, const Clock* clock, Metrics* metrics);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Puts the messages into batch; they leave after the batch is committed and Announce was called. A repeated
  // notice takes the place of the one that still waits.
  void Enqueue(RuleDbBatch* batch, const std::string& tenant, int64_t ts_ns,
               const std::vector<AlertMessage>& messages);
  void Announce() { queue_.Announce(); }

  size_t waiting() const { return queue_.size(); }
  const std::string& name() const { return name_; }

 private:
  struct Waiting {
    uint64_t sequence = 0;
    bool resolved = false;
    int64_t starts_at_ns = 0;
  };

  void Run();
  // False when the attempt failed and is to be made again.
  bool SendOnce(HttpPoster* poster, int64_t* retry_after_ms);

  const NotifierOptions options_;
  const std::string name_;  // the URL as it is shown
  AuditLog* const audit_;   // may be null
  const Clock* const clock_;
  DurableQueue queue_;
  std::mutex mu_;
  std::map<std::string, Waiting> last_;  // by tenant and labels; guarded by mu_
  MetricCounter& sent_;
  MetricCounter& errors_;
  MetricCounter& dropped_;
  MetricGauge& length_;
  std::thread thread_;
};

}  // namespace skald::rules
