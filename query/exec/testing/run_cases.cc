// Runs queries over lines of a file, without a server: a program for comparing the engine's answers with
// recorded ones.
//
//   run_cases LINES CASES [ROWS_PER_BLOCK] > answers
//
// LINES, one JSON object a line: {"tenant", "stream": {..}, "ts": "ns", "line", "metadata": {..}?}. CASES,
// the same:
// {"id", "tenant", "query", "start_ns", "end_ns", "step_ns", "interval_ns", "limit", "forward", "instant",
// "categorize"}. An answer: {"id", "status", "body"} as the HTTP API gives it, without stats. service_name
// and detected_level are added as the server adds them.
#include <simdjson.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "base/error.h"
#include "base/json_writer.h"
#include "query/exec/engine.h"
#include "query/exec/memory_log_source.h"
#include "query/exec/query_error.h"
#include "text/go_float.h"
#include "text/level.h"

namespace skald::exec {
namespace {

std::string ServiceName(const Labels& labels) {
  for (const char* name :
       {"service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container",
        "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name"}) {
    if (!labels.Get(name).empty()) return std::string(labels.Get(name));
  }
  return "unknown_service";
}

std::vector<std::pair<std::string, std::string>> Pairs(const simdjson::dom::object& object) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto field : object) {
    pairs.emplace_back(std::string(field.key), std::string(std::string_view(field.value)));
  }
  return pairs;
}

struct Load {
  std::string tenant;
  Labels labels;
  MemoryEntry entry;
};

Load ReadLine(const simdjson::dom::element& json, const LevelDetector& detector) {
  Load load;
  load.tenant = std::string(std::string_view(json["tenant"]));
  load.labels = Labels(Pairs(json["stream"]));
  if (load.labels.Get("service_name").empty()) load.labels.Set("service_name", ServiceName(load.labels));
  load.entry.time_ns = std::stoll(std::string(std::string_view(json["ts"])));
  load.entry.line = std::string(std::string_view(json["line"]));
  simdjson::dom::object metadata;
  if (json["metadata"].get(metadata) == simdjson::SUCCESS) load.entry.metadata = Pairs(metadata);
  const auto stream_label = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!load.labels.Has(name)) return std::nullopt;
    return load.labels.Get(name);
  };
  const auto metadata_value = [&](std::string_view name) -> std::optional<std::string_view> {
    for (const auto& [key, value] : load.entry.metadata) {
      if (key == name) return value;
    }
    return std::nullopt;
  };
  const std::string level(detector.Detect(stream_label, metadata_value, load.entry.line));
  if (!level.empty()) {
    std::erase_if(load.entry.metadata, [](const auto& pair) { return pair.first == "detected_level"; });
    load.entry.metadata.emplace_back("detected_level", level);
  }
  return load;
}

void WriteLabels(JsonWriter* w, const Labels& labels) {
  w->BeginObject();
  for (const auto& [name, value] : labels) w->Key(name).String(value);
  w->EndObject();
}

void WriteStreams(JsonWriter* w, const Streams& streams, bool categorize) {
  w->Key("resultType").String("streams");
  w->Key("result").BeginArray();
  for (const Streams::Group& group :
       categorize ? streams.GroupByStreamLabels() : streams.GroupByAllLabels()) {
    w->BeginObject().Key("stream");
    WriteLabels(w, group.labels);
    w->Key("values").BeginArray();
    for (const uint32_t i : group.entries) {
      const Streams::Entry& entry = streams.entries()[i];
      w->BeginArray().String(std::to_string(entry.time_ns)).String(entry.line);
      if (categorize) {
        w->BeginObject();
        for (const auto& [category, key] : {std::pair(LabelCategory::kMetadata, "structuredMetadata"),
                                            std::pair(LabelCategory::kParsed, "parsed")}) {
          bool open = false;
          for (const CategorizedLabel& label : streams.labels(entry)) {
            if (label.category != category) continue;
            if (!open) w->Key(key).BeginObject();
            open = true;
            w->Key(label.name).String(label.value);
          }
          if (open) w->EndObject();
        }
        w->EndObject();
      }
      w->EndArray();
    }
    w->EndArray().EndObject();
  }
  w->EndArray();
}

void WritePoint(JsonWriter* w, int64_t t_ms, double value) {
  w->BeginArray()
      .Raw(FormatSampleValue(static_cast<double>(t_ms) / 1000))
      .String(FormatSampleValue(value))
      .EndArray();
}

std::string AnswerOf(const absl::StatusOr<QueryResult>& result, bool categorize) {
  std::string out;
  JsonWriter w(&out);
  if (!result.ok()) {
    w.String(MessageOf(result.status()));
    return out;
  }
  w.BeginObject().Key("status").String("success").Key("data").BeginObject();
  if (const auto* streams = std::get_if<Streams>(&result->data)) {
    WriteStreams(&w, *streams, categorize);
  } else if (const auto* matrix = std::get_if<Matrix>(&result->data)) {
    w.Key("resultType").String("matrix").Key("result").BeginArray();
    for (const Series& series : matrix->series) {
      w.BeginObject().Key("metric");
      WriteLabels(&w, series.labels);
      w.Key("values").BeginArray();
      for (const Point& point : series.points) WritePoint(&w, point.t_ms, point.value);
      w.EndArray().EndObject();
    }
    w.EndArray();
  } else if (const auto* vector = std::get_if<Vector>(&result->data)) {
    w.Key("resultType").String("vector").Key("result").BeginArray();
    for (const VectorSample& sample : vector->samples) {
      w.BeginObject().Key("metric");
      WriteLabels(&w, sample.labels);
      w.Key("value");
      WritePoint(&w, vector->t_ms, sample.value);
      w.EndObject();
    }
    w.EndArray();
  } else {
    const Scalar& scalar = std::get<Scalar>(result->data);
    w.Key("resultType").String("scalar").Key("result").BeginArray().Int(scalar.printed_time());
    w.String(FormatSampleValue(scalar.value)).EndArray();
  }
  w.EndObject().EndObject();
  return out;
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: run_cases LINES CASES [ROWS_PER_BLOCK]\n";
    return 2;
  }
  const size_t rows_per_block = argc > 3 ? std::stoul(argv[3]) : 500;
  simdjson::dom::parser parser;
  const LevelDetector detector;
  MemoryLogSource source;
  std::map<std::string, std::map<std::string, std::pair<Labels, std::vector<MemoryEntry>>>> pending;
  std::map<std::string, size_t> rows;
  const auto flush = [&](const std::string& tenant) {
    MemoryLogSource::StreamEntries streams;
    for (auto& [text, stream] : pending[tenant]) streams.push_back(std::move(stream));
    source.AddBlock(tenant, std::move(streams));
    pending[tenant].clear();
    rows[tenant] = 0;
  };
  std::ifstream lines(argv[1]);
  for (std::string text; std::getline(lines, text);) {
    Load load = ReadLine(parser.parse(text), detector);
    auto& stream = pending[load.tenant][load.labels.ToString()];
    stream.first = load.labels;
    stream.second.push_back(std::move(load.entry));
    if (++rows[load.tenant] == rows_per_block) flush(load.tenant);
  }
  for (const auto& [tenant, streams] : pending) flush(tenant);

  ThreadPool pool(2);
  MemoryBudget budget("process", int64_t{4} << 30);
  const Engine engine(&source, &pool, &budget);
  std::ifstream cases(argv[2]);
  for (std::string text; std::getline(cases, text);) {
    const simdjson::dom::element json = parser.parse(text);
    QueryParams params;
    params.tenant = std::string(std::string_view(json["tenant"]));
    params.query = std::string(std::string_view(json["query"]));
    params.start_ns = json["start_ns"].get_int64();
    params.end_ns = json["end_ns"].get_int64();
    params.step_ns = json["step_ns"].get_int64();
    params.interval_ns = json["interval_ns"].get_int64();
    params.limit = static_cast<uint32_t>(json["limit"].get_int64());
    params.direction = json["forward"].get_bool() ? Direction::kForward : Direction::kBackward;
    params.instant = json["instant"].get_bool();
    const std::string id{std::string_view(json["id"])};
    const bool categorize = json["categorize"].get_bool();
    QueryLimits limits;
    limits.max_query_series = 5000;
    const absl::StatusOr<QueryResult> result = engine.Run(params, limits, nullptr);
    std::string line;
    JsonWriter w(&line);
    w.BeginObject().Key("id").String(id).Key("status").Int(HttpStatusOf(result.status()));
    w.Key("body").Raw(AnswerOf(result, categorize)).EndObject();
    std::puts(line.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace skald::exec

int main(int argc, char** argv) { return skald::exec::Main(argc, argv); }
