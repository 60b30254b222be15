#include "cli/answer.h"

#include <simdjson.h>

#include <charconv>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

absl::Status NotAnAnswer(std::string_view json, std::string_view why) {
  return InvalidArgument("not an answer of the query API: {}; it begins with: {}", why, json.substr(0, 120));
}

absl::StatusOr<dom::element> ParseDocument(dom::parser* parser, std::string_view json) {
  dom::element document;
  if (const auto error = parser->parse(json.data(), json.size()).get(document)) {
    return NotAnAnswer(json, simdjson::error_message(error));
  }
  if (!document.is_object()) return NotAnAnswer(json, "no JSON object");
  return document;
}

absl::StatusOr<Labels> ReadLabels(dom::element value) {
  dom::object object;
  if (value.get(object)) return InvalidArgument("a label set is not an object");
  std::vector<Labels::Pair> pairs;
  for (const auto [name, label] : object) {
    std::string_view text;
    if (label.get(text)) return InvalidArgument("label {} is not a string", name);
    pairs.emplace_back(std::string(name), std::string(text));
  }
  return Labels(std::move(pairs));
}

// The labels of a line whose others stand beside it, as the flag categorize-labels has it.
absl::StatusOr<std::shared_ptr<const Labels>> WithCategories(const Labels& stream, dom::object categories) {
  auto all = std::make_shared<Labels>(stream);
  for (const char* category : {"structuredMetadata", "parsed"}) {
    dom::element more;
    if (categories[category].get(more)) continue;
    ASSIGN_OR_RETURN(const Labels labels, ReadLabels(more));
    for (const auto& [name, value] : labels) all->Set(name, value);
  }
  return all;
}

absl::StatusOr<std::vector<Entry>> ReadStreams(dom::element result) {
  dom::array streams;
  if (result.get(streams)) return InvalidArgument("data.result is not an array");
  std::vector<Entry> entries;
  for (const dom::element stream : streams) {
    dom::element labels;
    dom::array values;
    if (stream["stream"].get(labels) || stream["values"].get(values)) {
      return InvalidArgument("a stream without \"stream\" or \"values\"");
    }
    ASSIGN_OR_RETURN(Labels set, ReadLabels(labels));
    const auto shared = std::make_shared<const Labels>(std::move(set));
    for (const dom::element value : values) {
      std::string_view time;
      std::string_view line;
      if (value.at(0).get(time) || value.at(1).get(line))
        return InvalidArgument("an entry that is not [time, line]");
      Entry entry{0, shared, std::string(line)};
      if (dom::object third; !value.at(2).get(third)) {
        ASSIGN_OR_RETURN(entry.labels, WithCategories(*shared, third));
      }
      const auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), entry.time_ns);
      if (error != std::errc() || end != time.data() + time.size()) {
        return InvalidArgument("an entry with the time {}", time);
      }
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

void ReadStatistics(dom::element data, QueryAnswer* answer) {
  dom::element summary;
  if (data["stats"]["summary"].get(summary)) return;
  if (summary["totalBytesProcessed"].get(answer->bytes_processed)) answer->bytes_processed = 0;
  if (summary["totalLinesProcessed"].get(answer->lines_processed)) answer->lines_processed = 0;
  if (summary["execTime"].get(answer->execution_seconds)) answer->execution_seconds = 0;
}

}  // namespace

absl::StatusOr<TailFrame> ParseTailFrame(std::string_view json) {
  dom::parser parser;
  ASSIGN_OR_RETURN(const dom::element document, ParseDocument(&parser, json));
  TailFrame frame;
  dom::element streams;
  if (document["streams"].get(streams)) return NotAnAnswer(json, "no streams");
  ASSIGN_OR_RETURN(frame.entries, ReadStreams(streams));
  dom::array dropped;
  if (!document["dropped_entries"].get(dropped)) frame.dropped = dropped.size();
  return frame;
}

absl::StatusOr<QueryAnswer> ParseQueryAnswer(std::string_view json) {
  dom::parser parser;
  ASSIGN_OR_RETURN(const dom::element document, ParseDocument(&parser, json));
  QueryAnswer answer;
  dom::element data;
  dom::element result;
  std::string_view type;
  if (document["data"].get(data) || data["resultType"].get(type) || data["result"].get(result)) {
    return NotAnAnswer(json, "no data.resultType and data.result");
  }
  answer.result_type = type;
  if (type == "streams") {
    auto entries = ReadStreams(result);
    if (!entries.ok()) return NotAnAnswer(json, MessageOf(entries.status()));
    answer.entries = *std::move(entries);
  } else {
    answer.result_json = simdjson::minify(result);
  }
  ReadStatistics(data, &answer);
  dom::array warnings;
  if (!document["warnings"].get(warnings)) {
    for (const dom::element warning : warnings) {
      std::string_view text;
      if (!warning.get(text)) answer.warnings.emplace_back(text);
    }
  }
  return answer;
}

absl::StatusOr<std::vector<std::string>> ParseStringList(std::string_view json) {
  dom::parser parser;
  ASSIGN_OR_RETURN(const dom::element document, ParseDocument(&parser, json));
  std::vector<std::string> out;
  dom::array data;
  if (document["data"].get(data)) return out;
  for (const dom::element value : data) {
    std::string_view text;
    if (value.get(text)) return NotAnAnswer(json, "data holds something else than strings");
    out.emplace_back(text);
  }
  return out;
}

absl::StatusOr<std::vector<Labels>> ParseSeries(std::string_view json) {
  dom::parser parser;
  ASSIGN_OR_RETURN(const dom::element document, ParseDocument(&parser, json));
  std::vector<Labels> out;
  dom::array data;
  if (document["data"].get(data)) return out;
  for (const dom::element value : data) {
    ASSIGN_OR_RETURN(Labels labels, ReadLabels(value));
    out.push_back(std::move(labels));
  }
  return out;
}

}  // namespace skald::cli
