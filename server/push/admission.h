// Decides what of a push is stored: limits, label rules, structured metadata names, detected_level. What
// fails is refused by name, the rest goes on; only broken labels or metadata names fail a whole push, as they
// do in Loki.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "proto/push/push_decode.h"
#include "server/push/generic_fields.h"
#include "server/push/rate_limit.h"
#include "server/push/stream_cache.h"
#include "server/tenant/limits.h"
#include "server/tenant/tenant_limits.h"
#include "storage/store.h"
#include "text/level.h"

namespace skald::server {

// How a push came in.
struct PushOrigin {
  std::string door;    // json, protobuf, grpc, otlp, otlp_json, otlp_grpc, agent
  std::string policy;  // an ingestion policy that the sender names, in place of those of the streams' labels
};

// What was refused of one stream for one reason.
struct PushRefusal {
  std::string stream;   // label text, service_name included
  std::string reason;   // a discard reason of Loki: line_too_long, too_far_in_future, ...
  std::string message;  // of the first refused entry
  uint64_t lines = 0;
  uint64_t bytes = 0;
  // Of the stream, for the counters.
  std::string policy;
  int64_t retention_hours = 0;
};

// Error texts of one push, grouped as Loki does: one text alone as it is, else "N errors like: text" joined
// by "; ".
class ErrorGroup {
 public:
  void Add(std::string_view message);
  bool empty() const { return groups_.empty(); }
  std::string Text() const;

 private:
  static constexpr size_t kMaxDistinct = 100;

  std::vector<std::pair<std::string, uint64_t>> groups_;
  uint64_t further_ = 0;
};

// One stream of an agent's batch.
struct AgentStream {
  std::string labels;
  std::shared_ptr<Rows> rows;  // of this batch alone: may be changed
  std::string encoded;         // the same, as it came
};

struct AdmissionResult {
  std::vector<StreamRows> streams;  // to be stored; none of them empty
  std::vector<PushRefusal> refusals;
  // The answer if everything in `streams` gets stored: 204, or the refusals' status and text.
  PushError answer{204, ""};
  // The push is refused as a whole; streams is empty.
  bool failed = false;
  uint64_t lines = 0;  // admitted
  uint64_t bytes = 0;  // line and metadata bytes admitted
};

// Thread-safe.
class Admission {
 public:
  // All outlive it. store may be null in tests: then there is no stream limit.
  Admission(const TenantLimits* limits, const Store* store, const Clock* clock, Metrics* metrics);

  // Views of push are not looked at after the call.
  AdmissionResult Admit(const std::string& tenant, const DecodedPush& push, const PushOrigin& origin = {});
  // An agent's columns. Rows that nothing has to be changed on keep their encoded form.
  AdmissionResult AdmitAgent(const std::string& tenant, std::vector<AgentStream> streams);

 private:
  class Batch;

  // What follows from one set of limits.
  struct Rules {
    explicit Rules(std::shared_ptr<const Limits> limits);

    const std::shared_ptr<const Limits> limits;
    const LevelDetector detector;
    const GenericFields generic_fields;
    StreamCache cache;
  };
  std::shared_ptr<Rules> RulesOf(const std::string& tenant);

  // A stream's place in the limits that need state: nullopt if it may pass, else reason and message.
  struct Refused {
    std::string reason;
    std::string message;
  };
  std::optional<Refused> CheckStream(const Limits& limits, const std::string& tenant,
                                     const ResolvedStream& stream, const Rows& rows, uint64_t bytes,
                                     uint64_t streams_in_push, uint64_t* new_streams);
  std::optional<Refused> CheckTenantRate(const Limits& limits, const std::string& tenant, uint64_t lines,
                                         uint64_t bytes);
  void CountReceived(const std::string& tenant, const DecodedPush& push);
  void CountReceived(const std::string& tenant, uint64_t lines, uint64_t bytes, uint64_t metadata_bytes);

  const TenantLimits* const limits_;
  const Store* const store_;
  const Clock* const clock_;
  Metrics* const metrics_;
  const std::shared_ptr<Rules> base_;

  std::mutex mu_;
  absl::flat_hash_map<std::string, std::shared_ptr<Rules>> own_;  // guarded by mu_; of tenants with overrides
  absl::flat_hash_map<std::string, TokenBucket> tenant_rates_;    // guarded by mu_
  absl::flat_hash_map<std::string, TokenBucket> stream_rates_;    // guarded by mu_; by tenant and label text
};

}  // namespace skald::server
