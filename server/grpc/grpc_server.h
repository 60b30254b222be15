// The gRPC server with its services: agents, Loki's Pusher, OTLP logs, health.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "server/config.h"
#include "server/push/ingest.h"

namespace skald::push::v1 {
class Declarations;
}

namespace skald::server {

// What an agent says of the services it sees. Called on gRPC's threads.
using DeclareFunction = std::function<void(const std::string& tenant, const std::string& agent_id,
                                           const push::v1::Declarations& declarations)>;

class GrpcServer {
 public:
  // FailedPrecondition `cannot listen on ADDRESS: ...`. memory: the process's. Everything given outlives it.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const ServerConfig& config, IngestService* ingest,
                                                           const Store* store, Metrics* metrics,
                                                           MemoryBudget* memory,
                                                           DeclareFunction declare = nullptr);
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
