// The gRPC server with its services: agents, Loki's Pusher, OTLP logs, health.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/config.h"
#include "server/push/ingest.h"

namespace skald::server {

class GrpcServer {
 public:
  // FailedPrecondition `cannot listen on ADDRESS: ...`. Everything given outlives it.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const ServerConfig& config, IngestService* ingest,
                                                           const Store* store, Metrics* metrics);
  ~GrpcServer();

  // Calls under way get this long, then they are cancelled; batches that were read are stored either way.
  void Shutdown(int64_t timeout_ms);
  uint16_t port() const;

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skald::server
