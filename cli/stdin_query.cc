#include "cli/stdin_query.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json_writer.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "cli/entry_printer.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/logql/parser.h"
#include "text/go_float.h"
#include "text/units.h"

namespace skald::cli {
namespace {

constexpr size_t kMaxLines = 10'000;                   // of a turn
constexpr uint64_t kMaxHeldBytes = uint64_t{1} << 30;  // of lines that a metric is made of

// All lines, whatever is selected.
class AllLines final : public exec::MemoryLogSource {
 public:
  absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>&,
                                   TimeRange range) const override {
    return MemoryLogSource::Select(tenant, {}, range);
  }
};

// The lines that are there, one at least; fewer at the end.
std::vector<exec::MemoryEntry> ReadLines(std::istream& in, int64_t* last_ns) {
  std::vector<exec::MemoryEntry> lines;
  std::string line;
  while (lines.size() < kMaxLines && std::getline(in, line)) {
    *last_ns = std::max(*last_ns + 1, Clock::System().NowNs());
    lines.push_back({*last_ns, std::move(line), {}});
    if (in.rdbuf()->in_avail() <= 0) break;
  }
  return lines;
}

// As in the API's answer.
void WriteSample(JsonWriter* w, int64_t t_ms, double value) {
  w->BeginArray().Double(static_cast<double>(t_ms) / 1e3).String(FormatSampleValue(value)).EndArray();
}

absl::StatusOr<QueryAnswer> ToAnswer(const QueryResult& result) {
  QueryAnswer answer;
  JsonWriter w(&answer.result_json);
  if (const auto* scalar = std::get_if<Scalar>(&result.data)) {
    answer.result_type = "scalar";
    WriteSample(&w, scalar->t_ms, scalar->value);
  } else if (const auto* vector = std::get_if<Vector>(&result.data)) {
    answer.result_type = "vector";
    w.BeginArray();
    for (const VectorSample& sample : vector->samples) {
      w.BeginObject().Key("metric").BeginObject();
      for (const Labels::Pair& label : sample.labels) w.Key(label.first).String(label.second);
      w.EndObject().Key("value");
      WriteSample(&w, vector->t_ms, sample.value);
      w.EndObject();
    }
    w.EndArray();
  } else {
    return Internal("a metric query was answered with lines");
  }
  answer.warnings = result.warnings;
  return answer;
}

// The metric at the last line's moment: a range reaches back from there.
absl::StatusOr<QueryAnswer> RunMetric(const logql::ExprPtr& expr, std::istream& in, ThreadPool* pool,
                                      MemoryBudget* budget) {
  AllLines source;
  int64_t last_ns = Clock::System().NowNs();
  uint64_t held = 0;
  for (;;) {
    std::vector<exec::MemoryEntry> lines = ReadLines(in, &last_ns);
    if (lines.empty()) break;
    for (const exec::MemoryEntry& entry : lines) held += entry.line.size() + sizeof(entry);
    if (held > kMaxHeldBytes)
      return ResourceExhausted("--stdin: a metric holds its lines, {} at most",
                               FormatHumanBytes(kMaxHeldBytes));
    source.AddBlock("", {{Labels{}, std::move(lines)}});
  }
  QueryParams params;
  params.end_ns = last_ns;
  params.instant = true;
  QueryLimits limits;
  limits.max_query_series = 0;
  ASSIGN_OR_RETURN(const QueryResult result,
                   Engine(&source, pool, budget).RunExpr(expr, params, limits, nullptr));
  return ToAnswer(result);
}

}  // namespace

absl::StatusOr<std::optional<QueryAnswer>> RunStdinQuery(const Options& options, std::istream& in,
                                                         Streams streams) {
  const size_t begin = options.query.find_first_not_of(" \t\r\n");
  const bool stages_alone =
      begin != std::string::npos && (options.query[begin] == '|' || options.query[begin] == '!');
  ASSIGN_OR_RETURN(const logql::ExprPtr expr,
                   logql::ParseExpr((stages_alone ? "{source=\"stdin\"} " : "") + options.query));
  ThreadPool pool(1);
  MemoryBudget budget("lines of standard input", int64_t{1} << 30);
  if (!logql::IsLogQuery(*expr)) return RunMetric(expr, in, &pool, &budget);
  EntryPrinter printer(options.printer, &streams.out);
  int64_t last_ns = 0;
  uint64_t printed = 0;
  while (options.limit == 0 || printed < options.limit) {
    std::vector<exec::MemoryEntry> lines = ReadLines(in, &last_ns);
    if (lines.empty()) break;
    QueryParams params;
    params.start_ns = lines.front().time_ns;
    params.end_ns = last_ns + 1;
    params.limit = static_cast<uint32_t>(
        options.limit == 0 ? lines.size() : std::min<uint64_t>(lines.size(), options.limit - printed));
    params.direction = Direction::kForward;
    QueryLimits limits;
    limits.max_entries_limit = 0;
    limits.split_interval_ns = 0;
    AllLines source;
    source.AddBlock("", {{Labels{}, std::move(lines)}});
    ASSIGN_OR_RETURN(const QueryResult result,
                     Engine(&source, &pool, &budget).RunExpr(expr, params, limits, nullptr));
    const auto& found = std::get<skald::Streams>(result.data);
    std::vector<std::shared_ptr<const Labels>> labels;
    for (const CategorizedLabels& set : found.label_sets()) {
      std::vector<Labels::Pair> pairs;
      for (const CategorizedLabel& label : set) pairs.emplace_back(label.name, label.value);
      labels.push_back(std::make_shared<const Labels>(Labels(std::move(pairs))));
    }
    std::vector<Entry> entries;
    for (const skald::Streams::Entry& entry : found.entries())
      entries.push_back({entry.time_ns, labels[entry.label_set], entry.line});
    printed += entries.size();
    printer.Print(entries, {});
    streams.out.flush();
  }
  return std::nullopt;
}

}  // namespace skald::cli
