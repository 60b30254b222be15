// How many bytes of log text a second each of the line readers takes on one core.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "text/ip_filter.h"
#include "text/json_flatten.h"
#include "text/json_path.h"
#include "text/level.h"
#include "text/logfmt.h"
#include "text/substring.h"

namespace skald {
namespace {

std::vector<std::string> JsonLines() {
  std::vector<std::string> out;
  for (int i = 0; i < 2000; ++i) {
    out.push_back(fmt::format(
        R"~({{"ts":"2026-11-01T12:00:{:02}.{:03}Z","level":"{}","msg":"request served by \"frontend\"","method":"GET",)~"
        R"~("path":"/api/v1/items/{}","status":{},"duration_ms":{}.{},"user":{{"id":"u{}","agent":"Mozilla/5.0 (X11; Linux x86_64)"}},)~"
        R"~("trace_id":"{:032x}"}})~",
        i % 60, i % 1000, i % 7 == 0 ? "warn" : "info", i, i % 5 == 0 ? 500 : 200, i % 300, i % 10, i % 50,
        i * 7919));
  }
  return out;
}

std::vector<std::string> LogfmtLines() {
  std::vector<std::string> out;
  for (int i = 0; i < 2000; ++i) {
    out.push_back(fmt::format(
        R"~(ts=2026-11-01T12:00:{:02}.{:03}Z level={} msg="request served by frontend" method=GET path=/api/v1/items/{} status={} )~"
        R"~(duration={}.{}ms user=u{} agent="Mozilla/5.0 (X11; Linux x86_64)" trace_id={:032x})~",
        i % 60, i % 1000, i % 7 == 0 ? "warn" : "info", i, i % 5 == 0 ? 500 : 200, i % 300, i % 10, i % 50,
        i * 7919));
  }
  return out;
}

std::vector<std::string> AccessLines() {
  std::vector<std::string> out;
  for (int i = 0; i < 2000; ++i) {
    out.push_back(fmt::format(
        R"(10.{}.{}.{} - user{} [01/Nov/2026:12:00:{:02} +0000] "GET /static/app-{}.js HTTP/1.1" 200 {} "https://shop.example/cart" "Mozilla/5.0")",
        i % 3, i % 200, i % 250, i % 40, i % 60, i, 500 + i));
  }
  return out;
}

size_t Bytes(const std::vector<std::string>& lines) {
  size_t n = 0;
  for (const std::string& line : lines) n += line.size() + 1;
  return n;
}

template <class Fn>
void OverLines(benchmark::State& state, const std::vector<std::string>& lines, Fn&& fn) {
  for (auto _ : state) {
    for (const std::string& line : lines) fn(line);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * Bytes(lines)));
}

struct CountFields {
  size_t n = 0;
  bool WantPrefix(std::string_view) { return true; }
  bool OnField(std::string_view, const JsonValue& value) {
    benchmark::DoNotOptimize(value.text.data());
    ++n;
    return true;
  }
};

void BM_JsonAllFields(benchmark::State& state) {
  JsonFlattener flattener;
  CountFields count;
  OverLines(state, JsonLines(),
            [&](std::string_view line) { benchmark::DoNotOptimize(flattener.Run(line, count)); });
}
BENCHMARK(BM_JsonAllFields);

// status alone, or status, level and duration_ms: stops when it has them all.
struct Wanted {
  std::vector<std::string_view> names;
  size_t left = 0;
  bool WantPrefix(std::string_view) { return false; }
  bool OnField(std::string_view name, const JsonValue& value) {
    for (const std::string_view wanted : names) {
      if (name == wanted) {
        benchmark::DoNotOptimize(value.text.data());
        return --left > 0;
      }
    }
    return true;
  }
};

void BM_JsonFields(benchmark::State& state) {
  JsonFlattener flattener;
  Wanted wanted;
  wanted.names = {"status", "level", "duration_ms"};
  wanted.names.resize(static_cast<size_t>(state.range(0)));
  OverLines(state, JsonLines(), [&](std::string_view line) {
    wanted.left = wanted.names.size();
    benchmark::DoNotOptimize(flattener.Run(line, wanted));
  });
}
BENCHMARK(BM_JsonFields)->Arg(1)->Arg(3);

void BM_JsonPaths(benchmark::State& state) {
  const std::vector<JsonPath> paths = {*ParseJsonPath("status"), *ParseJsonPath("user.id")};
  JsonPathFinder finder(&paths);
  OverLines(state, JsonLines(), [&](std::string_view line) {
    finder.Find(
        line, [](size_t, const JsonValue& value) { benchmark::DoNotOptimize(value.text.data()); },
        [](JsonError) {});
  });
}
BENCHMARK(BM_JsonPaths);

void BM_Logfmt(benchmark::State& state) {
  LogfmtScanner scanner;
  OverLines(state, LogfmtLines(), [&](std::string_view line) {
    scanner.Reset(line);
    while (scanner.Next() != LogfmtScanner::kEnd) benchmark::DoNotOptimize(scanner.value().data());
  });
}
BENCHMARK(BM_Logfmt);

void BM_Level(benchmark::State& state) {
  const LevelDetector detector;
  const auto lines = state.range(0) == 0 ? JsonLines() : state.range(0) == 1 ? LogfmtLines() : AccessLines();
  OverLines(state, lines, [&](std::string_view line) { benchmark::DoNotOptimize(detector.OfLine(line)); });
}
BENCHMARK(BM_Level)->ArgName("json0_logfmt1_access2")->Arg(0)->Arg(1)->Arg(2);

void BM_Substring(benchmark::State& state) {
  std::string text;
  for (const std::string& line : AccessLines()) text += line + "\n";
  const SubstringFinder finder("connection refused", state.range(0) == 1);
  for (auto _ : state) benchmark::DoNotOptimize(finder.Find(text));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_Substring)->ArgName("fold")->Arg(0)->Arg(1);

void BM_Ip(benchmark::State& state) {
  const auto matcher = IpMatcher::Make("192.168.0.0/16");
  OverLines(state, AccessLines(),
            [&](std::string_view line) { benchmark::DoNotOptimize(matcher->FoundIn(line)); });
}
BENCHMARK(BM_Ip);

}  // namespace
}  // namespace skald
