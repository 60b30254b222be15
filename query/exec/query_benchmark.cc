// Whole queries over 64 MiB of lines in memory, in bytes of lines per second: what is left of a query's time
// when nothing has to be read or decompressed.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>
#include <string>

#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"

namespace skald::exec {
namespace {

constexpr size_t kBytesPerFormat = size_t{32} << 20;
constexpr size_t kBlockBytes = 256 << 10;
constexpr int64_t kSpanNs = 6 * 3600 * kNsPerSecond;

std::string JsonLine(std::mt19937_64& random) {
  static constexpr int kStatuses[] = {200, 200, 200, 200, 200, 200, 200, 204, 301, 404, 404, 429, 500, 503};
  const int status = kStatuses[random() % std::size(kStatuses)];
  return fmt::format(
      R"({{"level":"{}","ts":{},"msg":"request completed","method":"GET","path":"/api/v1/users/{}","status":{},)"
      R"("duration_ms":{}.{:02},"bytes":{},"request_id":"req-{:016x}","user":{{"id":{},"country":"NL"}},"host":"10.0.0.1"}})",
      status >= 500 ? "error" : "info", random() % 1000000, random() % 9000, status, random() % 200,
      random() % 100, random() % 1000000, random(), random() % 10007);
}

std::string LogfmtLine(std::mt19937_64& random) {
  static constexpr const char* kLevels[] = {"info", "info", "info", "debug", "warn", "error"};
  return fmt::format(
      R"(level={} caller=main.go:{} msg="payment accepted" duration={}.{:03}ms size={}KB order={:08x} attempts={})",
      kLevels[random() % 6], random() % 900, random() % 60, random() % 1000, random() % 700,
      static_cast<uint32_t>(random()), random() % 4);
}

const MemoryLogSource& Source() {
  static const MemoryLogSource* const source = [] {
    auto* made = new MemoryLogSource;
    std::mt19937_64 random(1);
    for (const bool json : {true, false}) {
      size_t total = 0;
      for (size_t block = 0; total < kBytesPerFormat; ++block) {
        std::vector<MemoryEntry> entries;
        const size_t blocks = kBytesPerFormat / kBlockBytes + 1;
        const int64_t begin_ns = kSpanNs / static_cast<int64_t>(blocks) * static_cast<int64_t>(block);
        for (size_t bytes = 0; bytes < kBlockBytes;) {
          std::string line = json ? JsonLine(random) : LogfmtLine(random);
          bytes += line.size();
          total += line.size();
          entries.push_back(MemoryEntry{begin_ns + static_cast<int64_t>(entries.size()) * 20 * kNsPerMs,
                                        std::move(line),
                                        {{"detected_level", entries.size() % 5 == 0 ? "error" : "info"}}});
        }
        MemoryLogSource::StreamEntries streams;
        streams.emplace_back(Labels({{"app", json ? "json" : "logfmt"}, {"pod", std::to_string(block % 4)}}),
                             std::move(entries));
        made->AddBlock("t", std::move(streams));
      }
    }
    return made;
  }();
  return *source;
}

void RunQuery(benchmark::State& state, const char* query, bool instant, int64_t step_ns) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  MemoryBudget budget("process", int64_t{4} << 30);
  const Engine engine(&Source(), &pool, &budget);
  QueryParams params;
  params.tenant = "t";
  params.query = query;
  params.instant = instant;
  params.start_ns = 0;
  params.end_ns = kSpanNs;
  params.step_ns = step_ns;
  QueryLimits limits;
  limits.max_query_series = 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    const absl::StatusOr<QueryResult> result = engine.Run(params, limits, nullptr);
    if (!result.ok()) state.SkipWithError(result.status().ToString().c_str());
    bytes += result.ok() ? result->stats.bytes_processed : 0;
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

#define QUERY_BENCHMARK(name, query, instant, step_ns)       \
  BENCHMARK_CAPTURE(RunQuery, name, query, instant, step_ns) \
      ->Arg(1)                                               \
      ->Arg(2)                                               \
      ->UseRealTime()                                        \
      ->Unit(benchmark::kMillisecond)

QUERY_BENCHMARK(AbsentNeedle, R"({app=~".+"} |= "req-needle-not-there")", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(CommonWordLimit100, R"({app=~".+"} |= "error")", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(RegexWithLiteral, R"({app=~".+"} |~ "users/777[0-9] nothing")", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(CaseInsensitive, R"({app=~".+"} |~ "(?i)PAYMENT REFUSED")", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(CountByApp, R"(sum by (app) (count_over_time({app=~".+"}[1m])))", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(CountByLevel, R"(sum by (detected_level) (count_over_time({app=~".+"}[1m])))", false,
                60 * kNsPerSecond);
QUERY_BENCHMARK(CountUngrouped, R"(count_over_time({app=~".+"}[1m]))", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(RateOfWord, R"(sum(rate({app=~".+"} |= "error" [5m])))", false, 60 * kNsPerSecond);
QUERY_BENCHMARK(JsonFilterCount,
                R"(sum by (status) (count_over_time({app="json"} | json | status >= 500 [6h])))", true, 0);
QUERY_BENCHMARK(JsonQuantile,
                R"(quantile_over_time(0.99, {app="json"} | json | unwrap duration_ms [6h]) by (method))",
                true, 0);
QUERY_BENCHMARK(JsonManySeries, R"(topk(5, sum by (request_id) (count_over_time({app="json"} | json [6h]))))",
                true, 0);
QUERY_BENCHMARK(LogfmtFilterCount,
                R"(sum by (level) (count_over_time({app="logfmt"} | logfmt | level="error" [6h])))", true, 0);
QUERY_BENCHMARK(LogfmtSum,
                R"(sum by (pod) (sum_over_time({app="logfmt"} | logfmt | unwrap duration(duration) [5m])))",
                false, 60 * kNsPerSecond);

}  // namespace
}  // namespace skald::exec
