// skald-load: makes a load (make) and sends it to a server (replay). bench/run drives it.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/json_writer.h"
#include "bench/load_directory.h"
#include "bench/replay.h"

namespace skald::bench {
namespace {

int Fail(const absl::Status& status) {
  std::cerr << "skald-load: " << MessageOf(status) << '\n';
  return 1;
}

int Make(const LoadOptions& options, const std::string& directory) {
  const auto summary = WriteLoad(options, directory);
  if (!summary.ok()) return Fail(summary.status());
  std::cout << fmt::format("{} bodies, {} lines, {} MiB of lines in {}\n", summary->bodies, summary->lines,
                           summary->raw_bytes >> 20, directory);
  return 0;
}

int Send(const ReplayOptions& options) {
  const auto result = Replay(options);
  if (!result.ok()) return Fail(result.status());
  std::string json;
  JsonWriter(&json)
      .BeginObject()
      .Key("seconds")
      .Double(result->seconds)
      .Key("bodies")
      .UInt(result->bodies)
      .Key("retries")
      .UInt(result->retries)
      .Key("median_ms")
      .Double(result->median_ms)
      .Key("worst_ms")
      .Double(result->worst_ms)
      .EndObject();
  std::cout << json << '\n';
  return 0;
}

}  // namespace
}  // namespace skald::bench

int main(int argc, char** argv) {
  CLI::App app("Makes a log load and replays it against a server's push API", "skald-load");
  app.require_subcommand(1);
  skald::bench::LoadOptions load;
  skald::bench::ReplayOptions replay;
  uint64_t mib = 1024;
  CLI::App* make = app.add_subcommand("make", "Write DIR/body-NNNNN.bin, DIR/raw.log and DIR/load.json");
  make->add_option("--out", replay.directory, "DIR")->required();
  make->add_option("--mib", mib, "MiB of lines")->capture_default_str();
  make->add_option("--seed", load.seed, "Same seed, same load")->capture_default_str();
  make->add_option("--start", load.start_ns, "Time of the first line, Unix ns")->capture_default_str();
  CLI::App* send = app.add_subcommand("replay", "POST every body; prints what it took as JSON");
  send->add_option("--dir", replay.directory, "A load")->required();
  send->add_option("--host", replay.host, "Server")->capture_default_str();
  send->add_option("--port", replay.port, "Its HTTP port")->capture_default_str();
  send->add_option("--path", replay.target, "Path")->capture_default_str();
  send->add_option("--connections", replay.connections, "Connections")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  load.line_bytes = mib << 20;
  return *make ? skald::bench::Make(load, replay.directory) : skald::bench::Send(replay);
}
