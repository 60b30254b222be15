// skald-agent: see agent/agent.h for how it works, --help for how to use it.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/agent.h"
#include "agent/agent_config.h"
#include "agent/config_tools.h"
#include "agent/dry_run.h"
#include "agent/ends.h"
#include "agent/http_page.h"
#include "agent/positions/state_dump.h"
#include "agent/receivers/intake_metrics.h"
#include "agent/receivers/receivers.h"
#include "agent/receivers/stdin_reader.h"
#include "agent/unit_test.h"
#include "base/allocator.h"
#include "base/error.h"
#include "base/http_get.h"
#include "base/log.h"
#include "base/scratch_directory.h"

namespace {

// What signals ask for. The main thread waits at the descriptor for them.
std::atomic<bool> g_stop{false};
std::atomic<bool> g_reload{false};
std::atomic<int> g_wake{-1};  // eventfd

void Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(g_wake, &one, sizeof(one));
}

void OnSignal(int signal) {
  (signal == SIGHUP ? g_reload : g_stop) = true;
  Wake();
}

void StopAll() {
  g_stop = true;
  Wake();
}

skald::LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return skald::LogLevel::kDebug;
  if (name == "warn") return skald::LogLevel::kWarn;
  if (name == "error") return skald::LogLevel::kError;
  return skald::LogLevel::kInfo;
}

// Standard input is not read twice: nothing of it needs to be remembered beyond the process.
// What is read from stdin is kept for the time of the run only.
void KeepStateIn(const std::string& directory, skald::agent::AgentSettings* settings) {
  settings->agent.state.directory = directory + "/state";
  for (skald::agent::AgentConfig& end : settings->more) end.state.directory = directory + "/" + end.end;
  settings->spool.directory = directory + "/spool";
  settings->spool.max_bytes = uint64_t{64} << 20;
  settings->spool.when_full = skald::agent::SpoolOptions::WhenFull::kBlock;
  settings->spool.sync = false;
}

skald::agent::ReceiverJob StdinJob(const std::string& node_name) {
  skald::agent::ReceiverJob job;
  job.source = skald::agent::kStdinSource;
  job.name = job.source;
  job.labels = skald::Labels{{"job", "stdin"}, {"hostname", node_name}};
  return job;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "skald-agent: %s\n", std::string(skald::MessageOf(status)).c_str());
  return 1;
}

// skald-agent test FILE...: 0 if all tests pass. Options go to the configuration.
int RunTests(int argc, char** argv) {
  std::vector<std::string> files;
  std::vector<std::string> options;
  for (int i = 2; i < argc; ++i) (argv[i][0] == '-' ? options : files).emplace_back(argv[i]);
  int bad = files.empty() ? 1 : 0;
  if (files.empty()) std::fputs("usage: skald-agent test FILE... [--option=value...]\n", stderr);
  for (const std::string& file : files) {
    std::printf("Unit Testing:  %s\n", file.c_str());
    const auto failures = skald::agent::RunConfigTests(file, options);
    if (!failures.ok()) {
      std::printf("  %s\n\n", std::string(skald::MessageOf(failures.status())).c_str());
    } else if (failures->empty()) {
      std::puts("  SUCCESS\n");
      continue;
    } else {
      std::puts("  FAILED:");
      for (const std::string& failure : *failures) std::printf("    %s\n", failure.c_str());
      std::puts("");
    }
    ++bad;
  }
  return bad == 0 ? 0 : 1;
}

// skald-agent state [--json] [DIRECTORY] [the agent's settings]: what is remembered, of each end.
int ShowState(int argc, char** argv) {
  bool as_json = false;
  std::vector<std::string> directories;
  std::vector<const char*> rest = {argv[0]};
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      as_json = true;
    } else if (argument.starts_with('-')) {
      rest.push_back(argv[i]);
    } else {
      directories.emplace_back(argument);
    }
  }
  if (directories.empty()) {
    const auto settings = skald::agent::LoadAgentSettings(static_cast<int>(rest.size()), rest.data());
    if (!settings.ok()) return Fail(settings.status());
    directories.push_back(settings->agent.state.directory);
    for (const skald::agent::AgentConfig& end : settings->more) directories.push_back(end.state.directory);
  }
  std::string json_text;
  skald::JsonWriter json(&json_text);
  if (as_json) json.BeginArray();
  for (const std::string& directory : directories) {
    absl::StatusOr<std::string> text = std::string();
    if (as_json) {
      if (const absl::Status written = skald::agent::WriteState(directory, &json); !written.ok())
        return Fail(written);
    } else {
      text = skald::agent::StateText(directory);
    }
    if (!text.ok()) return Fail(text.status());
    std::fputs(text->c_str(), stdout);
  }
  if (as_json) {
    json.EndArray();
    std::printf("%s\n", json_text.c_str());
  }
  return 0;
}

// skald-agent check CONFIG, skald-agent explain CONFIG PATH|LABELS; what follows are options as ever.
struct Command {
  std::vector<std::string> texts;
  std::vector<char*> arguments;
  bool check = false;
  std::string explain;
};

Command TakeCommand(int* argc, char*** argv) {
  Command command;
  const std::string_view name = *argc > 1 ? (*argv)[1] : "";
  command.check = name == "check";
  if (!command.check && name != "explain") return command;
  int next = 2;
  command.texts.emplace_back((*argv)[0]);
  if (next < *argc && (*argv)[next][0] != '-')
    command.texts.push_back(std::string("--config=") + (*argv)[next++]);
  if (!command.check) command.explain = next < *argc ? (*argv)[next++] : "?";
  for (; next < *argc; ++next) command.texts.emplace_back((*argv)[next]);
  for (std::string& text : command.texts) command.arguments.push_back(text.data());
  *argc = static_cast<int>(command.arguments.size());
  *argv = command.arguments.data();
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  skald::KeepLittleFreeMemory();
  std::signal(SIGPIPE, SIG_IGN);
  g_wake = ::eventfd(0, EFD_CLOEXEC);
  struct sigaction action {};
  action.sa_handler = OnSignal;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
  // skald-agent health [the agent's settings]: 0 if the agent with these settings is ready and delivers.
  const bool health = argc > 1 && std::string_view(argv[1]) == "health";
  if (health) {
    ++argv;
    --argc;
  }
  if (argc > 1 && std::string_view(argv[1]) == "test") return RunTests(argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "state") return ShowState(argc, argv);
  const Command command = TakeCommand(&argc, &argv);
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
  if (command.check || settings->check) {
    std::fputs(skald::agent::CheckReport(*settings).c_str(), stdout);
    return 0;
  }
  if (!command.explain.empty()) {
    const absl::StatusOr<std::string> text = skald::agent::Explain(*settings, command.explain);
    if (!text.ok()) return Fail(text.status());
    std::fputs(text->c_str(), stdout);
    return 0;
  }
  skald::SetLogLevel(LevelOf(settings->log_level));
  for (const std::string& warning : settings->warnings) skald::LogWarn(warning);
  for (const std::string& note : settings->notes) skald::LogInfo(note);
  if (!settings->effective_yaml.empty()) std::fputs(settings->effective_yaml.c_str(), stderr);
  if (settings->dry_run) {
    const absl::Status done = skald::agent::DryRun(settings->agent);
    return done.ok() ? 0 : Fail(done);
  }
  skald::ScratchDirectory scratch;
  if (settings->from_stdin) {
    absl::StatusOr<skald::ScratchDirectory> made = skald::ScratchDirectory::Make("skald-agent");
    if (!made.ok()) return Fail(made.status());
    scratch = *std::move(made);
    KeepStateIn(scratch.path(), &*settings);
  }
  std::shared_ptr<skald::agent::Spool> spool;
  if (settings->from_stdin || !settings->receivers.empty())
    spool = skald::agent::Spool::Open(settings->spool);
  skald::agent::ReceiverConfigs receiver_configs = std::move(settings->receivers);
  const std::string http_listen = settings->agent.http_listen;
  const std::string node_name = settings->agent.node_name;
  const uint64_t max_line_size = settings->agent.tail.max_line_size;
  const std::shared_ptr<skald::agent::StageMetrics> metrics = settings->metrics;
  const bool from_stdin = settings->from_stdin;
  const std::shared_ptr<skald::agent::Tap> tap = settings->agent.tap;
  const bool tap_to_others = settings->tap_to_others;
  skald::agent::Ends ends;
  if (const absl::Status started = ends.Start(std::move(*settings), spool); !started.ok())
    return Fail(started);
  std::unique_ptr<skald::agent::Receivers> receivers;
  if (spool != nullptr) {
    absl::StatusOr<std::unique_ptr<skald::agent::Receivers>> started =
        skald::agent::Receivers::Start(std::move(receiver_configs), spool.get());
    if (!started.ok()) return Fail(started.status());
    receivers = std::move(*started);
  }
  std::unique_ptr<skald::agent::HttpPage> page;
  if (!http_listen.empty()) {
    absl::StatusOr<std::unique_ptr<skald::agent::HttpPage>> started =
        skald::agent::HttpPage::Start(http_listen, ends.agents(), metrics);
    // A busy port is no reason to leave the logs.
    if (started.ok()) {
      page = std::move(*started);
      if (tap != nullptr) page->SetTap(tap, tap_to_others);
      if (receivers != nullptr)
        skald::agent::RegisterIntakeMetrics(page.get(), spool.get(), &receivers->counters(), page->metrics());
    } else {
      skald::LogError("own page and metrics are off; --http-listen gives them another address", "err=\"{}\"",
                      skald::MessageOf(started.status()));
    }
  }
  std::unique_ptr<skald::agent::StdinReader> input;
  if (from_stdin) {
    input = std::make_unique<skald::agent::StdinReader>(STDIN_FILENO, StdinJob(node_name), max_line_size,
                                                        spool.get(), [] { StopAll(); });
  }
  const auto reload = [&] {
    return ends.Reload([&](const skald::agent::AgentSettings& previous) {
      return skald::agent::LoadAgentSettings(argc, argv, &previous);
    });
  };
  if (page != nullptr) {
    ends.SetOnChange([&page](const std::vector<skald::agent::Agent*>& agents) { page->SetAgents(agents); });
    page->SetReload(reload);
  }
  while (!g_stop) {
    pollfd wake = {g_wake, POLLIN, 0};
    ::poll(&wake, 1, -1);
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(g_wake, &count, sizeof(count));
    if (!g_reload.exchange(false)) continue;
    const absl::Status done = reload();
    if (page != nullptr) page->CountReload(done.ok());
    if (!done.ok())
      skald::LogError("configuration is not reloaded, the one before is in force", "err=\"{}\"",
                      skald::MessageOf(done));
  }
  if (page != nullptr) page->SetReload(nullptr);
  ends.Stop();
  const bool finished = input == nullptr || input->finished();
  input.reset();
  page.reset();
  if (spool != nullptr) spool->Close();
  receivers.reset();
  skald::LogInfo("agent stopped");
  return finished ? 0 : 1;
}
