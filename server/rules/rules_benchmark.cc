// What a thousand rules cost: every 15 seconds over a steady 5 MiB/s of logs of a hundred services. An
// iteration is one interval: the store takes its lines in (not counted), then each rule is evaluated.
// cpu_share is the part of one core that evaluating takes: CPU time over 15 s; save_cpu_share the part that
// writing takes what is kept. And what a window of a day costs at first, and after a restart.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "base/status_macros.h"
#include "base/testing/temp_dir.h"
#include "query/exec/windows/rolling_windows.h"
#include "query/logql/parser.h"
#include "rules/evaluate.h"
#include "rules/window_db.h"
#include "storage/shard.h"
#include "storage/store.h"

namespace skald::server {
namespace {

constexpr int kServices = 100;
constexpr int kRules = 1000;
constexpr int64_t kIntervalNs = int64_t{15} * kNsPerSecond;
constexpr int64_t kBytesPerInterval = int64_t{5} * (1 << 20) * 15;
constexpr int64_t kStart = int64_t{1'700'000'010} * kNsPerSecond;
// How late lines are, so that the newest part of time is read twice as it is in life.
constexpr int64_t kLateNs = kNsPerSecond;

double CpuSeconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Ten kinds of rules for each service, a hundredth of all over all services.
std::vector<logql::ExprPtr> Rules() {
  const char* const kinds[] = {
      "sum(rate({{app=\"s{0}\"}} |= \"error\" [5m])) > 5",
      "sum(count_over_time({{app=\"s{0}\"}} |= \"error\" [5m])) / sum(count_over_time({{app=\"s{0}\"}}[5m])) "
      "> 0.05",
      "sum(count_over_time({{app=\"s{0}\"}} | json status | status >= 500 [5m])) > 100",
      "quantile_over_time(0.95, {{app=\"s{0}\"}} | json duration | unwrap duration | __error__=\"\" [5m]) by "
      "(app) > 900",
      "absent_over_time({{app=\"s{0}\"}}[2m])",
      "sum(rate({{app=\"s{0}\"}}[1m])) > 1000",
      "sum(bytes_rate({{app=\"s{0}\"}}[5m])) > 1e7",
      "sum(count_over_time({{app=\"s{0}\"}} |= \"error\" [1h])) > 1e6",
      "sum by (level) (count_over_time({{app=\"s{0}\"}} | json level [5m])) > 1e6",
      "sum(count_over_time({{app=\"s{0}\"}} |~ \"^(panic:|fatal error:)\" [10m])) >= 3",
  };
  std::vector<logql::ExprPtr> out;
  for (int i = 0; i < kRules; ++i) {
    const std::string text = i % 100 == 99
                                 ? "sum by (app) (count_over_time({app=~\".+\"} |= \"panic\" [30d])) > 1e9"
                                 : fmt::format(fmt::runtime(kinds[i % 10]), i / 10);
    absl::StatusOr<logql::ExprPtr> parsed = logql::ParseExpr(text);
    SKALD_CHECK(parsed.ok());
    out.push_back(*std::move(parsed));
  }
  return out;
}

class Logs {
 public:
  explicit Logs(exec::RollingWindows* windows) {
    StoreOptions options;
    options.directory = directory_.path();
    options.wal_sync = WalSync::kOff;
    options.fresh_rows = [windows](const FreshRows& rows) {
      windows->Publish(rows.tenant, rows.stream, rows.labels, rows.rows->time_ns.front(),
                       rows.rows->time_ns.back(), Raw(rows.lsn));
    };
    store_ = std::move(Store::Open(options)).value();
  }

  // The lines of (end - interval, end], less those that come late, and those that came late before.
  void Append(int64_t end_ns) { Append(end_ns, kIntervalNs, kServices, kBytesPerInterval); }
  void Append(int64_t end_ns, int64_t length_ns, int services, int64_t bytes_of_all) {
    for (int service = 0; service < services; ++service) {
      auto rows = std::make_shared<Rows>();
      int64_t bytes = 0;
      const int64_t per_service = bytes_of_all / services;
      while (bytes < per_service) {
        const int64_t at_ns = end_ns - kLateNs - length_ns + length_ns / per_service * bytes + 1;
        const uint64_t n = random_();
        const std::string line = fmt::format(
            R"({{"level":"{}","msg":"request served","path":"/api/v1/items/{}","status":{},"duration":{},"trace_id":"{:016x}{:016x}",)"
            R"("user":"u{}","note":"{}"}})",
            n % 50 == 0 ? "error" : "info", n % 1000, n % 50 == 0 ? 503 : 200, n % 997, n, n * 31, n % 10'000,
            "nothing else to say about this one");
        rows->Append(at_ns, line);
        bytes += static_cast<int64_t>(line.size());
      }
      StreamRows stream;
      stream.labels =
          Labels{{"app", fmt::format("s{}", service)}, {"service_name", fmt::format("s{}", service)}};
      stream.rows = std::move(rows);
      AppendBatch batch;
      batch.tenant = "fake";
      batch.streams.push_back(std::move(stream));
      SKALD_CHECK(store_->AppendAndWait(std::move(batch)).ok());
    }
  }

  Store* store() const { return store_.get(); }

 private:
  const TempDir directory_;
  std::unique_ptr<Store> store_;
  std::mt19937_64 random_{1};
};

bool Save(exec::RollingWindows* windows, const Store* store, bool everything) {
  return windows
      ->Save(
          Raw(store->AppliedLsn()), [&] { return Raw(store->LastLsn()); }, everything)
      .ok();
}

void BM_ThousandRules(benchmark::State& state) {
  const bool keeps = state.range(0) != 0;
  const TempDir directory;
  const auto db = std::move(rules::WindowDb::Open(directory.path() + "/windows")).value();
  exec::RollingWindows windows(int64_t{256} << 20);
  windows.Open(db.get());
  Logs logs(&windows);
  ThreadPool pool(1);
  MemoryBudget budget("benchmark", int64_t{4} << 30);
  const Engine engine(logs.store(), &pool, &budget);
  const std::vector<logql::ExprPtr> rules = Rules();
  int64_t now_ns = kStart;
  double cpu = 0;
  double last = 0;
  double save_cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    now_ns += kIntervalNs;
    logs.Append(now_ns);
    state.ResumeTiming();
    const double begin = CpuSeconds();
    for (const logql::ExprPtr& rule : rules) {
      const rules::KeptWindows kept{keeps ? &windows : nullptr, kIntervalNs};
      SKALD_CHECK(rules::EvaluateAt(engine, "fake", rule, now_ns, kept).ok());
    }
    last = CpuSeconds() - begin;
    cpu += last;
    const double saving = CpuSeconds();
    SKALD_CHECK(Save(&windows, logs.store(), false));
    save_cpu += CpuSeconds() - saving;
  }
  const double seconds = static_cast<double>(state.iterations()) * 15;
  state.counters["cpu_share"] = cpu / seconds;
  state.counters["cpu_share_of_last"] = last / 15;
  state.counters["save_cpu_share"] = save_cpu / seconds;
  state.counters["written_KiB_each"] =
      static_cast<double>(windows.written_bytes()) / 1024 / static_cast<double>(state.iterations());
  state.counters["kept_MiB"] = static_cast<double>(windows.bytes()) / (1 << 20);
}
BENCHMARK(BM_ThousandRules)->ArgName("keeps")->Arg(1)->Arg(0)->Iterations(6)->Unit(benchmark::kMillisecond);

// A window of a day over 3.5 million lines of 20 services: evaluated first, and once more 15 s after a
// restart, with what was kept or without.
void BM_DayAfterRestart(benchmark::State& state) {
  const bool keeps = state.range(0) != 0;
  constexpr int64_t kHourNs = int64_t{3600} * kNsPerSecond;
  const TempDir directory;
  const auto db = std::move(rules::WindowDb::Open(directory.path() + "/windows")).value();
  auto windows = std::make_unique<exec::RollingWindows>(int64_t{256} << 20);
  windows->Open(db.get());
  windows->Begin({}, 0, false);
  Logs logs(windows.get());
  for (int hour = 1; hour <= 24; ++hour) logs.Append(kStart + hour * kHourNs, kHourNs, 20, int64_t{36} << 20);
  SKALD_CHECK(logs.store()->Flush().ok());
  ThreadPool pool(1);
  MemoryBudget budget("benchmark", int64_t{4} << 30);
  const Engine engine(logs.store(), &pool, &budget);
  const logql::ExprPtr rule = *logql::ParseExpr(
      "sum by (app) (count_over_time({app=~\".+\"} | json status | status >= 500 [1d])) > 0");
  int64_t now_ns = kStart + 24 * kHourNs;
  const auto evaluate = [&] {
    QueryStats stats;
    SKALD_CHECK(rules::EvaluateAt(engine, "fake", rule, now_ns, {windows.get(), kIntervalNs}, &stats).ok());
    return static_cast<double>(stats.lines_processed);
  };
  state.counters["lines_at_first"] = evaluate();
  for (int round = 0; round < 4; ++round) {
    now_ns += kIntervalNs;
    evaluate();
    SKALD_CHECK(Save(windows.get(), logs.store(), false));
  }
  state.counters["saved_KiB"] = static_cast<double>(windows->saved_bytes()) / 1024;
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    windows = std::make_unique<exec::RollingWindows>(int64_t{256} << 20);
    state.ResumeTiming();
    const double begin = CpuSeconds();
    if (keeps) {
      windows->Open(db.get());
      std::vector<exec::LinesFile> files;
      const std::vector<StoredTimes> segments = logs.store()->SegmentTimes().value();
      for (const StoredTimes& segment : segments)
        files.push_back({segment.min_ns, segment.max_ns, Raw(segment.covered)});
      windows->Begin(files, Raw(logs.store()->LastLsn()), false);
    }
    now_ns += kIntervalNs;
    state.counters["lines"] = evaluate();
    cpu += CpuSeconds() - begin;
  }
  state.counters["cpu_ms"] = cpu * 1000 / static_cast<double>(state.iterations());
}
BENCHMARK(BM_DayAfterRestart)->ArgName("keeps")->Arg(1)->Arg(0)->Iterations(3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skald::server
