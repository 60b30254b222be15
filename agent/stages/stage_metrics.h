// Metrics that pipelines count out of lines, as /metrics shows them. Series come and go with the label sets
// of entries: one that was idle for its metric's time is gone at the next scrape.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"

namespace skald::agent {

enum class StageMetricKind : uint8_t { kCounter, kGauge, kHistogram };

struct StageMetricSpec {
  std::string name;  // with its prefix
  std::string help;
  StageMetricKind kind = StageMetricKind::kCounter;
  int64_t max_idle_ns = 0;
  std::vector<double> buckets;  // of a histogram: upper bounds, ascending, without +Inf
};

// Thread-safe.
class StageMetrics {
 public:
  // Series of one metric are limited: what comes beyond is not counted.
  static constexpr size_t kMaxSeries = 100'000;

  // The same name again is the same metric; InvalidArgument if it is of another kind. Returns its number.
  absl::Status Register(const StageMetricSpec& spec, size_t* metric);

  enum class Change : uint8_t { kAdd, kSet, kObserve };
  // labels: those of the entry; names that begin with __ are left out.
  void Apply(size_t metric, const Labels& labels, Change change, double value, int64_t now_ns);

  // Lines a limit stage dropped, by the value of its label.
  void CountDroppedByLabel(const std::string& label, const std::string& value);
  void ForgetDroppedByLabel(const std::string& label);

  // Appends Prometheus text; forgets series that are idle at now_ns (monotonic).
  void Text(int64_t now_ns, std::string* out);

 private:
  struct Series {
    double value = 0;  // of a histogram: the sum
    uint64_t count = 0;
    std::vector<uint64_t> buckets;
    int64_t used_ns = 0;
  };
  struct Metric {
    StageMetricSpec spec;
    absl::flat_hash_map<std::string, Series> series;  // by label text
  };

  std::mutex mu_;
  std::vector<Metric> metrics_;                                              // guarded by mu_
  std::map<std::string, std::map<std::string, uint64_t>> dropped_by_label_;  // guarded by mu_
};

}  // namespace skald::agent
