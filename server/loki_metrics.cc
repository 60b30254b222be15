#include "server/loki_metrics.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/types.h"
#include "server/delete_service.h"
#include "storage/store.h"

namespace skald::server {
namespace {

struct DeleteCounts {
  double pending = 0;
  double done = 0;
  double oldest_pending_seconds = 0;
};

DeleteCounts CountDeletes(const DeleteService& deletes, const Clock& clock) {
  DeleteCounts out;
  const int64_t now = clock.NowNs();
  for (const DeleteRequest& request : deletes.All()) {
    if (request.processed_ns != 0) {
      ++out.done;
      continue;
    }
    ++out.pending;
    out.oldest_pending_seconds =
        std::max(out.oldest_pending_seconds, static_cast<double>(now - request.created_ns) / kNsPerSecond);
  }
  return out;
}

}  // namespace

void AddLokiMetrics(const void* owner, const Store* store, const DeleteService* deletes, const Clock* clock,
                    Metrics* metrics) {
  const auto add = [&](MetricKind kind, const char* name, const char* help, std::function<double()> read,
                       const MetricLabels& labels = {}) {
    metrics->Callback(owner, kind, name, help, [labels, read] {
      return std::vector<Metrics::Sample>{{labels, read()}};
    });
  };
  const auto of_store = [store](uint64_t StoreStats::*value) {
    return [store, value] { return static_cast<double>(store->Stats().*value); };
  };
  const auto of_deletes = [deletes, clock](double DeleteCounts::*value) {
    return [deletes, clock, value] { return CountDeletes(*deletes, *clock).*value; };
  };
  add(MetricKind::kGauge, "loki_ingester_memory_streams", "Streams with lines in memory.",
      of_store(&StoreStats::streams));
  add(MetricKind::kGauge, "loki_ingester_memory_chunks", "Heads: a stream with lines in memory has one.",
      of_store(&StoreStats::streams));
  const char* const runs = "Times that segments were written in the place of others.";
  add(MetricKind::kCounter, "loki_boltdb_shipper_compact_tables_operation_total", runs,
      of_store(&StoreStats::compactions), {{"status", "success"}});
  add(MetricKind::kCounter, "loki_boltdb_shipper_compact_tables_operation_total", runs,
      of_store(&StoreStats::compaction_failures), {{"status", "failure"}});
  add(MetricKind::kGauge, "loki_boltdb_shipper_compactor_running", "1: this server compacts.",
      [] { return 1.0; });
  add(MetricKind::kCounter, "loki_compactor_deleted_lines", "Lines removed for delete requests.",
      of_store(&StoreStats::purged_rows));
  add(MetricKind::kGauge, "loki_compactor_pending_delete_requests_count",
      "Delete requests whose lines are hidden and still on the disk.", of_deletes(&DeleteCounts::pending));
  add(MetricKind::kGauge, "loki_compactor_oldest_pending_delete_request_age_seconds",
      "Age of the oldest of them.", of_deletes(&DeleteCounts::oldest_pending_seconds));
  add(MetricKind::kGauge, "skald_delete_requests_done",
      "Delete requests that were carried out and are still listed.", of_deletes(&DeleteCounts::done));
}

}  // namespace skald::server
