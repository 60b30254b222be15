// Sends recordings, and the series of alerts' states, to one receiver of Prometheus' remote write (version 1)
// through a durable queue, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/http_post.h"
#include "base/metrics.h"
#include "base/relabel.h"
#include "rules/group.h"
#include "rules/rule_db.h"

namespace skald::rules {

struct RemoteWriteOptions {
  std::string name;  // of the client in the configuration
  HttpTarget target;
  std::optional<Relabelling> relabelling;  // may drop samples
  size_t capacity = 1'000'000;             // evaluations that may wait
  size_t max_samples = 2'000;              // of a request
  bool add_org_id_header = true;
  int64_t min_backoff_ms = 30;
  int64_t max_backoff_ms = 5'000;
  int64_t drain_ms = 2'000;
};

// The request's body: snappy around protobuf.
std::string EncodeWriteRequest(const std::vector<OutSample>& samples);

// Thread-safe. Everything given outlives it.
class RemoteWriter {
 public:
  RemoteWriter(RemoteWriteOptions options, RuleDb* db, Metrics* metrics);
  ~RemoteWriter();
  RemoteWriter(const RemoteWriter&) = delete;
  RemoteWriter& operator=(const RemoteWriter&) = delete;

  void Enqueue(RuleDbBatch* batch, const std::string& tenant, const std::vector<OutSample>& samples);
  // After the batch is committed.
  void Announce() { queue_.Announce(); }
  size_t waiting() const { return queue_.size(); }

 private:
  void Run();
  // Under the names that Loki's ruler has for the log of its recordings.
  void CountTaken(const std::string& tenant, const std::vector<OutSample>& samples);
  void CountSent(const std::string& tenant, const std::vector<OutSample>& samples);
  bool SendOnce(HttpPoster* poster, int attempt, int64_t* retry_after_ms);

  const RemoteWriteOptions options_;
  DurableQueue queue_;
  Metrics* const metrics_;
  MetricCounter& sent_;
  MetricCounter& failed_;
  MetricCounter& retried_;
  MetricGauge& pending_;
  std::thread thread_;
};

}  // namespace skald::rules
