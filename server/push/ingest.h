// The one way lines enter, whatever door they came through: decode, admit, append to the store, answer when
// durable.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/fair_share.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "base/thread_pool.h"
#include "proto/push/otlp_decode.h"
#include "proto/push/push_decode.h"
#include "server/config.h"
#include "server/push/admission.h"
#include "storage/store.h"

namespace skald::server {

// Thread-safe. Everything given outlives it; its destructor waits until every batch it handed to the store is
// answered.
class IngestService {
 public:
  IngestService(const ServerConfig* config, const TenantLimits* limits, Store* store, MemoryBudget* memory,
                const Clock* clock, Metrics* metrics);
  ~IngestService();

  // 204, or an error with its text (no newline at the end). Called once, on any thread.
  using Done = std::function<void(PushError)>;

  // A push as it came over HTTP. Works on a pool of its own; never blocks the caller.
  void PushBody(std::string tenant, PushFormat format, std::string body, Done done);
  // logproto.PushRequest bytes, not compressed, from gRPC.
  void PushProto(std::string tenant, std::string bytes, Done done);

  // An OTLP logs request, as it came over HTTP ...
  void PushOtlpBody(std::string tenant, PushFormat format, std::string body, Done done);
  // ... and its protobuf bytes from gRPC, not compressed.
  void PushOtlpProto(std::string tenant, std::string bytes, Done done);

  // What became of an agent's batch.
  struct AgentOutcome {
    absl::Status status;  // not OK: nothing was stored, send it again
    std::vector<PushRefusal> refusals;
  };
  using AgentDone = std::function<void(AgentOutcome)>;
  // Decodes and admits on the calling thread, then appends; done comes on a thread of the store's (or the
  // caller's, on errors). undecodable rows are refused as a whole stream.
  void AppendAgent(const std::string& tenant, std::string agent_id, BatchSeq sequence,
                   std::vector<AgentStream> streams, AgentDone done);

  // A body that was refused for its size, for the counters. format: as Loki names it (loki, otlp).
  void CountTooLarge(const std::string& tenant, const std::string& format, uint64_t bytes);

  ThreadPool* pool() { return pool_.get(); }

 private:
  // limits outlive it.
  OtlpMapping Mapping(const Limits& limits) const;
  // Reserves memory for what was decoded, then admits and stores it.
  void PushReserved(const std::string& tenant, const PushOrigin& origin, DecodedPush push, Done done);
  // Whose share a tenant's pushes take from.
  std::string_view Sharer(const std::string& tenant) const {
    return config_->auth_enabled ? std::string_view(tenant) : std::string_view();
  }
  void PushDecoded(const std::string& tenant, const PushOrigin& origin, DecodedPush push, int64_t reserved,
                   Done done);
  void Append(AppendBatch batch, Store::Done done);

  const ServerConfig* const config_;
  const TenantLimits* const limits_;
  Store* const store_;
  const Clock* const clock_;
  Metrics* const metrics_;
  Admission admission_;
  MemoryBudget memory_;
  FairShare shares_;  // of it, by tenant
  std::mutex mu_;
  std::condition_variable idle_;
  int64_t appends_ = 0;  // under way; guarded by mu_
  std::unique_ptr<ThreadPool> pool_;
};

// The answer to a push whose batch the store refused with this status.
PushError StoreErrorAnswer(const absl::Status& status);

}  // namespace skald::server
