// One end with its tenants: each tenant has a sender, and with it a queue and a connection, of its own. A
// batch is acknowledged when all its tenants have their part; batches of one end are acknowledged in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/delivery/sender.h"

namespace skald::agent {

// Used by the agent's thread alone.
class Delivery {
 public:
  // "" is the tenant the end is configured with.
  using MakeSender = std::function<std::unique_ptr<Sender>(const std::string& tenant)>;
  explicit Delivery(MakeSender make);

  void Send(const std::shared_ptr<const Batch>& batch);
  std::vector<PushEvent> TakeEvents();
  PushStats stats() const;
  size_t tenants() const { return senders_.size(); }
  void SetAgentId(const std::string& agent_id);
  // Under which id a tenant's part goes out. A server without tenants takes all parts for one's, and parts of
  // one batch have the same sequence: they must not be taken for one batch that comes again.
  static std::string AgentIdOf(const std::string& agent_id, const std::string& tenant);

 private:
  struct UnderWay {
    uint64_t sequence = 0;
    std::vector<std::string> waiting;  // tenants without an answer
    bool was_durable = true;           // for all of them
    std::vector<skald::push::v1::Refusal> refusals;
  };
  Sender* SenderOf(const std::string& tenant);

  const MakeSender make_;
  std::map<std::string, std::unique_ptr<Sender>> senders_;
  std::deque<UnderWay> under_way_;
};

}  // namespace skald::agent
