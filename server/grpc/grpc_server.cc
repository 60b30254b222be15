#include "server/grpc/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/grpc/grpc_otlp.h"
#include "server/grpc/grpc_push.h"
#include "server/grpc/grpc_pusher.h"
#include "server/http/http_server.h"

namespace skald::server {

class GrpcServer::Impl {
 public:
  Impl(const ServerConfig& config, IngestService* ingest, const Store* store, Metrics* metrics,
       MemoryBudget* memory, DeclareFunction declare)
      : metrics_(metrics),
        door_(memory),
        agents_(&door_),
        pusher_(config.auth_enabled, ingest),
        otlp_(config.auth_enabled, ingest) {
    door_.auth_enabled = config.auth_enabled;
    door_.ingest = ingest;
    door_.store = store;
    door_.metrics = metrics;
    door_.declare = std::move(declare);
  }

  ~Impl() {
    if (server_ != nullptr) Shutdown(0);
  }

  absl::Status Start(const std::string& listen) {
    ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(listen));
    static const bool health = [] {
      grpc::EnableDefaultHealthCheckService(true);
      // The library's own lines would go to stderr past our log; its errors reach us as statuses.
      gpr_set_log_function([](gpr_log_func_args* args) { LogDebug("grpc", "text=\"{}\"", args->message); });
      return true;
    }();
    (void)health;
    grpc::ServerBuilder builder;
    // Two servers on one port would each get a part of the agents.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    // Clients that are gone without a word are noticed.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    builder.SetMaxReceiveMessageSize(kMaxGrpcMessageBytes);
    builder.SetMaxSendMessageSize(kMaxGrpcMessageBytes);
    const std::string host = where.host.empty()                          ? "0.0.0.0"
                             : where.host.find(':') == std::string::npos ? where.host
                                                                         : "[" + where.host + "]";
    builder.AddListeningPort(fmt::format("{}:{}", host, where.port), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&agents_);
    builder.RegisterService(&pusher_);
    builder.RegisterService(&otlp_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      server_ = nullptr;
      return FailedPrecondition(
          "cannot listen on {}: the address is in use or not this machine's; another Skald or Loki may be "
          "running, choose another with "
          "--grpc-listen",
          listen);
    }
    metrics_->Callback(
        this, MetricKind::kGauge, "skald_agents_connected", "Agents that have a stream open.", [this] {
          return std::vector<Metrics::Sample>{{{}, static_cast<double>(door_.connected.load())}};
        });
    return absl::OkStatus();
  }

  void Shutdown(int64_t timeout_ms) {
    if (server_ == nullptr) return;
    metrics_->RemoveCallbacks(this);
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
    server_->Wait();
    server_ = nullptr;
  }

  uint16_t port() const { return static_cast<uint16_t>(port_); }

 private:
  Metrics* const metrics_;
  AgentDoor door_;
  AgentPushService agents_;
  LokiPusherService pusher_;
  OtlpLogsService otlp_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() = default;

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const ServerConfig& config,
                                                              IngestService* ingest, const Store* store,
                                                              Metrics* metrics, MemoryBudget* memory,
                                                              DeclareFunction declare) {
  auto impl = std::make_unique<Impl>(config, ingest, store, metrics, memory, std::move(declare));
  RETURN_IF_ERROR(impl->Start(config.grpc_listen));
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

void GrpcServer::Shutdown(int64_t timeout_ms) { impl_->Shutdown(timeout_ms); }
uint16_t GrpcServer::port() const { return impl_->port(); }

}  // namespace skald::server
