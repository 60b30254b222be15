// skald: the server's program. Reads the settings, starts the server, waits for a signal.
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "base/allocator.h"
#include "base/error.h"
#include "base/http_get.h"
#include "base/log.h"
#include "server/config.h"
#include "server/server.h"
#include "storage/fsck.h"

namespace {

int Fail(const absl::Status& status) {
  const std::string_view message = skald::MessageOf(status);
  std::fprintf(stderr, "skald: %.*s\n", static_cast<int>(message.size()), message.data());
  return 1;
}

skald::LogLevel LevelOf(const std::string& text) {
  if (text == "debug") return skald::LogLevel::kDebug;
  if (text == "warn") return skald::LogLevel::kWarn;
  if (text == "error") return skald::LogLevel::kError;
  return skald::LogLevel::kInfo;
}

// skald fsck [--repair] DIRECTORY: 0 nothing is wrong or all is repaired, 1 something is wrong, 2 it could
// not be looked at.
int FsckMain(int argc, char** argv) {
  bool repair = false;
  std::string directory;
  for (int i = 2; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--repair") {
      repair = true;
    } else if (!arg.starts_with("-") && directory.empty()) {
      directory = arg;
    } else {
      directory.clear();
      break;
    }
  }
  if (directory.empty()) {
    std::fputs(
        "Usage: skald fsck [--repair] DIRECTORY\n\n"
        "Reads every byte of a data directory that no server has open, and says what is damaged.\n"
        "--repair: segments are written anew with what is sound in them, the index is made anew.\n",
        stderr);
    return 2;
  }
  const absl::StatusOr<skald::FsckReport> report =
      skald::Fsck(directory, repair, [](const std::string& line) { std::printf("%s\n", line.c_str()); });
  if (!report.ok()) {
    (void)Fail(report.status());
    return 2;
  }
  std::printf("%" PRIu64 " segments, %" PRIu64 " sound blocks, %" PRIu64 " lines in them, %" PRIu64
              " log files with %" PRIu64 " records: %" PRIu64 " problems, %" PRIu64 " repairs\n",
              report->segments, report->blocks, report->rows, report->log_files, report->log_records,
              report->problems, report->repaired);
  return report->problems == 0 || repair ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  skald::KeepLittleFreeMemory();
  // skald health [the server's settings]: 0 if the server with these settings is ready.
  const bool health = argc > 1 && std::string_view(argv[1]) == "health";
  if (health) {
    ++argv;
    --argc;
  }
  if (argc > 1 && std::string_view(argv[1]) == "fsck") return FsckMain(argc, argv);
  skald::server::ServerConfig settings;
  skald::Config config("skald", "Keeps logs and answers LogQL; speaks the HTTP API of Grafana Loki.",
                       std::string(skald::server::kVersion));
  skald::server::RegisterServerOptions(&config, &settings);
  const absl::StatusOr<skald::Config::Loaded> loaded = config.Load(argc, argv);
  if (!loaded.ok()) return Fail(loaded.status());
  if (loaded->exit_text) {
    std::fputs(loaded->exit_text->c_str(), stdout);
    return 0;
  }
  if (health) {
    const absl::Status status = skald::CheckHealth(settings.http_listen, {"/ready"});
    return status.ok() ? 0 : Fail(status);
  }
  skald::SetLogLevel(LevelOf(settings.log_level));
  for (const std::string& warning : loaded->warnings)
    skald::LogWarn("configuration", "warning=\"{}\"", warning);

  // Blocked before any thread starts, so that only the wait below takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<std::unique_ptr<skald::server::Server>> server =
      skald::server::Server::Start(settings, config.EffectiveYaml());
  if (!server.ok()) return Fail(server.status());
  skald::LogInfo("skald is ready", "version={} http={} grpc={} data_dir={} config={}",
                 skald::server::kVersion, (*server)->http_address(), (*server)->grpc_address(),
                 settings.data_dir, loaded->file.empty() ? "none" : loaded->file);
  constexpr timespec kLookForFreedMemory{.tv_sec = 20, .tv_nsec = 0};
  int signal = -1;
  while (signal < 0) {
    signal = sigtimedwait(&signals, nullptr, &kLookForFreedMemory);
    if (signal < 0) skald::ReturnFreedMemory();
  }
  skald::LogInfo("stopping", "signal={}", signal);
  // A second signal ends the process at once.
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*server)->Shutdown();
  server->reset();
  skald::LogInfo("stopped");
  return 0;
}
