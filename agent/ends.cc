#include "agent/ends.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {

std::vector<AgentConfig> Ends::ConfigsOf(const AgentSettings& settings) {
  std::vector<AgentConfig> configs = {settings.agent};
  configs.insert(configs.end(), settings.more.begin(), settings.more.end());
  const auto times = std::make_shared<RequestTimes>(settings.metrics);
  for (AgentConfig& config : configs) {
    config.push.times = times;
    if (config.loki) config.loki->times = times;
  }
  return configs;
}

std::vector<Agent*> Ends::agents() const {
  const std::lock_guard<std::mutex> lock(mu_);
  std::vector<Agent*> agents;
  for (const auto& end : ends_) agents.push_back(end->agent.get());
  return agents;
}

void Ends::SetOnChange(OnChange on_change) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    on_change_ = std::move(on_change);
  }
  Tell();
}

void Ends::Tell() {
  OnChange on_change;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    on_change = on_change_;
  }
  if (on_change) on_change(agents());
}

absl::Status Ends::Add(AgentConfig config) {
  auto end = std::make_unique<End>();
  end->name = config.end;
  end->definition = config.definition;
  config.spool = spool_;
  ASSIGN_OR_RETURN(end->agent, Agent::Create(std::move(config)));
  end->thread = std::thread([agent = end->agent.get()] { agent->Run(); });
  {
    const std::lock_guard<std::mutex> lock(mu_);
    ends_.push_back(std::move(end));
  }
  Tell();
  return absl::OkStatus();
}

void Ends::Remove(const std::string& name) {
  std::unique_ptr<End> end;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto found =
        std::find_if(ends_.begin(), ends_.end(), [&](const auto& one) { return one->name == name; });
    if (found == ends_.end()) return;
    end = std::move(*found);
    ends_.erase(found);
  }
  Tell();
  end->agent->Stop();
  end->thread.join();
}

absl::Status Ends::Start(AgentSettings settings, std::shared_ptr<Spool> spool) {
  const std::lock_guard<std::mutex> lock(reload_mu_);
  settings_ = std::move(settings);
  spool_ = std::move(spool);
  if (settings_.discoveries != nullptr) settings_.discoveries->Start();
  for (AgentConfig& config : ConfigsOf(settings_)) {
    const absl::Status added = Add(std::move(config));
    if (added.ok()) continue;
    Stop();
    return added;
  }
  return absl::OkStatus();
}

absl::Status Ends::Reload(
    const std::function<absl::StatusOr<AgentSettings>(const AgentSettings& previous)>& load) {
  const std::lock_guard<std::mutex> lock(reload_mu_);
  ASSIGN_OR_RETURN(AgentSettings next, load(settings_));
  for (const std::string& warning : next.warnings) LogWarn(warning);
  if (next.receivers_definition != settings_.receivers_definition)
    LogWarn("what receives has changed in the configuration: that takes a restart");
  if (next.agent.http_listen != settings_.agent.http_listen)
    LogWarn("the page's address has changed in the configuration: that takes a restart");
  std::vector<AgentConfig> configs = ConfigsOf(next);
  std::vector<std::string> gone;
  for (const AgentConfig& before : ConfigsOf(settings_)) {
    const bool stays = std::any_of(configs.begin(), configs.end(),
                                   [&](const AgentConfig& one) { return one.end == before.end; });
    if (!stays) gone.push_back(before.end);
  }
  absl::Status result;
  uint64_t kept = 0;
  uint64_t restarted = 0;
  uint64_t added = 0;
  for (AgentConfig& config : configs) {
    Agent* running = nullptr;
    bool same = false;
    {
      const std::lock_guard<std::mutex> inner(mu_);
      for (const auto& end : ends_) {
        if (end->name != config.end) continue;
        running = end->agent.get();
        same = end->definition == config.definition;
      }
    }
    if (running != nullptr && same) {
      ++kept;
      if (!running->Reload(config)) result.Update(Unavailable("an end does not answer: {}", config.end));
      continue;
    }
    if (running != nullptr) Remove(config.end);
    ++(running != nullptr ? restarted : added);
    result.Update(Add(config));
  }
  for (const std::string& name : gone) Remove(name);
  settings_ = std::move(next);
  LogInfo("configuration is reloaded", "ends_go_on={} restarted={} added={} gone={}", kept, restarted, added,
          gone.size());
  return result;
}

void Ends::Stop() {
  std::vector<std::unique_ptr<End>> ends;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    ends = std::move(ends_);
    ends_.clear();
  }
  Tell();
  for (const auto& end : ends) end->agent->Stop();
  for (const auto& end : ends) end->thread.join();
}

}  // namespace skald::agent
