#include "agent/delivery/request_times.h"

#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/labels.h"
#include "base/types.h"

namespace skald::agent {

RequestTimes::RequestTimes(std::shared_ptr<StageMetrics> metrics) : metrics_(std::move(metrics)) {
  if (metrics_ == nullptr) return;
  StageMetricSpec spec;
  spec.name = "promtail_request_duration_seconds";
  spec.help = "Time from sending a batch to the end's answer.";
  spec.kind = StageMetricKind::kHistogram;
  spec.max_idle_ns = std::numeric_limits<int64_t>::max();
  spec.buckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  // Pipelines' names have a prefix of their own, so that this one is never taken.
  (void)metrics_->Register(spec, &metric_);
}

void RequestTimes::Observe(const std::string& host, const std::string& code, int64_t took_ns) {
  if (metrics_ == nullptr) return;
  metrics_->Apply(metric_, Labels{{"host", host}, {"status_code", code}}, StageMetrics::Change::kObserve,
                  static_cast<double>(took_ns) / kNsPerSecond, MonotonicNs());
}

}  // namespace skald::agent
