#include "server/push/ingest.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace skald::server {
namespace {

int Threads(int64_t configured) {
  if (configured > 0) return static_cast<int>(configured);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

PushError StoreErrorAnswer(const absl::Status& status) {
  // Senders try again on 5xx, and these are the server's own troubles.
  const bool later =
      absl::IsResourceExhausted(status) || absl::IsUnavailable(status) || absl::IsCancelled(status);
  return {later ? 503 : 500, std::string(MessageOf(status))};
}

IngestService::IngestService(const ServerConfig* config, const TenantLimits* limits, Store* store,
                             MemoryBudget* memory, const Clock* clock, Metrics* metrics)
    : config_(config),
      limits_(limits),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      admission_(limits, store, clock, metrics),
      memory_("pushes under way (push.memory)", static_cast<int64_t>(config->push_memory), memory),
      shares_(&memory_),
      pool_(std::make_unique<ThreadPool>(Threads(config->push_threads))) {
  metrics_->Callback(this, MetricKind::kGauge, "skald_push_memory_bytes", "Memory of pushes under way.",
                     [this] {
                       return std::vector<Metrics::Sample>{{{}, static_cast<double>(memory_.used())}};
                     });
}

IngestService::~IngestService() {
  metrics_->RemoveCallbacks(this);
  pool_.reset();  // runs what is queued, which may append
  std::unique_lock lock(mu_);
  idle_.wait(lock, [this] { return appends_ == 0; });
}

void IngestService::PushBody(std::string tenant, PushFormat format, std::string body, Done done) {
  pool_->Add([this, tenant = std::move(tenant), format = std::move(format), body = std::move(body),
              done = std::move(done)]() mutable {
    format.max_decompressed = config_->push_max_decompressed_bytes;
    PushDecodeResult decoded = DecodePush(format, std::move(body));
    if (!decoded.ok) return done(std::move(decoded.error));
    PushReserved(tenant, {decoded.json ? "json" : "protobuf", std::move(format.policy)},
                 std::move(decoded.push), std::move(done));
  });
}

void IngestService::PushProto(std::string tenant, std::string bytes, Done done) {
  pool_->Add([this, tenant = std::move(tenant), bytes = std::move(bytes), done = std::move(done)]() mutable {
    DecodedPush push;
    const std::string& kept = push.texts.emplace_back(std::move(bytes));
    if (absl::Status status = DecodePushProto(kept, &push); !status.ok())
      return done({400, std::string(MessageOf(status))});
    PushReserved(tenant, {"grpc", ""}, std::move(push), std::move(done));
  });
}

OtlpMapping IngestService::Mapping(const Limits& limits) const {
  return {&limits.otlp, &limits.discover_service_name, clock_->NowNs(), config_->push_max_decompressed_bytes};
}

void IngestService::PushOtlpBody(std::string tenant, PushFormat format, std::string body, Done done) {
  pool_->Add([this, tenant = std::move(tenant), format = std::move(format), body = std::move(body),
              done = std::move(done)]() mutable {
    format.max_decompressed = config_->push_max_decompressed_bytes;
    const std::shared_ptr<const Limits> limits = limits_->Of(tenant);
    PushDecodeResult decoded = DecodeOtlp(format, Mapping(*limits), std::move(body));
    if (!decoded.ok) return done(std::move(decoded.error));
    PushReserved(tenant, {decoded.json ? "otlp_json" : "otlp", std::move(format.policy)},
                 std::move(decoded.push), std::move(done));
  });
}

void IngestService::PushOtlpProto(std::string tenant, std::string bytes, Done done) {
  pool_->Add([this, tenant = std::move(tenant), bytes = std::move(bytes), done = std::move(done)]() mutable {
    DecodedPush push;
    const std::string& kept = push.texts.emplace_back(std::move(bytes));
    const std::shared_ptr<const Limits> limits = limits_->Of(tenant);
    if (absl::Status status = DecodeOtlpProto(kept, Mapping(*limits), &push); !status.ok())
      return done({400, std::string(MessageOf(status))});
    PushReserved(tenant, {"otlp_grpc", ""}, std::move(push), std::move(done));
  });
}

void IngestService::CountTooLarge(const std::string& tenant, const std::string& format, uint64_t bytes) {
  metrics_
      ->Counter("loki_discarded_bytes_total", "Bytes of lines that were refused.",
                {{"reason", "request_body_too_large"},
                 {"tenant", tenant},
                 {"policy", ""},
                 {"format", format},
                 {"retention_hours", ""}})
      .Add(static_cast<double>(bytes));
}

void IngestService::PushReserved(const std::string& tenant, const PushOrigin& origin, DecodedPush push,
                                 Done done) {
  // The rows made from it take about as much again.
  const auto reserved = static_cast<int64_t>(push.HeldBytes() * 2);
  if (absl::Status status = shares_.Reserve(Sharer(tenant), reserved); !status.ok())
    return done({503, std::string(MessageOf(status))});
  PushDecoded(tenant, origin, std::move(push), reserved, std::move(done));
}

void IngestService::PushDecoded(const std::string& tenant, const PushOrigin& origin, DecodedPush push,
                                int64_t reserved, Done done) {
  AdmissionResult admitted = admission_.Admit(tenant, push, origin);
  push = {};
  metrics_
      ->Counter("skald_push_lines_total", "Lines stored, by the form they came in.",
                {{"format", origin.door}, {"tenant", tenant}})
      .Add(static_cast<double>(admitted.lines));
  if (admitted.streams.empty()) {
    shares_.Release(Sharer(tenant), reserved);
    return done(std::move(admitted.answer));
  }
  AppendBatch batch;
  batch.tenant = tenant;
  batch.streams = std::move(admitted.streams);
  Append(std::move(batch), [this, tenant, reserved, answer = std::move(admitted.answer),
                            done = std::move(done)](absl::Status status) mutable {
    shares_.Release(Sharer(tenant), reserved);
    done(status.ok() ? std::move(answer) : StoreErrorAnswer(status));
  });
}

void IngestService::Append(AppendBatch batch, Store::Done done) {
  {
    const std::lock_guard lock(mu_);
    ++appends_;
  }
  store_->Append(std::move(batch), [this, done = std::move(done)](absl::Status status) {
    done(std::move(status));
    const std::lock_guard lock(mu_);
    if (--appends_ == 0) idle_.notify_all();
  });
}

void IngestService::AppendAgent(const std::string& tenant, std::string agent_id, BatchSeq sequence,
                                std::vector<AgentStream> streams, AgentDone done) {
  int64_t bytes = 0;
  for (const AgentStream& stream : streams) {
    bytes += static_cast<int64_t>(stream.encoded.size());
    if (stream.rows != nullptr)
      bytes += static_cast<int64_t>(stream.rows->text.size() + stream.rows->size() * 16);
  }
  if (absl::Status status = shares_.Reserve(Sharer(tenant), bytes); !status.ok())
    return done({std::move(status), {}});
  AdmissionResult admitted = admission_.AdmitAgent(tenant, std::move(streams));
  if (admitted.failed) {
    shares_.Release(Sharer(tenant), bytes);
    return done({ResourceExhausted("{}", admitted.answer.message), {}});
  }
  metrics_
      ->Counter("skald_push_lines_total", "Lines stored, by the form they came in.",
                {{"format", "agent"}, {"tenant", tenant}})
      .Add(static_cast<double>(admitted.lines));
  // A batch of which nothing is left is appended too: its sequence has to become durable.
  AppendBatch batch;
  batch.tenant = tenant;
  batch.agent_id = std::move(agent_id);
  batch.sequence = sequence;
  batch.streams = std::move(admitted.streams);
  Append(std::move(batch), [this, tenant, bytes, refusals = std::move(admitted.refusals),
                            done = std::move(done)](absl::Status status) mutable {
    shares_.Release(Sharer(tenant), bytes);
    done({std::move(status), std::move(refusals)});
  });
}

}  // namespace skald::server
