#include "agent/receivers/intake_metrics.h"

#include <string>
#include <vector>

namespace skald::agent {
namespace {

std::vector<Metrics::Sample> ByReason(const ReceiverCounters::ByReason& counts, const char* label,
                                      bool bytes) {
  std::vector<Metrics::Sample> samples;
  for (const auto& [reason, one] : counts) {
    Metrics::Sample sample;
    sample.labels[label] = reason;
    sample.value = static_cast<double>(bytes ? one.bytes : one.lines);
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace

void RegisterIntakeMetrics(const void* owner, const Spool* spool, const ReceiverCounters* counters,
                           Metrics* metrics) {
  const auto add = [&](MetricKind kind, const char* name, const char* help, uint64_t SpoolStats::*member) {
    metrics->Callback(owner, kind, name, help, [spool, member] {
      Metrics::Sample sample;
      sample.value = static_cast<double>(spool->stats().*member);
      return std::vector<Metrics::Sample>{sample};
    });
  };
  add(MetricKind::kGauge, "agent_spool_bytes", "What the spool holds.", &SpoolStats::bytes);
  add(MetricKind::kCounter, "agent_spool_lines_total", "Lines taken into the spool.",
      &SpoolStats::taken_lines);
  add(MetricKind::kCounter, "agent_spool_line_bytes_total", "Bytes of lines taken into the spool.",
      &SpoolStats::taken_bytes);
  add(MetricKind::kCounter, "agent_spool_full_lines_total", "Lines thrown away because the spool was full.",
      &SpoolStats::full_lines);
  add(MetricKind::kCounter, "agent_spool_full_bytes_total",
      "Bytes of lines thrown away because the spool was full.", &SpoolStats::full_bytes);
  add(MetricKind::kCounter, "agent_spool_corrupt_bytes_total",
      "Bytes of the spool's files that no record could be made of.", &SpoolStats::corrupt_bytes);
  add(MetricKind::kCounter, "agent_spool_write_errors_total", "Failures to write the spool.",
      &SpoolStats::write_errors);
  metrics->Callback(owner, MetricKind::kCounter, "agent_receiver_lines_total",
                    "Lines that came. received = taken into the spool + dropped + thrown away for its fill.",
                    [counters] { return ByReason(counters->received(), "source", false); });
  metrics->Callback(owner, MetricKind::kCounter, "agent_receiver_bytes_total", "Bytes of lines that came.",
                    [counters] { return ByReason(counters->received(), "source", true); });
  metrics->Callback(owner, MetricKind::kCounter, "agent_receiver_dropped_lines_total",
                    "Lines that receivers did not keep, by reason.",
                    [counters] { return ByReason(counters->dropped(), "reason", false); });
  metrics->Callback(owner, MetricKind::kCounter, "agent_receiver_dropped_bytes_total",
                    "Bytes of lines that receivers did not keep, by reason.",
                    [counters] { return ByReason(counters->dropped(), "reason", true); });
  metrics->Callback(owner, MetricKind::kCounter, "agent_receiver_malformed_total",
                    "Messages and requests that are not of their source's form.",
                    [counters] { return ByReason(counters->malformed(), "source", false); });
}

}  // namespace skald::agent
