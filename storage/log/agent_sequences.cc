#include "storage/log/agent_sequences.h"

#include <algorithm>

#include "storage/limits.h"

namespace skald {
namespace {

constexpr int64_t kMsPerDay = 24 * 60 * 60 * 1000;

std::string Key(std::string_view tenant, std::string_view agent_id) {
  std::string key;
  key.reserve(tenant.size() + 1 + agent_id.size());
  key.append(tenant);
  key.push_back('\0');
  key.append(agent_id);
  return key;
}

}  // namespace

AgentSequences::Verdict AgentSequences::Begin(std::string_view tenant, std::string_view agent_id,
                                              BatchSeq sequence) {
  if (agent_id.empty()) return Verdict::kNew;
  const uint64_t seq = Raw(sequence);
  std::lock_guard lock(mu_);
  Entry& entry = agents_[Key(tenant, agent_id)];
  if (seq <= std::max(entry.last, entry.begun)) return Verdict::kResent;
  if (entry.failed_from != 0 && seq > entry.failed_from &&
      NowMs() - entry.failed_at_ms < kFailedBatchBarsMs) {
    return Verdict::kMustWait;
  }
  entry.begun = seq;
  return Verdict::kNew;
}

void AgentSequences::Commit(std::string_view tenant, std::string_view agent_id, BatchSeq sequence) {
  if (agent_id.empty()) return;
  const uint64_t seq = Raw(sequence);
  std::lock_guard lock(mu_);
  Entry& entry = agents_[Key(tenant, agent_id)];
  entry.last = std::max(entry.last, seq);
  if (entry.begun <= entry.last) entry.begun = 0;
  if (entry.failed_from <= entry.last) entry.failed_from = 0;
  entry.seen_day = static_cast<uint32_t>(NowMs() / kMsPerDay);
}

void AgentSequences::Fail(std::string_view tenant, std::string_view agent_id, BatchSeq sequence) {
  if (agent_id.empty()) return;
  const uint64_t seq = Raw(sequence);
  std::lock_guard lock(mu_);
  Entry& entry = agents_[Key(tenant, agent_id)];
  if (entry.begun >= seq) entry.begun = 0;
  if (seq <= entry.last) return;
  entry.failed_from = entry.failed_from == 0 ? seq : std::min(entry.failed_from, seq);
  entry.failed_at_ms = NowMs();
}

BatchSeq AgentSequences::Last(std::string_view tenant, std::string_view agent_id) const {
  std::lock_guard lock(mu_);
  auto it = agents_.find(Key(tenant, agent_id));
  return BatchSeq{it == agents_.end() ? 0 : it->second.last};
}

void AgentSequences::Encode(std::string* out) const {
  const auto today = static_cast<uint32_t>(NowMs() / kMsPerDay);
  std::lock_guard lock(mu_);
  uint64_t kept = 0;
  const auto keep = [today](const Entry& entry) {
    return entry.last > 0 && entry.seen_day + kAgentForgottenAfterDays >= today;
  };
  for (const auto& [key, entry] : agents_) kept += keep(entry) ? 1 : 0;
  PutVarint(out, kept);
  for (const auto& [key, entry] : agents_) {
    if (!keep(entry)) continue;
    const size_t tenant_size = key.find('\0');
    PutText(out, std::string_view(key).substr(0, tenant_size));
    PutText(out, std::string_view(key).substr(tenant_size + 1));
    PutVarint(out, entry.last);
    PutVarint(out, entry.seen_day);
  }
}

bool AgentSequences::Merge(ByteReader* reader) {
  const uint64_t count = reader->Varint();
  std::lock_guard lock(mu_);
  for (uint64_t i = 0; i < count && reader->ok(); ++i) {
    const std::string_view tenant = reader->Text();
    const std::string_view agent_id = reader->Text();
    const uint64_t last = reader->Varint();
    const auto seen_day = static_cast<uint32_t>(reader->Varint());
    if (!reader->ok()) return false;
    Entry& entry = agents_[Key(tenant, agent_id)];
    entry.last = std::max(entry.last, last);
    entry.seen_day = std::max(entry.seen_day, seen_day);
  }
  return reader->ok();
}

}  // namespace skald
