// skaldctl detected-fields and patterns: what a sample of lines holds.
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "cli/api.h"
#include "cli/command_helpers.h"
#include "cli/pretty_json.h"
#include "cli/table.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

absl::Status Unreadable(std::string_view body) {
  return InvalidArgument("not an answer of this API: it begins with {}", body.substr(0, 120));
}

absl::Status PrintFields(const Options& options, std::string_view body, std::ostream& out) {
  dom::parser parser;
  dom::element document;
  if (parser.parse(body.data(), body.size()).get(document)) return Unreadable(body);
  dom::array fields;
  if (document["fields"].get(fields)) return absl::OkStatus();
  Table table({"FIELD", "TYPE", "VALUES"});
  std::vector<std::string> lines;
  for (const dom::element field : fields) {
    std::string_view label;
    std::string_view type;
    uint64_t cardinality = 0;
    if (field["label"].get(label)) return Unreadable(body);
    if (field["type"].get(type)) type = "";
    if (field["cardinality"].get(cardinality)) cardinality = 0;
    table.Add({std::string(label), std::string(type), std::to_string(cardinality)});
    lines.push_back(fmt::format("label: {}\t\ttype: {}\t\tcardinality: {}", label, type, cardinality));
  }
  if (options.printer.mode == OutputMode::kTable) {
    table.Print(out);
    return absl::OkStatus();
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) out << line << '\n';
  return absl::OkStatus();
}

absl::Status PrintValues(std::string_view body, std::ostream& out) {
  dom::parser parser;
  dom::element document;
  if (parser.parse(body.data(), body.size()).get(document)) return Unreadable(body);
  dom::array values;
  if (document["values"].get(values)) return absl::OkStatus();
  std::vector<std::string_view> lines;
  for (const dom::element value : values) {
    std::string_view text;
    if (!value.get(text)) lines.push_back(text);
  }
  std::sort(lines.begin(), lines.end());
  for (const std::string_view line : lines) out << line << '\n';
  return absl::OkStatus();
}

}  // namespace

absl::Status RunDetectedFields(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  const std::string path = options.field_name.empty() ? "/loki/api/v1/detected_fields"
                                                      : "/loki/api/v1/detected_field/" +
                                                            EncodeSegment(options.field_name) + "/values";
  Parameters parameters = SelectorParameters(options, range);
  parameters.emplace_back("limit", std::to_string(options.field_limit));
  parameters.emplace_back("line_limit", std::to_string(options.line_limit));
  parameters.emplace_back("step", options.step.empty() ? "10s" : options.step);
  ASSIGN_OR_RETURN(const std::string body, api.Raw(path, parameters));
  if (options.printer.mode == OutputMode::kRaw || options.printer.mode == OutputMode::kJsonl) {
    ASSIGN_OR_RETURN(const std::string line, JsonLines(body));
    streams.out << line;
    return absl::OkStatus();
  }
  return options.field_name.empty() ? PrintFields(options, body, streams.out)
                                    : PrintValues(body, streams.out);
}

absl::Status RunPatterns(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  Parameters parameters = SelectorParameters(options, range);
  if (!options.step.empty()) parameters.emplace_back("step", options.step);
  ASSIGN_OR_RETURN(const std::string body, api.Raw("/loki/api/v1/patterns", parameters));
  dom::parser parser;
  dom::element document;
  if (parser.parse(body).get(document)) return Unreadable(body);
  dom::array patterns;
  if (document["data"].get(patterns)) return absl::OkStatus();
  if (options.printer.mode == OutputMode::kJsonl) {
    for (const dom::element pattern : patterns) streams.out << simdjson::minify(pattern) << '\n';
    return absl::OkStatus();
  }
  struct Kind {
    int64_t lines = 0;
    std::string level;
    std::string text;
  };
  std::vector<Kind> kinds;
  for (const dom::element pattern : patterns) {
    std::string_view text;
    std::string_view level;
    dom::array samples;
    if (pattern["pattern"].get(text) || pattern["samples"].get(samples)) return Unreadable(body);
    if (pattern["level"].get(level)) level = "";
    Kind& kind = kinds.emplace_back(Kind{0, std::string(level), std::string(text)});
    for (const dom::element sample : samples) {
      int64_t count = 0;
      if (!sample.at(1).get(count)) kind.lines += count;
    }
  }
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const Kind& a, const Kind& b) { return a.lines > b.lines; });
  if (kinds.size() > options.limit && options.limit > 0) kinds.resize(options.limit);
  Table table({"LINES", "LEVEL", "PATTERN"});
  for (Kind& kind : kinds) {
    if (options.printer.mode == OutputMode::kRaw) {
      streams.out << kind.text << '\n';
    } else {
      const int color_code = options.printer.color ? ColorOfLevel(kind.level) : 0;
      table.Add({std::to_string(kind.lines), std::move(kind.level), std::move(kind.text)}, color_code);
    }
  }
  table.Print(streams.out);
  return absl::OkStatus();
}

}  // namespace skald::cli
