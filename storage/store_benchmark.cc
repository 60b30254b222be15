// What it costs to take in lines: batches of 1 MiB over 20 streams, through log (synced), heads, blocks,
// segments and index. cpu_s_per_GiB is process CPU, all threads, per GiB of line bytes.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <random>
#include <string>

#include <lz4.h>

#include "base/testing/temp_dir.h"
#include "proto/rows_codec.h"
#include "storage/store.h"

namespace skald {
namespace {

constexpr int kStreams = 20;
constexpr size_t kBatchBytes = 1 << 20;
constexpr int64_t kBaseNs = 1'700'000'000 * kNsPerSecond;

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))) / (1 << 20);
}

// A service's JSON log: repeated keys, numbers that change.
std::shared_ptr<const Rows> SampleStream(int stream, int64_t begin_ns, std::mt19937* random) {
  auto rows = std::make_shared<Rows>();
  const size_t bytes = kBatchBytes / kStreams;
  rows->text.reserve(bytes + 512);
  static const char* const kPaths[] = {"/api/v1/orders", "/api/v1/cart", "/healthz", "/api/v1/users/profile",
                                       "/static/app.js"};
  static const char* const kLevels[] = {"info", "info", "info", "debug", "warn", "error"};
  for (int64_t t = begin_ns; rows->text.size() < bytes; t += 1'000'000) {
    rows->Append(
        t,
        fmt::format(
            R"({{"ts":"{}","level":"{}","caller":"http/server.go:{}","method":"GET","path":"{}","status":{},"duration_ms":{:.3f},"request_id":"{:08x}{:08x}","svc":"svc-{}"}})",
            t, kLevels[(*random)() % 6], 100 + (*random)() % 50, kPaths[(*random)() % 5],
            (*random)() % 10 ? 200 : 500, static_cast<double>((*random)() % 1'000'000) / 1000, (*random)(),
            (*random)(), stream));
  }
  return rows;
}

// state.range(0): 1 = batches come encoded, as agents send them; 0 = the store encodes.
void BM_Append(benchmark::State& state) {
  TempDir dir;
  StoreOptions options;
  options.directory = dir.path();
  auto store = Store::Open(options);
  if (!store.ok()) return state.SkipWithError(store.status().ToString().c_str());
  std::mt19937 random(1);
  // Made beforehand, so that only the store's own work is measured; times are shifted in copies below.
  std::vector<std::vector<std::shared_ptr<const Rows>>> samples(8);
  std::vector<std::vector<std::string>> encoded(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    for (int s = 0; s < kStreams; ++s) {
      samples[i].push_back(SampleStream(s, kBaseNs, &random));
      encoded[i].emplace_back();
      EncodeRows(*samples[i].back(), &encoded[i].back());
    }
  }
  uint64_t bytes = 0;
  uint64_t batches = 0;
  double preparing = 0;
  double peak_mib = 0;
  const double before = CpuSeconds();
  for (auto _ : state) {
    const double begin = CpuSeconds();
    AppendBatch batch;
    batch.tenant = "t";
    const auto& sample = samples[batches % samples.size()];
    for (int s = 0; s < kStreams; ++s) {
      auto rows = std::make_shared<Rows>(*sample[static_cast<size_t>(s)]);
      for (int64_t& t : rows->time_ns) t += static_cast<int64_t>(batches) * kNsPerSecond;
      bytes += rows->line_bytes(0, rows->size());
      batch.streams.push_back(
          {{{"app", "svc"}, {"pod", std::to_string(s)}},
           std::move(rows),
           state.range(0) ? encoded[batches % samples.size()][static_cast<size_t>(s)] : std::string()});
    }
    preparing += CpuSeconds() - begin;
    (*store)->Append(std::move(batch), [&](absl::Status status) {
      if (!status.ok()) std::abort();
    });
    if (++batches % 64 == 0) peak_mib = std::max(peak_mib, ResidentMiB());
  }
  while ((*store)->Stats().appended_rows == 0 || !(*store)->Flush().ok()) {
  }
  const double used = CpuSeconds() - before - preparing;
  const StoreStats stats = (*store)->Stats();
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["cpu_s_per_GiB"] = used / (static_cast<double>(bytes) / (1 << 30));
  state.counters["peak_rss_MiB"] = peak_mib;
  state.counters["stored_ratio"] = static_cast<double>(bytes) / static_cast<double>(stats.segment_bytes);
  state.counters["syncs"] = static_cast<double>(stats.wal_syncs);
}
BENCHMARK(BM_Append)->Arg(0)->Arg(1)->Iterations(1024)->UseRealTime()->Unit(benchmark::kMillisecond);

// The measure beside it: one pass of LZ4 over the same lines.
void BM_Lz4Pass(benchmark::State& state) {
  std::mt19937 random(1);
  std::string text;
  for (int s = 0; s < kStreams; ++s) text += SampleStream(s, kBaseNs, &random)->text.view();
  std::string out(static_cast<size_t>(LZ4_compressBound(static_cast<int>(text.size()))), '\0');
  const double before = CpuSeconds();
  uint64_t bytes = 0;
  for (auto _ : state) {
    for (size_t at = 0; at + (256 << 10) <= text.size(); at += 256 << 10) {
      benchmark::DoNotOptimize(
          LZ4_compress_default(text.data() + at, out.data(), 256 << 10, static_cast<int>(out.size())));
      bytes += 256 << 10;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["cpu_s_per_GiB"] = (CpuSeconds() - before) / (static_cast<double>(bytes) / (1 << 30));
}
BENCHMARK(BM_Lz4Pass)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skald
