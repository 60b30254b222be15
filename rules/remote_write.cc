#include "rules/remote_write.h"

#include <snappy.h>

#include <algorithm>

#include "base/coding.h"
#include "base/error.h"
#include "base/log.h"
#include "base/types.h"
#include "proto/remote_write.pb.h"

namespace skald::rules {
namespace {

constexpr size_t kMaxItems = 1'000;
constexpr size_t kMaxBytes = 8 << 20;

std::string Encode(const std::string& tenant, const OutSample* begin, const OutSample* end) {
  std::string out;
  PutText(&out, tenant);
  PutVarint(&out, static_cast<uint64_t>(end - begin));
  for (const OutSample* sample = begin; sample != end; ++sample) {
    PutVarint(&out, sample->labels.size());
    for (const auto& [name, value] : sample->labels) {
      PutText(&out, name);
      PutText(&out, value);
    }
    PutSignedVarint(&out, sample->t_ms);
    PutFixed(&out, sample->value);
  }
  return out;
}

bool Decode(std::string_view bytes, std::string* tenant, std::vector<OutSample>* out) {
  ByteReader in(bytes);
  *tenant = in.Text();
  const uint64_t count = in.Varint();
  if (!in.ok() || count > in.remaining()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t labels = in.Varint();
    if (!in.ok() || labels > in.remaining()) return false;
    std::vector<Labels::Pair> pairs;
    for (uint64_t k = 0; k < labels; ++k) {
      const std::string_view name = in.Text();
      pairs.emplace_back(name, in.Text());
    }
    OutSample sample;
    sample.labels = Labels(std::move(pairs));
    sample.t_ms = in.SignedVarint();
    sample.value = in.Fixed<double>();
    out->push_back(std::move(sample));
  }
  return in.ok();
}

}  // namespace

std::string EncodeWriteRequest(const std::vector<OutSample>& samples) {
  prometheus::WriteRequest request;
  for (const OutSample& sample : samples) {
    prometheus::TimeSeries* series = request.add_timeseries();
    for (const auto& [name, value] : sample.labels) {
      prometheus::Label* label = series->add_labels();
      label->set_name(name);
      label->set_value(value);
    }
    prometheus::Sample* point = series->add_samples();
    point->set_value(sample.value);
    point->set_timestamp(sample.t_ms);
  }
  const std::string bytes = request.SerializeAsString();
  std::string out;
  snappy::Compress(bytes.data(), bytes.size(), &out);
  return out;
}

namespace {

double NewestSeconds(const std::vector<OutSample>& samples) {
  int64_t newest_ms = 0;
  for (const OutSample& sample : samples) newest_ms = std::max(newest_ms, sample.t_ms);
  return static_cast<double>(newest_ms) / 1000;
}

}  // namespace

RemoteWriter::RemoteWriter(RemoteWriteOptions options, RuleDb* db, Metrics* metrics)
    : options_(std::move(options)),
      queue_(db, "remote_write " + options_.name, options_.capacity),
      metrics_(metrics),
      sent_(metrics->Counter("loki_ruler_remote_write_samples_total", "Samples taken by a receiver.",
                             {{"client", options_.name}})),
      failed_(metrics->Counter("loki_ruler_remote_write_samples_failed_total",
                               "Samples refused by a receiver.", {{"client", options_.name}})),
      retried_(metrics->Counter("loki_ruler_remote_write_retries_total",
                                "Requests to a receiver that were made again.", {{"client", options_.name}})),
      pending_(metrics->Gauge("loki_ruler_remote_write_pending", "Evaluations whose samples wait.",
                              {{"client", options_.name}})),
      thread_([this] { Run(); }) {}

RemoteWriter::~RemoteWriter() {
  queue_.Stop();
  thread_.join();
}

void RemoteWriter::Enqueue(RuleDbBatch* batch, const std::string& tenant,
                           const std::vector<OutSample>& evaluated) {
  std::vector<OutSample> relabelled;
  if (options_.relabelling) {
    relabelled = evaluated;
    std::erase_if(relabelled,
                  [&](OutSample& sample) { return !options_.relabelling->Apply(&sample.labels); });
  }
  const std::vector<OutSample>& samples = options_.relabelling ? relabelled : evaluated;
  CountTaken(tenant, samples);
  for (size_t begin = 0; begin < samples.size(); begin += options_.max_samples) {
    const size_t end = std::min(samples.size(), begin + options_.max_samples);
    queue_.Append(batch, Encode(tenant, samples.data() + begin, samples.data() + end));
  }
  pending_.Set(static_cast<double>(queue_.size()));
}

void RemoteWriter::CountTaken(const std::string& tenant, const std::vector<OutSample>& samples) {
  if (samples.empty()) return;
  metrics_
      ->Counter("loki_ruler_wal_samples_appended_total", "Samples of recordings that were queued.",
                {{"tenant", tenant}})
      .Add(static_cast<double>(samples.size()));
  metrics_
      ->Gauge("loki_ruler_wal_prometheus_remote_storage_highest_timestamp_in_seconds",
              "Time of the newest sample that was queued.", {{"tenant", tenant}})
      .Set(NewestSeconds(samples));
}

void RemoteWriter::CountSent(const std::string& tenant, const std::vector<OutSample>& samples) {
  if (samples.empty()) return;
  const MetricLabels labels = {{"remote_name", options_.name}, {"tenant", tenant}};
  metrics_
      ->Counter("loki_ruler_wal_prometheus_remote_storage_samples_total", "Samples taken by a receiver.",
                labels)
      .Add(static_cast<double>(samples.size()));
  metrics_
      ->Gauge("loki_ruler_wal_prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
              "Time of the newest sample that a receiver took.", labels)
      .Set(NewestSeconds(samples));
}

void RemoteWriter::Run() {
  HttpPoster poster(options_.target);
  int64_t backoff_ms = options_.min_backoff_ms;
  int attempt = 0;
  while (queue_.Wait(60'000)) {
    int64_t retry_after_ms = 0;
    if (SendOnce(&poster, attempt, &retry_after_ms)) {
      backoff_ms = options_.min_backoff_ms;
      attempt = 0;
      continue;
    }
    ++attempt;
    retried_.Add();
    if (!queue_.Pause(std::max(backoff_ms, std::min<int64_t>(retry_after_ms, 60'000)))) break;
    backoff_ms = std::min(backoff_ms * 2, options_.max_backoff_ms);
  }
  const int64_t deadline_ns = MonotonicNs() + options_.drain_ms * kNsPerMs;
  int64_t ignored = 0;
  while (queue_.size() > 0 && MonotonicNs() < deadline_ns && SendOnce(&poster, attempt, &ignored)) {
  }
}

bool RemoteWriter::SendOnce(HttpPoster* poster, int attempt, int64_t* retry_after_ms) {
  const std::vector<DurableQueue::Item> items = queue_.Front(kMaxItems, kMaxBytes);
  if (items.empty()) return true;
  std::string tenant;
  std::vector<OutSample> samples;
  uint64_t last = 0;
  for (const DurableQueue::Item& item : items) {
    std::string of;
    std::vector<OutSample> part;
    if (!Decode(item.payload, &of, &part)) {
      last = item.sequence;
      continue;
    }
    if (!samples.empty() && (of != tenant || samples.size() + part.size() > options_.max_samples)) break;
    tenant = of;
    samples.insert(samples.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    last = item.sequence;
  }
  HttpResult result;
  result.status = 200;
  if (!samples.empty()) {
    std::vector<std::pair<std::string, std::string>> headers = {
        {"Content-Type", "application/x-protobuf"},
        {"Content-Encoding", "snappy"},
        {"X-Prometheus-Remote-Write-Version", "0.1.0"}};
    if (options_.add_org_id_header) headers.emplace_back("X-Scope-OrgID", tenant);
    if (attempt > 0) headers.emplace_back("Retry-Attempt", std::to_string(attempt));
    result = poster->Post(EncodeWriteRequest(samples), headers);
  }
  if (!result.ok()) {
    LogWarn("recordings not delivered", "client={} samples={} retry={} error=\"{}\"", options_.name,
            samples.size(), result.retryable(), result.Text());
    if (result.retryable()) {
      *retry_after_ms = result.retry_after_ms;
      return false;
    }
  }
  if (result.ok()) CountSent(tenant, samples);
  (result.ok() ? sent_ : failed_).Add(static_cast<double>(samples.size()));
  if (const absl::Status status = queue_.Pop(last); !status.ok()) {
    LogError("queue of recordings not shortened", "error=\"{}\"", MessageOf(status));
  }
  pending_.Set(static_cast<double>(queue_.size()));
  return true;
}

}  // namespace skald::rules
