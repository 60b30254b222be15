// An end that takes batches: a server, or one tenant of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/delivery/batch.h"

namespace skald::agent {

struct PushEvent {
  enum class Kind { kWelcome, kAck };
  Kind kind = Kind::kAck;
  uint64_t sequence = 0;         // of the batch; of a welcome: the last durable one
  bool was_durable = false;      // the end had it already, from an earlier connection or process
  uint64_t max_batch_bytes = 0;  // of a welcome; 0 = any size
  std::vector<skald::push::v1::Refusal> refusals;
};

struct PushStats {
  bool connected = false;
  uint64_t connections = 0;
  uint64_t failures = 0;  // streams that broke or could not be opened, requests without an answer
  uint64_t retries = 0;   // answers "retry"
  uint64_t sent_batches = 0;
  uint64_t sent_bytes = 0;
  std::string last_error;

  void Add(const PushStats& other);
};

// Thread-safe. A sender has a thread of its own and tries for ever; acknowledgements come in the order of the
// batches. Destroying it gives up what is under way: nothing is acknowledged afterwards.
class Sender {
 public:
  virtual ~Sender() = default;
  // Sequences ascend; the batch's other tenants are not looked at.
  virtual void Send(std::shared_ptr<const Batch> batch) = 0;
  virtual std::vector<PushEvent> TakeEvents() = 0;
  virtual PushStats stats() const = 0;
  // Continues under another id; what is held is sent under it.
  virtual void SetAgentId(std::string agent_id) = 0;
};

}  // namespace skald::agent
