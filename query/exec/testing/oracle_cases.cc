// The oracle's answers to queries over lines of a file, for the golden scripts.
//
//   oracle_cases LINES CASES > answers
//
// LINES and CASES are those of run_cases, and so are the answers, without categories. No label is added. A
// query that fails has the status 400 or 500 and a text that need not be the engine's.
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_writer.h"
#include "query/exec/query_error.h"
#include "query/exec/testing/oracle.h"
#include "query/logql/parser.h"
#include "text/go_float.h"

namespace skald::oracle {
namespace {

StringMap MapOf(const simdjson::dom::object& object) {
  StringMap out;
  for (const auto field : object) out[std::string(field.key)] = std::string(std::string_view(field.value));
  return out;
}

void WriteLabels(JsonWriter* w, const StringMap& labels) {
  w->BeginObject();
  for (const auto& [name, value] : labels) w->Key(name).String(value);
  w->EndObject();
}

void WritePoint(JsonWriter* w, const Answer::Sample& sample) {
  w->BeginArray().Raw(FormatSampleValue(static_cast<double>(sample.t_ms) / 1000));
  w->String(FormatSampleValue(sample.value)).EndArray();
}

void WriteAnswer(JsonWriter* w, const Answer& answer, size_t limit) {
  static constexpr const char* kTypes[] = {"streams", "matrix", "vector", "scalar"};
  w->BeginObject().Key("status").String("success").Key("data").BeginObject();
  w->Key("resultType").String(kTypes[static_cast<size_t>(answer.kind)]).Key("result");
  if (answer.kind == Answer::Kind::kScalar) {
    WritePoint(w, answer.samples.at(0));
    w->EndObject().EndObject();
    return;
  }
  w->BeginArray();
  if (answer.kind == Answer::Kind::kLog) {
    std::map<StringMap, std::vector<const Answer::Line*>> streams;
    for (size_t i = 0; i < std::min(limit, answer.lines.size()); ++i)
      streams[answer.lines[i].labels].push_back(&answer.lines[i]);
    for (const auto& [labels, lines] : streams) {
      w->BeginObject().Key("stream");
      WriteLabels(w, labels);
      w->Key("values").BeginArray();
      for (const Answer::Line* line : lines)
        w->BeginArray().String(std::to_string(line->time_ns)).String(line->line).EndArray();
      w->EndArray().EndObject();
    }
  } else if (answer.kind == Answer::Kind::kVector) {
    for (const Answer::Sample& sample : answer.samples) {
      w->BeginObject().Key("metric");
      WriteLabels(w, sample.labels);
      w->Key("value");
      WritePoint(w, sample);
      w->EndObject();
    }
  } else {
    std::map<StringMap, std::vector<const Answer::Sample*>> series;
    for (const Answer::Sample& sample : answer.samples) series[sample.labels].push_back(&sample);
    for (const auto& [labels, points] : series) {
      w->BeginObject().Key("metric");
      WriteLabels(w, labels);
      w->Key("values").BeginArray();
      for (const Answer::Sample* point : points) WritePoint(w, *point);
      w->EndArray().EndObject();
    }
  }
  w->EndArray().EndObject().EndObject();
}

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: oracle_cases LINES CASES\n";
    return 2;
  }
  simdjson::dom::parser parser;
  std::map<std::string, std::vector<StoredEntry>> tenants;
  std::ifstream lines(argv[1]);
  for (std::string text; std::getline(lines, text);) {
    const simdjson::dom::element json = parser.parse(text);
    StoredEntry entry;
    entry.stream = MapOf(json["stream"]);
    entry.time_ns = std::stoll(std::string(std::string_view(json["ts"])));
    entry.line = std::string(std::string_view(json["line"]));
    simdjson::dom::object metadata;
    if (json["metadata"].get(metadata) == simdjson::SUCCESS) entry.metadata = MapOf(metadata);
    tenants[std::string(std::string_view(json["tenant"]))].push_back(std::move(entry));
  }
  std::ifstream cases(argv[2]);
  for (std::string text; std::getline(cases, text);) {
    const simdjson::dom::element json = parser.parse(text);
    QueryParams params;
    params.start_ns = json["start_ns"].get_int64();
    params.end_ns = json["end_ns"].get_int64();
    params.step_ns = json["step_ns"].get_int64();
    params.interval_ns = json["interval_ns"].get_int64();
    params.limit = static_cast<uint32_t>(json["limit"].get_int64());
    params.direction = json["forward"].get_bool() ? Direction::kForward : Direction::kBackward;
    params.instant = json["instant"].get_bool();
    const auto expr = logql::ParseExpr(std::string_view(json["query"]));
    absl::StatusOr<Answer> answer =
        expr.ok()
            ? Evaluate(tenants[std::string(std::string_view(json["tenant"]))], *expr, params, QueryLimits())
            : absl::StatusOr<Answer>(expr.status());
    // Vectors are in the order of their labels, but for those that a sort stands in.
    if (answer.ok() && std::string_view(json["query"]).find("sort") == std::string_view::npos) {
      std::stable_sort(answer->samples.begin(), answer->samples.end(),
                       [](const Answer::Sample& a, const Answer::Sample& b) { return a.labels < b.labels; });
    }
    std::string out;
    JsonWriter w(&out);
    w.BeginObject().Key("id").String(std::string_view(json["id"]));
    w.Key("status").Int(HttpStatusOf(answer.status())).Key("body");
    if (answer.ok()) {
      WriteAnswer(&w, *answer, params.limit);
    } else {
      w.String(MessageOf(answer.status()));
    }
    w.EndObject();
    std::puts(out.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace skald::oracle

int main(int argc, char** argv) { return skald::oracle::Main(argc, argv); }
