// The way of a line through the agent, in bytes of files per second.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/agent.h"
#include "agent/delivery/push_double.h"
#include "base/log.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kFileBytes = uint64_t{64} << 20;

// A pod's CRI file of logfmt-like lines of about `length` bytes.
class PodFile {
 public:
  explicit PodFile(size_t length) {
    root_ = "/dev/shm/skald_bench_" + std::to_string(::getpid());
    fs::remove_all(root_);
    const std::string directory = root_ + "/pods/ns_app-5d4f9c7b6f-x2x4z_u/app";
    fs::create_directories(directory);
    std::ofstream out(directory + "/0.log", std::ios::binary);
    std::string text;
    uint64_t written = 0;
    for (int i = 0; written < kFileBytes; ++i) {
      char record[512];
      const int n = std::snprintf(record, sizeof(record),
                                  "2024-11-01T12:%02d:%02d.%09dZ stdout F level=info ts=%d msg=\"request "
                                  "done\" path=/api/v1/items/%d "
                                  "status=200 ",
                                  i / 60000 % 60, i / 1000 % 60, i % 1000 * 1000000, i, i * 7919 % 100000);
      text.assign(record, static_cast<size_t>(n));
      while (text.size() < length) text += "user=" + std::to_string(i * 31 % 5003) + " ";
      text.resize(std::max<size_t>(length, 60));
      text += '\n';
      out << text;
      written += text.size();
    }
    bytes_ = written;
  }
  ~PodFile() { fs::remove_all(root_); }
  const std::string& root() const { return root_; }
  uint64_t bytes() const { return bytes_; }
  TailerOptions Options() const {
    TailerOptions options;
    options.targets.push_back(*MakeTarget("", {root_ + "/pods/*/*/*.log"}, {}, {}, LogFormat::kAuto));
    options.node_name = "n1";
    return options;
  }

 private:
  std::string root_;
  uint64_t bytes_ = 0;
};

// Read, parse, find levels, batch, compress. Arguments: record length; whether levels are looked for.
void BM_ReadToBatch(benchmark::State& state) {
  SetLogLevel(LogLevel::kError);
  const PodFile file(static_cast<size_t>(state.range(0)));
  const LevelDetector levels;
  uint64_t encoded = 0;
  for (auto _ : state) {
    const auto journal = StateJournal::InMemory("n1");
    BatchBuilder batch(state.range(1) != 0 ? &levels : nullptr);
    Tailer tailer(file.Options(), journal.get(), &batch, &levels, Clock::System());
    tailer.Start();
    while (tailer.has_ready()) {
      tailer.ReadSome(kBlockBytes);
      if (batch.bytes() >= (1 << 20)) encoded += batch.Seal()->encoded_bytes;
    }
  }
  benchmark::DoNotOptimize(encoded);
  state.SetBytesProcessed(static_cast<int64_t>(file.bytes() * state.iterations()));
}
BENCHMARK(BM_ReadToBatch)
    ->Args({200, 1})
    ->Args({200, 0})
    ->Args({100, 1})
    ->Args({1000, 1})
    ->Unit(benchmark::kMillisecond);

// All of it, up to the acknowledgement of a server that keeps nothing; CPU time is that of the whole process,
// server included.
void BM_Deliver(benchmark::State& state) {
  SetLogLevel(LogLevel::kError);
  const PodFile file(200);
  PushDouble server;
  server.count_only = true;
  for (auto _ : state) {
    AgentConfig config;
    config.tail = file.Options();
    config.push.server = server.address();
    config.state.directory = file.root() + "/state";
    config.node_name = "n1";
    config.journal.enabled = false;
    fs::remove_all(config.state.directory);
    auto agent = Agent::Create(config);
    std::thread thread([&] { (*agent)->Run(); });
    AgentStats stats;
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    } while (!(*agent)->GetStats(&stats) || stats.tail.lag_bytes > 0 || stats.acked_lines == 0);
    (*agent)->Stop();
    thread.join();
  }
  state.SetBytesProcessed(static_cast<int64_t>(file.bytes() * state.iterations()));
}
BENCHMARK(BM_Deliver)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace
}  // namespace skald::agent
