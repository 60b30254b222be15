#include "rules/notifier.h"

#include <algorithm>
#include <set>

#include "base/coding.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/types.h"

namespace skald::rules {
namespace {

constexpr size_t kMaxBatch = 256;
constexpr size_t kMaxBatchBytes = 4 << 20;

template <class Map>
void PutMap(std::string* out, const Map& map) {
  PutVarint(out, map.size());
  for (const auto& [name, value] : map) {
    PutText(out, name);
    PutText(out, value);
  }
}

struct Queued {
  std::string tenant;
  int64_t ts_ns = 0;  // of the evaluation
  AlertMessage message;
};

std::string Encode(const std::string& tenant, int64_t ts_ns, const AlertMessage& message) {
  std::string out;
  PutText(&out, tenant);
  PutSignedVarint(&out, ts_ns);
  PutMap(&out, message.labels);
  PutMap(&out, message.annotations);
  PutSignedVarint(&out, message.starts_at_ns);
  PutSignedVarint(&out, message.ends_at_ns);
  PutFixed(&out, static_cast<uint8_t>(message.resolved ? 1 : 0));
  PutText(&out, message.generator_url);
  return out;
}

bool Decode(std::string_view bytes, Queued* out) {
  ByteReader in(bytes);
  out->tenant = in.Text();
  out->ts_ns = in.SignedVarint();
  const uint64_t labels = in.Varint();
  if (!in.ok() || labels > in.remaining()) return false;
  std::vector<Labels::Pair> pairs;
  for (uint64_t i = 0; i < labels; ++i) {
    const std::string_view name = in.Text();
    pairs.emplace_back(name, in.Text());
  }
  out->message.labels = Labels(std::move(pairs));
  const uint64_t annotations = in.Varint();
  if (!in.ok() || annotations > in.remaining()) return false;
  for (uint64_t i = 0; i < annotations; ++i) {
    const std::string name(in.Text());
    out->message.annotations[name] = std::string(in.Text());
  }
  out->message.starts_at_ns = in.SignedVarint();
  out->message.ends_at_ns = in.SignedVarint();
  out->message.resolved = in.Fixed<uint8_t>() != 0;
  out->message.generator_url = in.Text();
  return in.ok();
}

std::string WithPath(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url + "/api/v2/alerts";
}

HttpTarget AlertsTarget(HttpTarget target) {
  target.url = WithPath(std::move(target.url));
  return target;
}

}  // namespace

std::string AlertsJson(const std::vector<AlertMessage>& alerts) {
  std::string out;
  JsonWriter w(&out);
  w.BeginArray();
  for (const AlertMessage& alert : alerts) {
    w.BeginObject();
    w.Key("startsAt").String(JsonTime(alert.starts_at_ns)).Key("endsAt").String(JsonTime(alert.ends_at_ns));
    w.Key("generatorURL").String(alert.generator_url);
    if (!alert.annotations.empty()) {
      w.Key("annotations").BeginObject();
      for (const auto& [name, value] : alert.annotations) w.Key(name).String(value);
      w.EndObject();
    }
    w.Key("labels").BeginObject();
    for (const auto& [name, value] : alert.labels) w.Key(name).String(value);
    w.EndObject().EndObject();
  }
  w.EndArray();
  return out;
}

Notifier::Notifier(NotifierOptions options, RuleDb* db, AuditLog* audit, const Clock* clock, Metrics* metrics)
    : options_(std::move(options)),
      name_(PublicUrl(options_.target.url)),
      audit_(audit),
      clock_(clock),
      queue_(db, "alertmanager " + name_, options_.capacity),
      sent_(metrics->Counter("loki_prometheus_notifications_sent_total", "Alerts taken by an Alertmanager.",
                             {{"alertmanager", name_}})),
      errors_(metrics->Counter("loki_prometheus_notifications_errors_total",
                               "Failed attempts to send alerts to an Alertmanager.",
                               {{"alertmanager", name_}})),
      dropped_(metrics->Counter("loki_prometheus_notifications_dropped_total",
                                "Alerts refused by an Alertmanager or pushed out of its full queue.",
                                {{"alertmanager", name_}})),
      length_(metrics->Gauge("loki_prometheus_notifications_queue_length",
                             "Alerts that wait for an Alertmanager.", {{"alertmanager", name_}})),
      thread_([this] { Run(); }) {}

Notifier::~Notifier() {
  queue_.Stop();
  thread_.join();
}

void Notifier::Enqueue(RuleDbBatch* batch, const std::string& tenant, int64_t ts_ns,
                       const std::vector<AlertMessage>& messages) {
  const std::lock_guard lock(mu_);
  for (AlertMessage message : messages) {
    for (const auto& [name, value] : options_.external_labels) {
      if (!message.labels.Has(name)) message.labels.Set(name, value);
    }
    if (!options_.relabelling.Apply(&message.labels)) continue;
    std::string key = tenant + '\0' + message.labels.ToString();
    Waiting& last = last_[key];
    std::string payload = Encode(tenant, ts_ns, message);
    if (!message.changed && last.sequence != 0 && last.resolved == message.resolved &&
        last.starts_at_ns == message.starts_at_ns) {
      queue_.Replace(batch, last.sequence, std::move(payload));
      continue;
    }
    const uint64_t dropped_before = queue_.dropped();
    last = Waiting{queue_.Append(batch, std::move(payload)), message.resolved, message.starts_at_ns};
    dropped_.Add(static_cast<double>(queue_.dropped() - dropped_before));
  }
  length_.Set(static_cast<double>(queue_.size()));
}

void Notifier::Run() {
  HttpPoster poster(AlertsTarget(options_.target));
  int64_t backoff_ms = options_.min_backoff_ms;
  while (queue_.Wait(60'000)) {
    int64_t retry_after_ms = 0;
    if (SendOnce(&poster, &retry_after_ms)) {
      backoff_ms = options_.min_backoff_ms;
      continue;
    }
    if (!queue_.Pause(std::max(backoff_ms, std::min<int64_t>(retry_after_ms, 60'000)))) break;
    backoff_ms = std::min(backoff_ms * 2, options_.max_backoff_ms);
  }
  // What is left stays in the queue for the next start if it does not leave now.
  const int64_t deadline_ns = MonotonicNs() + options_.drain_ms * kNsPerMs;
  int64_t ignored = 0;
  while (queue_.size() > 0 && MonotonicNs() < deadline_ns && SendOnce(&poster, &ignored)) {
  }
}

bool Notifier::SendOnce(HttpPoster* poster, int64_t* retry_after_ms) {
  const std::vector<DurableQueue::Item> items = queue_.Front(kMaxBatch, kMaxBatchBytes);
  if (items.empty()) return true;
  const int64_t now_ns = clock_->NowNs();
  std::string tenant;
  std::vector<AlertMessage> alerts;
  std::set<Labels> in_batch;
  uint64_t last_sequence = 0;
  for (const DurableQueue::Item& item : items) {
    Queued queued;
    if (!Decode(item.payload, &queued)) {
      last_sequence = item.sequence;
      continue;
    }
    // One tenant a request, and no alert twice: their order inside a request means nothing.
    if (!alerts.empty() && queued.tenant != tenant) break;
    if (!in_batch.insert(queued.message.labels).second) break;
    tenant = queued.tenant;
    if (!queued.message.resolved) {
      // It waited: it is valid as long as it would have been.
      const int64_t valid_ns = queued.message.ends_at_ns - queued.ts_ns;
      queued.message.ends_at_ns = std::max(queued.message.ends_at_ns, now_ns + valid_ns);
    }
    alerts.push_back(std::move(queued.message));
    last_sequence = item.sequence;
  }
  HttpResult result;
  result.status = 200;
  if (!alerts.empty()) {
    result =
        poster->Post(AlertsJson(alerts), {{"Content-Type", "application/json"}, {"X-Scope-OrgID", tenant}});
  }
  const bool retry = !result.ok() && result.retryable();
  if (audit_ != nullptr && !alerts.empty()) {
    std::vector<const AlertMessage*> pointers;
    for (const AlertMessage& alert : alerts) pointers.push_back(&alert);
    audit_->WriteSend(now_ns, name_, tenant, pointers, result.status, result.ok() ? "" : result.Text(),
                      result.ok() ? "delivered"
                      : retry     ? "will retry"
                                  : "refused");
  }
  if (!result.ok()) {
    errors_.Add();
    LogWarn("alerts not delivered", "alertmanager={} alerts={} retry={} error=\"{}\"", name_, alerts.size(),
            retry, result.Text());
  }
  if (retry) {
    *retry_after_ms = result.retry_after_ms;
    return false;
  }
  (result.ok() ? sent_ : dropped_).Add(static_cast<double>(alerts.size()));
  {
    const std::lock_guard lock(mu_);
    for (const AlertMessage& alert : alerts) {
      const auto it = last_.find(tenant + '\0' + alert.labels.ToString());
      if (it != last_.end() && it->second.sequence <= last_sequence) last_.erase(it);
    }
    if (const absl::Status status = queue_.Pop(last_sequence); !status.ok()) {
      LogError("queue of alerts not shortened", "error=\"{}\"", MessageOf(status));
    }
  }
  length_.Set(static_cast<double>(queue_.size()));
  return true;
}

}  // namespace skald::rules
