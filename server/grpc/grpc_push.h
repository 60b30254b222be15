// The agents' door: skald.push.v1.Push/Stream. proto/README.md tells the protocol.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/memory_budget.h"
#include "proto/push.grpc.pb.h"
#include "server/push/ingest.h"

namespace skald::server {

// What the streams of all agents share. Everything outlives the gRPC server.
struct AgentDoor {
  // memory: the process's.
  explicit AgentDoor(MemoryBudget* memory)
      : waiting("agents' batches that wait", int64_t{256} << 20, memory) {}

  bool auth_enabled = false;
  IngestService* ingest = nullptr;
  const Store* store = nullptr;
  Metrics* metrics = nullptr;
  // What an agent says of the services it sees; may be null. Called on gRPC's threads.
  std::function<void(const std::string& tenant, const std::string& agent_id,
                     const push::v1::Declarations& declarations)>
      declare;
  // Batches that were read and wait for their turn, of all agents.
  MemoryBudget waiting;
  std::atomic<int64_t> connected{0};
};

// A batch's serialized size at most; larger ones are refused with Retry.
inline constexpr uint64_t kMaxAgentBatchBytes = uint64_t{32} << 20;
inline constexpr int kMaxGrpcMessageBytes = 64 << 20;

class AgentPushService : public push::v1::Push::CallbackService {
 public:
  explicit AgentPushService(AgentDoor* door) : door_(door) {}

  grpc::ServerBidiReactor<push::v1::PushRequest, push::v1::PushResponse>* Stream(
      grpc::CallbackServerContext* context) override;

 private:
  AgentDoor* const door_;
};

// x-scope-orgid of a call, "" if there is none.
std::string TenantHeader(const grpc::CallbackServerContext& context);

}  // namespace skald::server
