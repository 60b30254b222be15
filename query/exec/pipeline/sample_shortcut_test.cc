#include "query/exec/pipeline/sample_shortcut.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "text/go_float.h"

namespace skald {
namespace {

using exec::MemoryEntry;
using exec::MemoryLogSource;

constexpr int64_t kS = kNsPerSecond;

std::string Answer(MemoryLogSource* source, const std::string& query) {
  ThreadPool pool(1);
  MemoryBudget budget("process", int64_t{1} << 30);
  QueryParams params;
  params.tenant = "t";
  params.query = query;
  params.start_ns = 0;
  params.end_ns = 300 * kS;
  params.step_ns = 20 * kS;
  const absl::StatusOr<QueryResult> result =
      Engine(source, &pool, &budget).Run(params, QueryLimits(), nullptr);
  if (!result.ok()) return std::string(MessageOf(result.status()));
  std::string out;
  for (const Series& series : std::get<Matrix>(result->data).series) {
    out += series.labels.ToString();
    for (const Point& point : series.points)
      out += fmt::format(" {}:{}", point.t_ms, FormatSampleValue(point.value));
    out += '\n';
  }
  return out;
}

// Lines of a few shapes, now and then one that is broken, with another order, type or kind of value.
class RandomLines {
 public:
  explicit RandomLines(uint32_t seed) : random_(seed) {}

  std::string Json(bool damage) {
    std::string line;
    switch (random_() % 3) {
      case 0:
        line = fmt::format(
            R"({{"level":"{}","status":{},"ms":{}.{:02},"user":{{"id":{},"ok":true}},"app":"x"}})", Level(),
            Status(), random_() % 90, random_() % 100, random_() % 9);
        break;
      case 1:
        line = fmt::format(R"({{"ms":{},"status":"{}","level":"{}","none":null}})", random_() % 900, Status(),
                           Level());
        break;
      default:
        line = fmt::format(R"({{"status":{},"level":"{}","ms":{}}})", Status(), Level(), Odd());
    }
    return damage ? Damaged(std::move(line)) : line;
  }
  std::string Logfmt(bool damage) {
    std::string line =
        random_() % 2 == 0
            ? fmt::format(R"(level={} msg="order {}" status={} took={}.{}ms ms={})", Level(), random_() % 9,
                          Status(), random_() % 90, random_() % 10, random_() % 90)
            : fmt::format(R"(took={}s status={} ms={} level={})", random_() % 3, Status(), Odd(), Level());
    return damage ? Damaged(std::move(line)) : line;
  }

  std::mt19937& random() { return random_; }

 private:
  const char* Level() {
    constexpr const char* kLevels[] = {"info", "warn", "error", "err or", "", "na\xc3\xafve"};
    return kLevels[random_() % std::size(kLevels)];
  }
  uint32_t Status() { return 200 + random_() % 400; }
  std::string Odd() {
    constexpr const char* kOdd[] = {"1",     "-2.5", "1e3",          "0x10",  "\"\"",
                                    "\"7\"", "true", "\"a\\u0031\"", "1.5.2", "9_9"};
    return kOdd[random_() % (random_() % 4 == 0 ? std::size(kOdd) : 3)];
  }
  std::string Damaged(std::string line) {
    const size_t at = random_() % line.size();
    switch (random_() % 3) {
      case 0:
        line.resize(at);
        break;
      case 1:
        line[at] = "\"{},:= \\x"[random_() % 9];
        break;
      default:
        line.erase(at, 1);
    }
    return line;
  }

  std::mt19937 random_;
};

// The same query with a stage that changes nothing, which keeps the shortcut out.
TEST(SampleShortcut, AnswersAreThoseOfTheCommonWay) {
  const char* const kQueries[] = {
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| status >= 500 [20s])))",
      R"(sum by (app, level) (count_over_time({{a="b"}} | {} {}| status >= 500 [20s])))",
      R"(sum(count_over_time({{a="b"}} | {} {}| status < 300 or level="error" [20s])))",
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| level=~"err.*" | status != 200 [20s])))",
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| level!="info" | __error__="" [20s])))",
      R"(sum by (app) (bytes_over_time({{a="b"}} | {} {}| status > 250 and status <= 400 [20s])))",
      R"(sum by (level) (count_over_time({{a="b"}} | {} {}| took > 30ms [20s])))",
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| user_id > 4 [20s])))",
      R"(sum by (app) (sum_over_time({{a="b"}} | {} {}| unwrap ms [20s])))",
      R"(sum by (app) (sum_over_time({{a="b"}} | {} {}| unwrap duration(took) [20s])))",
      R"(max_over_time({{a="b"}} | {} {}| status < 400 | unwrap duration_seconds(took) | __error__="" [20s]) by (app))",
      R"(sum by (app) (sum_over_time({{a="b"}} | {} {}| unwrap bytes(ms) | __error__="" [20s])))",
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| level="error" [20s])))",
      R"(sum by (app) (count_over_time({{a="b"}} | {} {}| status > 300 | level="error" | __error__="" [20s])))",
      R"(sum(count_over_time({{a="b"}} | {} {}| status > 300 | ms < 50 [20s])))",
      R"(max_over_time({{a="b"}} | {} {}| unwrap ms [20s]) by (app))",
      R"(quantile_over_time(0.9, {{a="b"}} | {} {}| status > 300 | unwrap ms [40s]) by (app, pod))",
      R"(sum by (pod) (rate({{a="b"}} | {} {}| unwrap ms | __error__="" [20s])))",
  };
  for (uint32_t seed = 0; seed < 60; ++seed) {
    RandomLines lines(seed);
    MemoryLogSource source;
    const bool damage = seed % 3 == 0;
    for (int block = 0; block < 4; ++block) {
      const bool metadata = lines.random()() % 4 == 0;
      MemoryLogSource::StreamEntries streams;
      for (const bool json : {true, false}) {
        std::vector<MemoryEntry> entries;
        for (int i = 0; i < 150; ++i) {
          MemoryEntry entry{static_cast<int64_t>(lines.random()() % 300) * kS, "", {}};
          const bool damaged = damage && lines.random()() % 40 == 0;
          entry.line = json ? lines.Json(damaged) : lines.Logfmt(damaged);
          if (metadata && i % 3 == 0) entry.metadata.emplace_back(seed % 2 == 0 ? "status" : "pod", "404");
          entries.push_back(std::move(entry));
        }
        streams.emplace_back(
            Labels({{"a", "b"}, {"app", json ? "j" : "l"}, {block % 2 == 0 ? "pod" : "level", "p"}}),
            std::move(entries));
      }
      source.AddBlock("t", std::move(streams));
    }
    for (const char* query : kQueries) {
      for (const char* parser : {"json", "logfmt"}) {
        const std::string quick = fmt::format(fmt::runtime(query), parser, "");
        const std::string common = fmt::format(fmt::runtime(query), parser, "| drop zzz ");
        ASSERT_EQ(Answer(&source, quick), Answer(&source, common)) << quick << " seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace skald
