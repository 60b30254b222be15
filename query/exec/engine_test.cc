#include "query/exec/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "query/exec/memory_log_source.h"
#include "query/exec/query_error.h"
#include "text/go_float.h"

namespace skald {
namespace {

using exec::MemoryEntry;
using exec::MemoryLogSource;

constexpr int64_t kS = kNsPerSecond;

class EngineTest : public testing::Test {
 protected:
  absl::StatusOr<QueryResult> Run(const QueryParams& params, const QueryLimits& limits = {},
                                  CancelToken* cancel = nullptr) {
    return Engine(&source_, &pool_, &budget_).Run(params, limits, cancel);
  }
  // The answer as one line of text: series or entries separated by "; ", errors as they are.
  std::string Instant(const std::string& query, int64_t at_ns) {
    QueryParams params;
    params.tenant = "t";
    params.query = query;
    params.instant = true;
    params.end_ns = at_ns;
    return Text(Run(params));
  }
  std::string Range(const std::string& query, int64_t start_ns, int64_t end_ns, int64_t step_ns,
                    bool split = true) {
    QueryParams params;
    params.tenant = "t";
    params.query = query;
    params.start_ns = start_ns;
    params.end_ns = end_ns;
    params.step_ns = step_ns;
    QueryLimits limits;
    if (!split) limits.split_interval_ns = 0;
    return Text(Run(params, limits));
  }
  std::string Logs(const std::string& query, uint32_t limit = 100, Direction direction = Direction::kForward,
                   int64_t interval_ns = 0) {
    QueryParams params;
    params.tenant = "t";
    params.query = query;
    params.start_ns = 0;
    params.end_ns = 1000 * kS;
    params.limit = limit;
    params.direction = direction;
    params.interval_ns = interval_ns;
    return Text(Run(params));
  }

  static std::string Text(const absl::StatusOr<QueryResult>& result) {
    if (!result.ok()) return fmt::format("{} {}", HttpStatusOf(result.status()), MessageOf(result.status()));
    std::string out;
    const auto separate = [&] {
      if (!out.empty()) out += "; ";
    };
    if (const auto* vector = std::get_if<Vector>(&result->data)) {
      for (const VectorSample& sample : vector->samples) {
        separate();
        out += sample.labels.ToString() + " " + FormatSampleValue(sample.value);
      }
    } else if (const auto* matrix = std::get_if<Matrix>(&result->data)) {
      for (const Series& series : matrix->series) {
        separate();
        out += series.labels.ToString();
        for (const Point& point : series.points) {
          out += fmt::format(" {}:{}", FormatSampleValue(static_cast<double>(point.t_ms) / 1000),
                             FormatSampleValue(point.value));
        }
      }
    } else if (const auto* scalar = std::get_if<Scalar>(&result->data)) {
      out += FormatSampleValue(scalar->value);
    } else {
      const Streams& streams = std::get<Streams>(result->data);
      for (const Streams::Entry& entry : streams.entries()) {
        separate();
        out += entry.line;
      }
    }
    return out;
  }

  static MemoryEntry Line(int64_t t_ns, std::string line) { return MemoryEntry{t_ns, std::move(line), {}}; }

  MemoryLogSource source_;
  ThreadPool pool_{4};
  MemoryBudget budget_{"process", int64_t{1} << 30};
};

TEST_F(EngineTest, MetricExamples) {
  source_.AddBlock("t", {{Labels({{"app", "a"}}), {Line(10 * kS, "l=1"), Line(20 * kS, "l=2")}}});
  source_.AddBlock("t", {{Labels({{"app", "a"}}), {Line(30 * kS, "l=4")}}});
  const std::string error_text =
      "400 pipeline error: 'JSONParserErr' for series: '{__error__=\"JSONParserErr\", "
      "__error_details__=\"Value looks "
      "like object, but can't find closing '}' symbol\", app=\"a\"}'.\n"
      "Use a label filter to intentionally skip this error. (e.g | __error__!=\"JSONParserErr\").\n"
      "To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"
      "The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n";
  const struct {
    std::string query;
    std::string want;
  } rows[] = {
      {R"(count_over_time({app="a"}[20s]))", R"({app="a"} 2)"},
      {R"(count_over_time({app="a"}[0]))", ""},
      {R"(rate({app="a"}[20s]))", R"({app="a"} 0.1)"},
      {R"(bytes_over_time({app="a"}[20s]))", R"({app="a"} 6)"},
      {R"(bytes_rate({app="a"}[20s]))", R"({app="a"} 0.3)"},
      {R"(bytes_over_time({app="a"} | line_format "12345" [20s]))", R"({app="a"} 10)"},
      {R"(sum_over_time({app="a"} | logfmt | unwrap l [30s]))", R"({app="a"} 7)"},
      {R"(rate({app="a"} | logfmt | unwrap l [30s]))", R"({app="a"} 0.23333333333333334)"},
      {R"(quantile_over_time(0.75, {app="a"} | logfmt | unwrap l [30s]))", R"({app="a"} 3)"},
      {R"(quantile_over_time(2, {app="a"} | logfmt | unwrap l [30s]))", R"({app="a"} +Inf)"},
      {R"(rate_counter({app="a"} | logfmt | unwrap l [30s]))", R"({app="a"} 0.10000015000000001)"},
      {R"(rate_counter({app="a"} | logfmt | unwrap l [5s]))", R"({app="a"} 0)"},
      {R"(count_over_time({app="a"}[20s] offset 10s))", R"({app="a"} 2)"},
      {R"(count_over_time({app="a"} | logfmt [30s]))",
       R"({app="a", l="1"} 1; {app="a", l="2"} 1; {app="a", l="4"} 1)"},
      {R"(sum(count_over_time({app="zz"}[5m])))", ""},
      {R"(sum(count_over_time({app="zz"}[5m])) or vector(0))", "{} 0"},
      {R"(absent_over_time({app="zz", e=~"p.*"}[5m]))", R"({app="zz"} 1)"},
      {R"(absent_over_time({app="zz", app!="q"}[5m]))", "{} 1"},
      {R"(absent_over_time({app="a"}[20s]))", ""},
      {R"(count_over_time({app="a"} | json [30s]))", error_text},
      {R"(sum(count_over_time({app="a"} | json [30s])))", "{} 3"},
      {R"(sum by (x) (count_over_time({app="a"} | json [30s])))", error_text},
      {R"(sum by (x) (count_over_time({app="a"} | json | __error__="" [30s])))", ""},
      {R"(sum by (__error__) (count_over_time({app="a"} | json [30s])))", R"({__error__="JSONParserErr"} 3)"},
      {R"(sum_over_time({app="a"} | logfmt | label_format m="z" | unwrap m | __error__="" [30s]))", ""},
      {R"(sum by (x) (count_over_time({app="a"} | logfmt x="l" [30s])))", R"({x=""} 3)"},
      {R"(count_over_time({app="a"}[20s]) > 1)", R"({app="a"} 2)"},
      {R"(1 < count_over_time({app="a"}[20s]))", R"({app="a"} 2)"},
      {R"(count_over_time({app="a"}[20s]) > bool 5)", R"({app="a"} 0)"},
      {R"(count_over_time({app="a"}[20s]) / 0)", R"({app="a"} NaN)"},
      {R"(1 - rate({app="a"}[20s]))", R"({app="a"} 0.9)"},
      {R"q(label_replace(rate({app="a"}[20s]), "n", "${1}x", "app", "(.*)"))q", R"({app="a", n="ax"} 0.1)"},
      {R"(max_over_time({app="a"} | logfmt | unwrap l [30s]) by ())", "{} 4"},
      {"2 ^ 3 ^ 2", "512"},
      {"1 / 0", "NaN"},
      {"vector(2)", "{} 2"},
      {R"({app="a"})",
       "400 log queries are not supported as an instant query type, please change your query to a range "
       "query type"},
      {R"(approx_topk(1, count_over_time({app="a"}[60s])))",
       "500 approx_topk is not enabled. See -limits.shard_aggregations"},
      {R"(variants(count_over_time({app="a"}[1m])) of ({app="a"}[1m]))",
       "400 multi variant queries are disabled for this instance"},
      {R"(label_replace(1, "a", "b", "c", "d"))",
       "500 unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) "},
  };
  for (const auto& row : rows) EXPECT_EQ(Instant(row.query, 30 * kS), row.want) << row.query;
}

TEST_F(EngineTest, RangeSteps) {
  std::vector<MemoryEntry> entries;
  for (const int64_t t_ns : {2 * kS, 5 * kS, 6 * kS, 10 * kS, 10 * kS + 1, 11 * kS, 35 * kS, 35 * kS + 1,
                             40 * kS, 100 * kS, 100 * kS + 1}) {
    entries.push_back(Line(t_ns, fmt::format("x{}", entries.size())));
  }
  source_.AddBlock("t", {{Labels({{"app", "n"}}), entries}});
  const struct {
    std::string query;
    int64_t start_s;
    int64_t end_s;
    std::string want;
  } rows[] = {
      {R"(count_over_time({app="n"}[5s]))", 10, 100, R"({app="n"} 10:2 40:2 100:1)"},
      {R"(count_over_time({app="n"}[35s]))", 10, 100, R"({app="n"} 10:4 40:7 70:2 100:1)"},
      {R"(count_over_time({app="n"}[5s] offset 10s))", 20, 110, R"({app="n"} 20:2 50:2 110:1)"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Range(row.query, row.start_s * kS, row.end_s * kS, 30 * kS, /*split=*/false), row.want)
        << row.query;
  }
  // Rounded outwards to multiples of step.
  EXPECT_EQ(Range("vector(1)", 61 * kS, 119 * kS, 30 * kS), "{} 60:1 90:1 120:1");
  EXPECT_EQ(Range("7", 61 * kS, 61 * kS, 30 * kS), "{} 60:7 90:7");
}

TEST_F(EngineTest, TopkChangesItsWinnerAndSortKeepsOrder) {
  source_.AddBlock("t",
                   {{Labels({{"app", "a"}}), {Line(10 * kS, "x"), Line(11 * kS, "y"), Line(40 * kS, "x")}},
                    {Labels({{"app", "b"}}), {Line(10 * kS, "x"), Line(40 * kS, "x"), Line(41 * kS, "y")}}});
  EXPECT_EQ(Range(R"(topk(1, sum by (app) (count_over_time({app=~".+"}[30s]))))", 30 * kS, 60 * kS, 30 * kS),
            R"({app="a"} 30:2; {app="b"} 60:2)");
  EXPECT_EQ(Instant(R"(sort_desc(sum by (app) (count_over_time({app=~".+"}[30s]))))", 60 * kS),
            R"({app="b"} 2; {app="a"} 1)");
  EXPECT_EQ(Instant(R"(topk(2, sum by (app) (count_over_time({app=~".+"}[30s]))))", 60 * kS),
            R"({app="a"} 1; {app="b"} 2)");
}

TEST_F(EngineTest, LogQueriesLimitDirectionAndTies) {
  source_.AddBlock("t",
                   {{Labels({{"app", "a"}}), {Line(1 * kS, "a1"), Line(2 * kS, "a2"), Line(2 * kS, "a2b")}},
                    {Labels({{"app", "b"}}), {Line(3 * kS, "b3"), Line(9 * kS, "b9")}}});
  source_.AddBlock("t", {{Labels({{"app", "a"}}), {Line(5 * kS, "a5"), Line(7 * kS, "a7")}}});
  EXPECT_EQ(Logs(R"({app=~"a|b"})"), "a1; a2; a2b; b3; a5; a7; b9");
  EXPECT_EQ(Logs(R"({app=~"a|b"})", 100, Direction::kBackward), "b9; a7; a5; b3; a2b; a2; a1");
  EXPECT_EQ(Logs(R"({app=~"a|b"})", 3, Direction::kBackward), "b9; a7; a5");
  EXPECT_EQ(Logs(R"({app=~"a|b"})", 2), "a1; a2");
  EXPECT_EQ(Logs(R"({app=~"a|b"} |= "a")", 2, Direction::kBackward), "a7; a5");
  EXPECT_EQ(Logs(R"({app=~"a|b"})", 100, Direction::kForward, 2 * kS), "a1; b3; a5; a7; b9");
  EXPECT_EQ(Logs(R"({app=~"a|b"})", 100, Direction::kBackward, 3 * kS), "b9; a5; a2b");
  EXPECT_EQ(Logs(R"q({app="zz"} |~ "(")q"), "");  // stages are only looked at when a stream matches
  EXPECT_EQ(Logs(R"q({app="a"} |~ "(")q").substr(0, 3), "400");
  EXPECT_EQ(Logs(R"({app="a"})", 5001),
            "400 max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)");
}

TEST_F(EngineTest, SamplesOfOneTimeAreInOrderOfArrival) {
  // One line a block at 60 s, and one before it, the earlier the later the block came: neither the order of
  // times nor that in which threads read them is that of arrival.
  constexpr int kBlocks = 60;
  for (int block = 0; block < kBlocks; ++block) {
    source_.AddBlock(
        "t", {{Labels({{"app", "a"}}),
               {Line((50 * kS) - block * kNsPerMs, "v=0"), Line(60 * kS, fmt::format("v={}", block))}},
              {Labels({{"app", "b"}}), {Line(60 * kS, fmt::format("v={}", 100 + block))}}});
  }
  const std::string all = Logs(R"({app="a"} | logfmt | v >= 0)", 1000);
  EXPECT_EQ(all.substr(all.size() - 10), "v=58; v=59");
  // What is sent again counts where it came first.
  source_.AddBlock("t", {{Labels({{"app", "a"}}), {Line(40 * kS, "v=0"), Line(60 * kS, "v=7")}}});
  const std::string first = R"(first_over_time({app=~"a|b"} | logfmt | unwrap v [5s]) by (x))";
  const std::string last = R"(last_over_time({app="a"} | logfmt | unwrap v [5s]))";
  const std::string last_of_all = R"(last_over_time({app=~"a|b"} | logfmt | unwrap v [5s]) by (x))";
  const std::string counter = R"(rate_counter({app="a"} | logfmt | unwrap v [1m]))";
  const std::string rate = Instant(counter, 62 * kS);
  for (int run = 0; run < 200; ++run) {
    ASSERT_EQ(Instant(first, 62 * kS), "{} 0") << run;
    ASSERT_EQ(Instant(last, 62 * kS), R"({app="a"} 59)") << run;
    ASSERT_EQ(Instant(last_of_all, 62 * kS), "{} 159") << run;
    ASSERT_EQ(Instant(counter, 62 * kS), rate) << run;
  }
}

TEST_F(EngineTest, EarlyStopReadsFewBlocks) {
  for (int block = 0; block < 50; ++block) {
    std::vector<MemoryEntry> entries;
    for (int i = 0; i < 200; ++i)
      entries.push_back(Line((block * 200 + i) * kNsPerMs * 10, fmt::format("{}", i)));
    source_.AddBlock("t", {{Labels({{"app", "a"}}), entries}});
  }
  EXPECT_NE(Logs(R"({app="a"})", 100, Direction::kBackward), "");
  EXPECT_LE(source_.reads(), 3u);
}

TEST_F(EngineTest, CountsComeFromHeadersWhereTheyCan) {
  std::vector<MemoryEntry> entries;
  for (int i = 0; i < 100; ++i) {
    entries.push_back(
        MemoryEntry{i * kS, fmt::format("{}", i), {{"detected_level", i % 2 == 0 ? "info" : "warn"}}});
  }
  source_.AddBlock("t", {{Labels({{"app", "a"}}), entries}});
  EXPECT_EQ(Instant(R"(sum(count_over_time({app="a"}[5m])))", 200 * kS), "{} 100");
  EXPECT_EQ(Instant(R"(sum by (app) (bytes_over_time({app="a"}[5m])))", 200 * kS), R"({app="a"} 190)");
  EXPECT_EQ(Instant(R"(sum by (app, detected_level) (count_over_time({app="a"}[5m])))", 200 * kS),
            R"({app="a", detected_level="info"} 50; {app="a", detected_level="warn"} 50)");
  EXPECT_EQ(source_.reads(), 0u);
  EXPECT_EQ(Instant(R"(sum(count_over_time({app="a"}[50s])))", 60 * kS), "{} 50");
  EXPECT_EQ(source_.reads(), 1u);
}

TEST_F(EngineTest, SpreadForms) {
  source_.AddBlock("t", {{Labels({{"app", "a"}, {"pod", "1"}}),
                          {Line(1 * kS, "m=GET v=10 ok=1"), Line(2 * kS, "m=GET v=30 ok=1"),
                           Line(3 * kS, "m=GET v=5 ok=0"), Line(4 * kS, "m=GET ok=1")}}});
  const struct {
    std::string query;
    std::string want;
  } rows[] = {
      // 10 + 30 over all four lines.
      {R"(avg_over_time({app="a"} | logfmt | unwrap v | ok="1" [1m]) by (m))", R"({m="GET"} 10)"},
      {R"(avg by (m) (avg_over_time({app="a"} | logfmt | unwrap v | ok="1" [1m]) by (m, pod)))",
       R"({m="GET"} 10)"},
      {R"(avg_over_time({app="a"} | logfmt | drop m, ok | unwrap v [1m]))", R"({app="a", pod="1"} 11.25)"},
      // Spread as a whole, and not at all.
      {R"(sum(avg_over_time({app="a"} | logfmt | unwrap v | ok="1" [1m]) by (m)))", "{} 20"},
      {R"(avg_over_time({app="a"} | logfmt | keep app | unwrap v [1m]) > 100)", ""},
      {R"(avg_over_time({app="a"} | logfmt m, ok, v | ok="1" | v!="" | unwrap v [1m]))",
       R"({app="a", m="GET", ok="1", pod="1"} 20)"},
      {R"(count_over_time({app="a"} | logfmt v, none | v="30" [1m]))",
       R"({app="a", none="", pod="1", v="30"} 1)"},
      {R"(count_over_time({app="a"} | logfmt v, none | v="30" | drop pod [1m]))", R"({app="a", v="30"} 1)"},
      {R"(max_over_time({app="a"} | logfmt | drop ok | unwrap v [1m]))", R"({app="a", m="GET", pod="1"} 30)"},
  };
  for (const auto& row : rows) EXPECT_EQ(Instant(row.query, 30 * kS), row.want) << row.query;
}

TEST_F(EngineTest, LimitsAndStops) {
  std::vector<MemoryEntry> entries;
  for (int i = 0; i < 600; ++i) entries.push_back(Line(i * kS, fmt::format("n={}", i)));
  source_.AddBlock("t", {{Labels({{"app", "a"}}), entries}});
  const std::string series_text =
      "maximum number of series (500) reached for a single query; consider reducing query cardinality by "
      "adding more "
      "specific stream selectors, reducing the time range, or aggregating results with functions like sum(), "
      "count() "
      "or topk()";
  EXPECT_EQ(Instant(R"(count_over_time({app="a"} | logfmt [1h]))", 600 * kS), "400 " + series_text);

  QueryParams params;
  params.tenant = "t";
  params.query = R"(count_over_time({app="a"} | logfmt [1h]))";
  params.instant = true;
  params.end_ns = 600 * kS;
  QueryLimits limits;
  limits.truncate_series = true;
  auto truncated = Run(params, limits);
  ASSERT_TRUE(truncated.ok());
  EXPECT_EQ(std::get<Vector>(truncated->data).samples.size(), 500u);
  EXPECT_EQ(truncated->warnings.size(), 1u);
  EXPECT_GT(budget_.used(), 0) << "an answer holds its memory";
  truncated = QueryResult();
  EXPECT_EQ(budget_.used(), 0);

  limits = QueryLimits();
  limits.memory_bytes = 10'000;
  EXPECT_EQ(Run(params, limits).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(budget_.used(), 0);

  CancelToken cancelled;
  cancelled.Cancel();
  EXPECT_EQ(HttpStatusOf(Run(params, {}, &cancelled).status()), 499);
  CancelToken late;
  late.SetDeadline(1);
  EXPECT_EQ(HttpStatusOf(Run(params, {}, &late).status()), 504);
}

TEST_F(EngineTest, QueryChecks) {
  QueryParams params;
  params.tenant = "t";
  params.query = R"(rate({app="a", b="c"}[2d]))";
  params.start_ns = 0;
  params.end_ns = 3600 * kS;
  params.step_ns = 60 * kS;
  QueryLimits limits;
  limits.max_query_range_ns = 86400 * kS;
  EXPECT_EQ(Text(Run(params, limits)), "400 [interval] value exceeds limit: [2d] > [1d]");
  limits = QueryLimits();
  limits.required_labels = {"namespace"};
  EXPECT_EQ(Text(Run(params, limits)),
            "400 stream selector is missing required matchers [namespace], labels present in the query were "
            "[app, b]");
  limits = QueryLimits();
  limits.minimum_labels_number = 3;
  EXPECT_EQ(
      Text(Run(params, limits)),
      "400 stream selector has less label matchers than required: (present: [app, b], number_present: 2, "
      "required_number_label_matchers: 3)");
  limits = QueryLimits();
  limits.max_query_length_ns = 1800 * kS;
  EXPECT_EQ(Text(Run(params, limits)),
            "400 the query time range exceeds the limit (query length: 1h0m0s, limit: 30m)");
}

// ------------------------------------------------------------------------------- the fast paths against a
// slow, obvious evaluator

struct Corpus {
  std::map<std::string, Labels> labels;
  std::map<std::string,
           std::set<std::tuple<int64_t, std::string, std::vector<std::pair<std::string, std::string>>>>>
      entries;  // distinct ones by stream text; times in milliseconds
};

// Streams with gaps, bursts and several metadata keys, spread over blocks that overlap, repeat each other and
// share streams.
Corpus RandomCorpus(std::mt19937* random, MemoryLogSource* source) {
  Corpus corpus;
  const auto pick = [&](uint32_t n) { return static_cast<int64_t>((*random)() % n); };
  std::vector<std::string> texts;
  for (int i = 0; i < 4; ++i) {
    Labels labels({{"app", i < 2 ? "a" : "b"}, {"pod", std::to_string(i)}});
    if (i == 3) labels.Set("zone", "z");
    texts.push_back(labels.ToString());
    corpus.labels[texts.back()] = labels;
  }
  std::vector<std::pair<std::string, MemoryEntry>> recent;
  int64_t clock = 0;
  const int blocks = 1 + static_cast<int>(pick(12));
  for (int b = 0; b < blocks; ++b) {
    std::map<std::string, std::vector<MemoryEntry>> block;
    if (pick(3) == 0) clock = std::max<int64_t>(0, clock - pick(60));
    const int rows = 1 + static_cast<int>(pick(40));
    for (int i = 0; i < rows; ++i) {
      std::string text = texts[static_cast<size_t>(pick(4))];
      MemoryEntry entry;
      if (!recent.empty() && pick(6) == 0) {
        std::tie(text, entry) = recent[static_cast<size_t>(pick(static_cast<uint32_t>(recent.size())))];
      } else {
        clock += pick(5);
        entry.time_ns = clock;
        entry.line = fmt::format("line {} {}", pick(3), std::string(static_cast<size_t>(pick(10)), 'x'));
        if (pick(4) != 0) entry.metadata.emplace_back("detected_level", pick(2) == 0 ? "info" : "warn");
        if (pick(5) == 0) entry.metadata.emplace_back("zone", "m");
        std::sort(entry.metadata.begin(), entry.metadata.end());
      }
      recent.emplace_back(text, entry);
      corpus.entries[text].emplace(entry.time_ns, entry.line, entry.metadata);
      block[text].push_back(entry);
    }
    MemoryLogSource::StreamEntries streams;
    for (auto& [text, entries] : block) {
      for (MemoryEntry& entry : entries) entry.time_ns *= kNsPerMs;
      streams.emplace_back(corpus.labels[text], std::move(entries));
    }
    source->AddBlock("t", std::move(streams));
  }
  return corpus;
}

Labels EntryLabels(const Labels& stream, const std::vector<std::pair<std::string, std::string>>& metadata) {
  Labels labels = stream;
  for (const auto& [name, value] : metadata) labels.Set(stream.Has(name) ? name + "_extracted" : name, value);
  return labels;
}

TEST_F(EngineTest, CountsMatchTheSlowEvaluator) {
  std::mt19937 random(3);
  const struct {
    const char* prefix;
    const char* suffix;
    std::optional<std::vector<std::string>> by;  // nullopt: all labels
  } groupings[] = {
      {"", "", std::nullopt},
      {"sum(", ")", std::vector<std::string>{}},
      {"sum by (app) (", ")", std::vector<std::string>{"app"}},
      {"sum by (detected_level) (", ")", std::vector<std::string>{"detected_level"}},
      {"sum by (app, detected_level) (", ")", std::vector<std::string>{"app", "detected_level"}},
      {"sum by (zone, pod) (", ")", std::vector<std::string>{"pod", "zone"}},
  };
  const std::string ops[] = {"count_over_time", "rate", "bytes_over_time", "bytes_rate"};
  const std::string filters[] = {"", " |= \"line 1\"", " != \"xx\"", " |~ \"line [12]\""};
  const auto accepts = [](size_t filter, const std::string& line) {
    switch (filter) {
      case 1:
        return line.find("line 1") != std::string::npos;
      case 2:
        return line.find("xx") == std::string::npos;
      case 3:
        return line.find("line 1") != std::string::npos || line.find("line 2") != std::string::npos;
      default:
        return true;
    }
  };
  for (int round = 0; round < 150; ++round) {
    source_ = MemoryLogSource();
    const Corpus corpus = RandomCorpus(&random, &source_);
    for (int q = 0; q < 12; ++q) {
      const auto& grouping = groupings[random() % std::size(groupings)];
      const size_t op = random() % std::size(ops);
      const size_t filter = random() % std::size(filters);
      const int64_t range = 1 + static_cast<int64_t>(random() % 90);
      const int64_t offset = static_cast<int64_t>(random() % 41) - 20;
      const int64_t step = 1 + static_cast<int64_t>(random() % 60);
      const int64_t start = static_cast<int64_t>(random() % 100);
      const uint32_t steps = 1 + random() % 6;

      const std::string query = fmt::format("{}{}({{app=~\".+\"}}{} [{}ms] offset {}ms){}", grouping.prefix,
                                            ops[op], filters[filter], range, offset, grouping.suffix);
      QueryParams params;
      params.tenant = "t";
      params.query = query;
      params.start_ns = start * kNsPerMs;
      params.end_ns = (start + step * (steps - 1)) * kNsPerMs;
      params.step_ns = step * kNsPerMs;
      QueryLimits limits;
      limits.split_interval_ns = 0;

      std::map<Labels, std::map<int64_t, double>> want;
      for (const auto& [text, entries] : corpus.entries) {
        for (const auto& [t, line, metadata] : entries) {
          if (!accepts(filter, line)) continue;
          Labels labels = EntryLabels(corpus.labels.at(text), metadata);
          if (grouping.by.has_value()) {
            std::vector<Labels::Pair> pairs;
            for (const std::string& name : *grouping.by) {
              if (labels.Has(name)) pairs.emplace_back(name, labels.Get(name));
            }
            labels = Labels(std::move(pairs));
          }
          for (uint32_t i = 0; i < steps; ++i) {
            const int64_t at = start + step * i;
            if (t <= at - offset - range || t > at - offset) continue;
            want[labels][at] += (op >= 2 ? static_cast<double>(line.size()) : 1) /
                                (op % 2 == 1 ? static_cast<double>(range) / 1000 : 1);
          }
        }
      }
      const absl::StatusOr<QueryResult> result = Run(params, limits);
      ASSERT_TRUE(result.ok()) << result.status() << query;
      std::map<Labels, std::map<int64_t, double>> got;
      for (const Series& series : std::get<Matrix>(result->data).series) {
        for (const Point& point : series.points) got[series.labels][point.t_ms] = point.value;
      }
      ASSERT_EQ(got.size(), want.size()) << query;
      for (const auto& [labels, points] : want) {
        ASSERT_EQ(got[labels].size(), points.size()) << query << labels.ToString();
        for (const auto& [t, value] : points)
          ASSERT_NEAR(got[labels][t], value, 1e-9 * value) << query << " at " << t;
      }
    }
  }
}

TEST_F(EngineTest, LogQueriesMatchTheSlowEvaluator) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    source_ = MemoryLogSource();
    const Corpus corpus = RandomCorpus(&random, &source_);
    for (int q = 0; q < 8; ++q) {
      QueryParams params;
      params.tenant = "t";
      const bool filtered = random() % 2 == 0;
      params.query = filtered ? R"({app=~".+"} |= "line 1")" : R"({app=~".+"})";
      params.start_ns = static_cast<int64_t>(random() % 100) * kNsPerMs;
      params.end_ns = params.start_ns + static_cast<int64_t>(random() % 300) * kNsPerMs;
      params.limit = 1 + random() % 60;
      params.direction = random() % 2 == 0 ? Direction::kForward : Direction::kBackward;
      params.interval_ns = random() % 3 == 0 ? static_cast<int64_t>(random() % 20) * kNsPerMs : 0;
      QueryLimits limits;
      limits.split_interval_ns = 0;
      std::vector<std::pair<int64_t, std::string>> all;  // time, labels and line
      for (const auto& [text, entries] : corpus.entries) {
        for (const auto& [t, line, metadata] : entries) {
          if (t * kNsPerMs < params.start_ns || t * kNsPerMs >= params.end_ns) continue;
          if (filtered && line.find("line 1") == std::string::npos) continue;
          all.emplace_back(t * kNsPerMs, EntryLabels(corpus.labels.at(text), metadata).ToString() + line);
        }
      }
      std::sort(all.begin(), all.end());
      const bool backward = params.direction == Direction::kBackward;
      if (backward) std::reverse(all.begin(), all.end());
      std::vector<int64_t> want_times;
      for (const auto& [t, text] : all) {
        if (want_times.size() == params.limit) break;
        if (!want_times.empty() && std::abs(t - want_times.back()) < params.interval_ns) continue;
        want_times.push_back(t);
      }
      const absl::StatusOr<QueryResult> result = Run(params, limits);
      ASSERT_TRUE(result.ok()) << result.status();
      const Streams& streams = std::get<Streams>(result->data);
      std::vector<int64_t> got_times;
      std::multiset<std::string> got;
      for (const Streams::Group& group : streams.GroupByAllLabels()) {
        for (const uint32_t i : group.entries) {
          const Streams::Entry& entry = streams.entries()[i];
          got.insert(fmt::format("{} {}{}", entry.time_ns, group.labels.ToString(), entry.line));
        }
      }
      for (const Streams::Entry& entry : streams.entries()) got_times.push_back(entry.time_ns);
      ASSERT_EQ(got_times, want_times) << params.query;
      // Which of several entries at the same time are taken is not laid down; but all are real ones, and none
      // twice.
      std::multiset<std::string> known;
      for (const auto& [t, text] : all) known.insert(fmt::format("{} {}", t, text));
      ASSERT_TRUE(std::includes(known.begin(), known.end(), got.begin(), got.end()));
    }
  }
}

}  // namespace
}  // namespace skald
