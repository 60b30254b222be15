// The stages of a pipeline over a block of lines, in bytes of lines per second, on one thread: what parsing,
// filtering and formatting cost when nothing has to be read.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>
#include <string>

#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"

namespace skald::exec {
namespace {

Rows Lines(std::string (*make)(std::mt19937_64& random)) {
  Rows rows;
  std::mt19937_64 random(1);
  for (int64_t i = 0; rows.text.size() < 256 << 10; ++i) rows.Append(i, make(random));
  return rows;
}

const Rows& Json() {
  static const Rows* const rows = new Rows(Lines([](std::mt19937_64& random) {
    return fmt::format(
        R"({{"level":"{}","ts":{},"msg":"request completed","method":"GET","path":"/api/v1/users/{}","status":{},)"
        R"("duration_ms":{}.{:02},"bytes":{},"request_id":"req-{:016x}","user":{{"id":{},"country":"NL"}}}})",
        random() % 10 == 0 ? "error" : "info", random() % 1000000, random() % 9000,
        random() % 10 == 0 ? 500 : 200, random() % 200, random() % 100, random() % 1000000, random(),
        random() % 10007);
  }));
  return *rows;
}

const Rows& Logfmt() {
  static const Rows* const rows = new Rows(Lines([](std::mt19937_64& random) {
    return fmt::format(
        R"(level={} caller=main.go:{} msg="payment accepted" duration={}.{:03}ms size={}KB order={:08x})",
        random() % 10 == 0 ? "error" : "info", random() % 900, random() % 60, random() % 1000, random() % 700,
        static_cast<uint32_t>(random()));
  }));
  return *rows;
}

const Rows& Access() {
  static const Rows* const rows = new Rows(Lines([](std::mt19937_64& random) {
    return fmt::format(
        R"(10.0.{}.{} - - [01/Nov/2026:12:00:00 +0000] "GET /users/{} HTTP/1.1" {} {} "-" "curl/8.4.0")",
        random() % 256, random() % 256, random() % 9000, random() % 10 == 0 ? 500 : 200, random() % 60000);
  }));
  return *rows;
}

// Lines of a log query.
void RunEntries(benchmark::State& state, const Rows& (*lines)(), const char* stages) {
  const auto query = logql::ParseLogSelector(std::string(R"({a="b"} )") + stages);
  const auto pipeline = *Pipeline::Compile(PlanPipeline(*query));
  const Labels stream({{"app", "shop"}, {"pod", "shop-1"}});
  const Rows& rows = lines();
  LabelSetInterner interner;
  PipelineRunner runner(pipeline, &interner);
  std::vector<uint32_t> candidates;
  uint64_t kept = 0;
  for (auto _ : state) {
    runner.StartSlice(stream, &rows);
    candidates.clear();
    pipeline->FilterRows(rows, 0, static_cast<uint32_t>(rows.line_end.size()), &candidates);
    Entry entry;
    for (const uint32_t row : candidates) kept += runner.ProcessEntry(row, &entry);
  }
  benchmark::DoNotOptimize(kept);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * rows.text.size()));
}

// Samples of the range aggregation that is all of the query.
void RunSamples(benchmark::State& state, const Rows& (*lines)(), const char* query) {
  const auto parsed = logql::ParseExpr(query);
  const auto& aggregation = std::get<logql::VectorAggregation>((*parsed)->node);
  const auto& range = std::get<logql::RangeAggregation>(aggregation.inner->node);
  const auto pipeline = *Pipeline::Compile(PlanPipeline(range, &aggregation));
  const Labels stream({{"app", "shop"}, {"pod", "shop-1"}});
  const Rows& rows = lines();
  LabelSetInterner interner;
  PipelineRunner runner(pipeline, &interner);
  uint64_t kept = 0;
  for (auto _ : state) {
    runner.StartSlice(stream, &rows);
    Sample sample;
    for (uint32_t row = 0; row < rows.line_end.size(); ++row) kept += runner.ProcessSample(row, &sample);
  }
  benchmark::DoNotOptimize(kept);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * rows.text.size()));
}

BENCHMARK_CAPTURE(RunEntries, JsonAllFields, Json, "| json");
BENCHMARK_CAPTURE(RunEntries, JsonNamedPaths, Json, R"(| json id="user.id", status)");
BENCHMARK_CAPTURE(RunEntries, JsonFilter, Json, "| json | status >= 500");
BENCHMARK_CAPTURE(RunEntries, JsonEquality, Json, R"(| json | level="error")");
BENCHMARK_CAPTURE(RunEntries, LogfmtAllFields, Logfmt, "| logfmt");
BENCHMARK_CAPTURE(RunEntries, LogfmtFilter, Logfmt, "| logfmt | duration > 50ms");
BENCHMARK_CAPTURE(RunEntries, Pattern, Access,
                  R"(| pattern `<ip> - - <_> "<method> <path> <_>" <status> <size> <_>`)");
BENCHMARK_CAPTURE(RunEntries, Regexp, Access,
                  R"(| regexp `"(?P<method>\S+) (?P<path>\S+) [^"]*" (?P<status>\d+)`)");
BENCHMARK_CAPTURE(RunEntries, PatternFilter, Access, R"(|> `<_>"POST <_>`)");
BENCHMARK_CAPTURE(RunEntries, LineFormat, Access,
                  "| line_format `{{.app}}/{{.pod}}: {{__line__ | upper | trunc 40}}`");
BENCHMARK_CAPTURE(RunEntries, LabelFormat, Access, "| label_format who=`{{.app | title}}-{{.pod}}`");
BENCHMARK_CAPTURE(RunSamples, JsonCount, Json,
                  R"(sum by (app) (count_over_time({a="b"} | json | status >= 500 [5m])))");
BENCHMARK_CAPTURE(RunSamples, JsonUnwrap, Json,
                  R"(sum by (app) (sum_over_time({a="b"} | json | unwrap duration_ms [5m])))");
BENCHMARK_CAPTURE(RunSamples, LogfmtCount, Logfmt,
                  R"(sum by (caller) (count_over_time({a="b"} | logfmt | duration > 50ms [5m])))");
BENCHMARK_CAPTURE(RunSamples, LogfmtUnwrap, Logfmt,
                  R"(sum by (app) (sum_over_time({a="b"} | logfmt | unwrap duration(duration) [5m])))");

}  // namespace
}  // namespace skald::exec
