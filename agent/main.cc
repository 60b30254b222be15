// skald-agent: see agent/agent.h for how it works, --help for how to use it.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/agent_config.h"
#include "agent/dry_run.h"
#include "agent/http_page.h"
#include "base/error.h"
#include "base/http_get.h"
#include "base/log.h"

namespace {

// For the signal handler: the agents, one for each end. A signal that comes before there are any is kept for
// them.
using Agents = std::vector<std::unique_ptr<skald::agent::Agent>>;
std::atomic<const Agents*> g_agents{nullptr};
std::atomic<bool> g_stop{false};

void StopAll(const Agents& agents) {
  for (const auto& agent : agents) agent->Stop();
}

void OnSignal(int) {
  g_stop = true;
  if (const Agents* const agents = g_agents) StopAll(*agents);
}

skald::LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return skald::LogLevel::kDebug;
  if (name == "warn") return skald::LogLevel::kWarn;
  if (name == "error") return skald::LogLevel::kError;
  return skald::LogLevel::kInfo;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "skald-agent: %s\n", std::string(skald::MessageOf(status)).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  // skald-agent health [the agent's settings]: 0 if the agent with these settings is ready and delivers.
  const bool health = argc > 1 && std::string_view(argv[1]) == "health";
  if (health) {
    ++argv;
    --argc;
  }
  absl::StatusOr<skald::agent::AgentSettings> settings = skald::agent::LoadAgentSettings(argc, argv);
  if (!settings.ok()) return Fail(settings.status());
  if (!settings->exit_text.empty()) {
    std::fputs(settings->exit_text.c_str(), stdout);
    return 0;
  }
  if (health) {
    const absl::Status status = skald::CheckHealth(settings->agent.http_listen, {"/ready", "/healthy"});
    return status.ok() ? 0 : Fail(status);
  }
  skald::SetLogLevel(LevelOf(settings->log_level));
  for (const std::string& warning : settings->warnings) skald::LogWarn(warning);
  if (settings->dry_run) {
    const absl::Status done = skald::agent::DryRun(settings->agent);
    return done.ok() ? 0 : Fail(done);
  }
  Agents agents;
  std::vector<skald::agent::Agent*> for_page;
  settings->more.insert(settings->more.begin(), settings->agent);
  for (skald::agent::AgentConfig& end : settings->more) {
    absl::StatusOr<std::unique_ptr<skald::agent::Agent>> agent = skald::agent::Agent::Create(std::move(end));
    if (!agent.ok()) return Fail(agent.status());
    agents.push_back(std::move(*agent));
    for_page.push_back(agents.back().get());
  }
  g_agents = &agents;
  if (g_stop) StopAll(agents);
  std::unique_ptr<skald::agent::HttpPage> page;
  if (!settings->agent.http_listen.empty()) {
    absl::StatusOr<std::unique_ptr<skald::agent::HttpPage>> started =
        skald::agent::HttpPage::Start(settings->agent.http_listen, std::move(for_page), settings->metrics);
    // A busy port is no reason to leave the logs.
    if (started.ok()) {
      page = std::move(*started);
    } else {
      skald::LogError("own page is off", "err=\"{}\"", skald::MessageOf(started.status()));
    }
  }
  std::vector<std::thread> threads;
  for (size_t i = 1; i < agents.size(); ++i) threads.emplace_back([&agents, i] { agents[i]->Run(); });
  agents[0]->Run();
  for (std::thread& thread : threads) thread.join();
  g_agents = nullptr;
  page.reset();
  skald::LogInfo("agent stopped");
  return 0;
}
