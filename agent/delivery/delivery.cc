#include "agent/delivery/delivery.h"

#include <algorithm>

namespace skald::agent {

void PushStats::Add(const PushStats& other) {
  connected &= other.connected;
  connections += other.connections;
  failures += other.failures;
  retries += other.retries;
  sent_batches += other.sent_batches;
  sent_bytes += other.sent_bytes;
  if (last_error.empty()) last_error = other.last_error;
}

Delivery::Delivery(MakeSender make) : make_(std::move(make)) { SenderOf(""); }

Sender* Delivery::SenderOf(const std::string& tenant) {
  std::unique_ptr<Sender>& sender = senders_[tenant];
  if (sender == nullptr) sender = make_(tenant);
  return sender.get();
}

void Delivery::Send(const std::shared_ptr<const Batch>& batch) {
  UnderWay under_way;
  under_way.sequence = batch->manifest.sequence;
  // A batch that has nothing for the end's own tenant goes to the others alone; an empty one goes to it.
  if (batch->tenants.empty() || batch->request.batch().streams_size() > 0) under_way.waiting.emplace_back();
  for (const auto& [tenant, part] : batch->tenants) under_way.waiting.push_back(tenant);
  under_way_.push_back(std::move(under_way));
  for (const std::string& tenant : under_way_.back().waiting)
    SenderOf(tenant)->Send(tenant.empty() ? batch : std::shared_ptr<const Batch>(batch->tenants.at(tenant)));
}

std::vector<PushEvent> Delivery::TakeEvents() {
  std::vector<PushEvent> events;
  for (const auto& [tenant, sender] : senders_) {
    for (PushEvent& event : sender->TakeEvents()) {
      if (event.kind == PushEvent::Kind::kWelcome) {
        events.push_back(std::move(event));
        continue;
      }
      const auto batch = std::find_if(under_way_.begin(), under_way_.end(),
                                      [&](const UnderWay& one) { return one.sequence == event.sequence; });
      if (batch == under_way_.end()) continue;
      std::erase(batch->waiting, tenant);
      batch->was_durable &= event.was_durable;
      batch->refusals.insert(batch->refusals.end(), event.refusals.begin(), event.refusals.end());
    }
  }
  while (!under_way_.empty() && under_way_.front().waiting.empty()) {
    UnderWay& batch = under_way_.front();
    PushEvent ack;
    ack.sequence = batch.sequence;
    ack.was_durable = batch.was_durable;
    ack.refusals = std::move(batch.refusals);
    events.push_back(std::move(ack));
    under_way_.pop_front();
  }
  return events;
}

PushStats Delivery::stats() const {
  PushStats stats;
  stats.connected = true;
  for (const auto& [tenant, sender] : senders_) stats.Add(sender->stats());
  return stats;
}

void Delivery::SetAgentId(const std::string& agent_id) {
  for (const auto& [tenant, sender] : senders_) sender->SetAgentId(AgentIdOf(agent_id, tenant));
}

std::string Delivery::AgentIdOf(const std::string& agent_id, const std::string& tenant) {
  return tenant.empty() ? agent_id : agent_id + "/" + tenant;
}

}  // namespace skald::agent
