// How long ends take to answer, as the metric promtail_request_duration_seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agent/stages/stage_metrics.h"

namespace skald::agent {

// Thread-safe.
class RequestTimes {
 public:
  // metrics are shown with those of pipelines; null: nothing is counted.
  explicit RequestTimes(std::shared_ptr<StageMetrics> metrics);
  // host: the end's name. code: of its answer, as HTTP has them; "failed" where none came. For a batch on a
  // gRPC stream: 204 when it is acknowledged, 503 when it is to come again.
  void Observe(const std::string& host, const std::string& code, int64_t took_ns);

 private:
  const std::shared_ptr<StageMetrics> metrics_;
  size_t metric_ = 0;
};

}  // namespace skald::agent
