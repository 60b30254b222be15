#include "server/loki_metrics.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/types.h"
#include "server/delete_service.h"
#include "storage/store.h"
#include "storage/store_observer.h"

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

double Seconds(int64_t ns) { return static_cast<double>(ns) / kNsPerSecond; }

// Rounds of one kind of maintenance.
class Rounds {
 public:
  // what: in the metrics' help. when: the name of the last good round's time.
  Rounds(const std::string& prefix, const std::string& when, const std::string& what, Metrics* metrics)
      : good_(metrics->Counter(prefix + "_total", "Rounds of " + what + ".", {{"status", "success"}})),
        failed_(metrics->Counter(prefix + "_total", "Rounds of " + what + ".", {{"status", "failure"}})),
        seconds_(metrics->Gauge(prefix + "_duration_seconds",
                                "How long the last good round of " + what + " took.")),
        when_(metrics->Gauge(when, "When the last good round of " + what + " ended.")) {}

  void Ended(bool ok, int64_t took_ns, int64_t now_ns) {
    (ok ? good_ : failed_).Add();
    if (!ok) return;
    seconds_.Set(Seconds(took_ns));
    when_.Set(Seconds(now_ns));
  }

 private:
  MetricCounter& good_;
  MetricCounter& failed_;
  MetricGauge& seconds_;
  MetricGauge& when_;
};

class StoreNumbers final : public StoreObserver {
 public:
  StoreNumbers(double block_text_bytes, const Clock* clock, Metrics* metrics)
      : block_text_bytes_(block_text_bytes),
        clock_(clock),
        metrics_(metrics),
        compaction_("loki_boltdb_shipper_compact_tables_operation",
                    "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
                    "compaction", metrics),
        retention_("loki_compactor_apply_retention_operation",
                   "loki_compactor_apply_retention_last_successful_run_timestamp_seconds", "retention",
                   metrics),
        entries_(metrics->Histogram("loki_ingester_chunk_entries", "Lines of a block when it is written.", {},
                                    {10, 30, 100, 300, 1000, 3000, 10'000, 30'000})),
        bytes_(metrics->Histogram("loki_ingester_chunk_size_bytes",
                                  "Stored bytes of a block when it is written.", {},
                                  {1 << 10, 1 << 12, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19})),
        utilization_(metrics->Histogram("loki_ingester_chunk_utilization",
                                        "Text of a block when it is written, as a share of a full block's.",
                                        {}, {0, 0.2, 0.4, 0.6, 0.8, 1})),
        age_(metrics->Histogram("loki_ingester_chunk_age_seconds",
                                "Age of a block's oldest line when it is written.", {},
                                {60, 300, 600, 1200, 1800, 2400, 3600, 7200, 14'400, 36'000})),
        streams_(metrics->Histogram("loki_chunk_store_index_entries_per_chunk",
                                    "Streams of a block when it is written: each is an entry of the index.",
                                    {}, {1, 2, 4, 8, 16, 64, 256, 1024})) {
    for (const FlushReason reason : {FlushReason::kMemory, FlushReason::kAge, FlushReason::kAsked})
      Flushed(reason);
  }

  void OnNewStreams(std::string_view tenant, uint64_t count) override {
    metrics_
        ->Counter("loki_ingester_streams_created_total", "Streams that had no lines in memory and got some.",
                  {{"tenant", std::string(tenant)}})
        .Add(static_cast<double>(count));
  }

  void OnFlush(FlushReason reason, const std::vector<FlushedBlock>& blocks) override {
    const int64_t now_ns = clock_->NowNs();
    Flushed(reason).Add(static_cast<double>(blocks.size()));
    for (const FlushedBlock& block : blocks) {
      entries_.Observe(block.rows);
      bytes_.Observe(static_cast<double>(block.bytes));
      utilization_.Observe(static_cast<double>(block.text_bytes) / block_text_bytes_);
      age_.Observe(std::max(0.0, Seconds(now_ns - block.min_ns)));
      streams_.Observe(block.streams);
    }
  }

  void OnIndex(IndexQuestion question, bool ok, int64_t took_ns) override {
    struct Name {
      const char* now;
      const char* once;  // of Loki's older index
    };
    static constexpr Name kNames[] = {{"GetChunkRefs", "Shipper.Query"},
                                      {"GetSeries", "Shipper.Query"},
                                      {"LabelNamesForMetricName", "Shipper.Query"},
                                      {"LabelValuesForMetricName", "Shipper.Query"},
                                      {"index_chunk", "WRITE"}};
    const Name& name = kNames[static_cast<size_t>(question)];
    const std::string code = ok ? "200" : "500";
    constexpr char kHelp[] = "How long the label index took to answer, and to take in what a flush wrote.";
    // The index answers within microseconds where Loki's asks a bucket.
    const std::vector<double> buckets = {0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5};
    metrics_
        ->Histogram("loki_index_request_duration_seconds", kHelp,
                    {{"operation", name.now}, {"status_code", code}}, buckets)
        .Observe(Seconds(took_ns));
    metrics_
        ->Histogram("loki_boltdb_shipper_request_duration_seconds", kHelp,
                    {{"operation", name.once}, {"status_code", code}}, buckets)
        .Observe(Seconds(took_ns));
  }

  void OnMaintenance(Maintenance what, bool ok, int64_t took_ns) override {
    (what == Maintenance::kCompaction ? compaction_ : retention_).Ended(ok, took_ns, clock_->NowNs());
  }

 private:
  MetricCounter& Flushed(FlushReason reason) {
    static constexpr const char* kReasons[] = {"full", "max_age", "forced"};
    return metrics_->Counter("loki_ingester_chunks_flushed_total",
                             "Blocks written, by why their heads were flushed.",
                             {{"reason", kReasons[static_cast<size_t>(reason)]}});
  }

  const double block_text_bytes_;
  const Clock* const clock_;
  Metrics* const metrics_;
  Rounds compaction_;
  Rounds retention_;
  MetricHistogram& entries_;
  MetricHistogram& bytes_;
  MetricHistogram& utilization_;
  MetricHistogram& age_;
  MetricHistogram& streams_;
};

using Samples = std::vector<Metrics::Sample>;

}  // namespace

std::unique_ptr<StoreObserver> ObserveStore(double block_text_bytes, const Clock* clock, Metrics* metrics) {
  return std::make_unique<StoreNumbers>(block_text_bytes, clock, metrics);
}

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
  add(MetricKind::kGauge, "loki_ingester_flush_queue_length",
      "Shards that are writing their heads to segments.", of_store(&StoreStats::flushing));
  add(MetricKind::kGauge, "loki_boltdb_shipper_compactor_running", "1: this server compacts.",
      [] { return 1.0; });
  add(MetricKind::kCounter, "loki_compactor_deleted_lines", "Lines removed for delete requests.",
      of_store(&StoreStats::purged_rows));
  add(MetricKind::kGauge, "loki_compactor_pending_delete_requests_count",
      "Delete requests whose lines are hidden and still on the disk.", of_deletes(&DeleteCounts::pending));
  add(MetricKind::kGauge, "loki_compactor_oldest_pending_delete_request_age_seconds",
      "Age of the oldest of them.", of_deletes(&DeleteCounts::oldest_pending_seconds));
  const auto by_user = [&](const char* name, const char* help, uint64_t DeleteService::Counts::*value) {
    metrics->Callback(owner, MetricKind::kCounter, name, help, [deletes, value] {
      Samples samples;
      for (const auto& [tenant, counts] : deletes->counts())
        samples.push_back({{{"user", tenant}}, static_cast<double>(counts.*value)});
      return samples;
    });
  };
  by_user("loki_compactor_delete_requests_received_total", "Delete requests taken since the start.",
          &DeleteService::Counts::received);
  by_user("loki_compactor_delete_requests_processed_total", "Delete requests carried out since the start.",
          &DeleteService::Counts::processed);
  metrics->Callback(owner, MetricKind::kCounter, "loki_compactor_load_pending_requests_attempts_total",
                    "Looks for delete requests that are due.", [deletes] {
                      return Samples{{{{"status", "success"}}, static_cast<double>(deletes->good_looks())},
                                     {{{"status", "fail"}}, static_cast<double>(deletes->failed_looks())}};
                    });
  add(MetricKind::kGauge, "skald_delete_requests_done",
      "Delete requests that were carried out and are still listed.", of_deletes(&DeleteCounts::done));
}

}  // namespace skald::server
