#include "server/api/detected_fields.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "proto/rows.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/plan/planner.h"
#include "query/logql/parser.h"
#include "text/duration.h"
#include "text/go_float.h"
#include "text/human_bytes.h"
#include "text/json_scan.h"
#include "text/sanitize.h"

namespace skald::server {
namespace {

bool IsErrorLabel(std::string_view name) {
  return name == "__error__" || name == "__error_details__" || name == "__preserve_error__";
}

// One field of one line. metadata: not from the line. parser: what read the line, "" if nothing could.
struct FieldSeen {
  std::string_view name;
  std::string_view value;
  bool metadata = false;
  std::string_view parser;
  std::string_view line;
};
using OnField = std::function<void(const FieldSeen&)>;

absl::StatusOr<std::shared_ptr<const exec::Pipeline>> ParserPipeline(std::string_view stage) {
  ASSIGN_OR_RETURN(const logql::LogSelectorExpr expr,
                   logql::ParseLogSelector(std::string("{a=\"b\"} | ") + std::string(stage)));
  return exec::Pipeline::Compile(exec::PlanPipeline(expr));
}

// Runs one parser over the lines of one stream.
class LineParser {
 public:
  LineParser(std::string_view name, std::shared_ptr<const exec::Pipeline> pipeline)
      : name_(name), runner_(std::move(pipeline), &interner_) {}

  void Start(const Labels& stream, const Rows* rows) { runner_.StartSlice(stream, rows); }
  // The labels of the row; null where the parser fails on it.
  const exec::LabelSet* Parse(uint32_t row) {
    exec::Entry entry;
    if (!runner_.ProcessEntry(row, &entry)) return nullptr;
    const exec::LabelSet& set = interner_.Get(entry.labels);
    return set.has_error ? nullptr : &set;
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
  exec::LabelSetInterner interner_;
  exec::PipelineRunner runner_;
};

absl::Status ForEachField(const Streams& streams, const OnField& fn) {
  ASSIGN_OR_RETURN(auto json_pipeline, ParserPipeline("json"));
  ASSIGN_OR_RETURN(auto logfmt_pipeline, ParserPipeline("logfmt"));
  LineParser json("json", std::move(json_pipeline));
  LineParser logfmt("logfmt", std::move(logfmt_pipeline));
  for (const Streams::Group& group : streams.GroupByStreamLabels()) {
    Rows rows;
    for (const uint32_t index : group.entries) {
      const Streams::Entry& entry = streams.entries()[index];
      rows.Append(entry.time_ns, entry.line);
    }
    json.Start(group.labels, &rows);
    logfmt.Start(group.labels, &rows);
    for (uint32_t row = 0; row < group.entries.size(); ++row) {
      const CategorizedLabels& labels = streams.labels(streams.entries()[group.entries[row]]);
      for (const CategorizedLabel& label : labels) {
        if (label.category == LabelCategory::kMetadata) fn({label.name, label.value, true, "", ""});
      }
      std::string_view parser = json.name();
      const exec::LabelSet* parsed = json.Parse(row);
      if (parsed == nullptr) {
        parser = logfmt.name();
        parsed = logfmt.Parse(row);
      }
      if (parsed == nullptr) parser = "";
      for (const CategorizedLabel& label : labels) {
        if (label.category != LabelCategory::kParsed || IsErrorLabel(label.name)) continue;
        fn({label.name, label.value, false, parser, rows.line(row)});
      }
      if (parsed == nullptr) continue;
      for (size_t i = 0; i < parsed->labels.size(); ++i) {
        if (parsed->categories[i] != LabelCategory::kParsed) continue;
        const auto& [name, value] = parsed->labels.pairs()[i];
        if (!IsErrorLabel(name)) fn({name, value, false, parser, rows.line(row)});
      }
    }
  }
  return absl::OkStatus();
}

// Finds the keys that lead to the field `name` of a JSON object. False where there is none.
bool FindJsonPath(std::string_view object, std::string_view name, const std::string& prefix,
                  std::vector<std::string>* path) {
  constexpr size_t kMaxDepth = 64;
  if (path->size() > kMaxDepth) return false;
  bool found = false;
  std::string scratch;
  ForEachJsonMember(object, &scratch, [&](std::string_view key, const JsonValue& value) {
    if (value.type == JsonType::kNull || value.type == JsonType::kArray) return true;
    std::string flat = prefix;
    if (!flat.empty()) flat += '_';
    AppendSanitizedKey(&flat, key, prefix.empty());
    path->emplace_back(key);
    found = value.type == JsonType::kObject
                ? name.starts_with(flat) && FindJsonPath(value.text, name, flat, path)
                : flat == name;
    if (!found) path->pop_back();
    return !found;
  });
  return found;
}

std::vector<std::string> JsonPathOf(std::string_view line, std::string_view name) {
  std::vector<std::string> path;
  if (FindJsonPath(line, name, "", &path)) return path;
  constexpr std::string_view kExtracted = "_extracted";
  path.clear();
  if (name.ends_with(kExtracted))
    FindJsonPath(line, name.substr(0, name.size() - kExtracted.size()), "", &path);
  return path;
}

bool IsInt(std::string_view text) {
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  int64_t value = 0;
  const auto [p, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && p == text.data() + text.size() && !text.empty();
}

bool IsFloat(std::string_view text) {
  double value = 0;
  return TryParseGoFloat(text, &value);
}

bool IsBool(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kBools = {"1", "t", "T", "TRUE",  "true",  "True",
                                                              "0", "f", "F", "FALSE", "false", "False"};
  return std::find(kBools.begin(), kBools.end(), text) != kBools.end();
}

bool IsUuid(std::string_view text) {
  if (text.starts_with("urn:uuid:")) text.remove_prefix(9);
  if (text.size() > 2 && text.front() == '{' && text.back() == '}') text = text.substr(1, text.size() - 2);
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = dashed && (i == 8 || i == 13 || i == 18 || i == 23);
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace

std::string_view FieldTypeOf(std::string_view value) {
  if (IsInt(value)) return "int";
  if (IsFloat(value)) return "float";
  if (IsBool(value)) return "boolean";
  if (ParseGoDuration(value).ok()) return "duration";
  if (ParseHumanBytes(value).ok()) return "bytes";
  return "string";
}

absl::StatusOr<std::vector<DetectedField>> DetectFields(const Streams& streams, size_t limit) {
  struct Known {
    size_t field = 0;
    absl::flat_hash_set<std::string> values;
  };
  std::vector<DetectedField> fields;
  absl::flat_hash_map<std::string, Known> known;
  RETURN_IF_ERROR(ForEachField(streams, [&](const FieldSeen& seen) {
    auto it = known.find(std::string(seen.name));
    if (it == known.end()) {
      if (fields.size() >= limit) return;
      it = known.emplace(std::string(seen.name), Known{fields.size(), {}}).first;
      fields.push_back({std::string(seen.name), "", 0, {}, {}});
    }
    DetectedField& field = fields[it->second.field];
    if (!seen.parser.empty() &&
        std::find(field.parsers.begin(), field.parsers.end(), seen.parser) == field.parsers.end()) {
      field.parsers.push_back(seen.parser);
      if (seen.parser == "json") field.json_path = JsonPathOf(seen.line, seen.name);
    }
    field.type = FieldTypeOf(seen.value);
    it->second.values.emplace(seen.value);
  }));
  for (DetectedField& field : fields) field.cardinality = known.find(field.label)->second.values.size();
  return fields;
}

absl::StatusOr<std::vector<std::string>> DetectFieldValues(const Streams& streams, std::string_view name,
                                                           size_t limit) {
  std::vector<std::string> out;
  absl::flat_hash_set<std::string> known;
  RETURN_IF_ERROR(ForEachField(streams, [&](const FieldSeen& seen) {
    if (seen.name != name || out.size() >= limit) return;
    std::string value(seen.value);
    if (!seen.metadata && !value.empty() && !(value.back() >= '0' && value.back() <= '9')) {
      if (const absl::StatusOr<uint64_t> bytes = ParseHumanBytes(value); bytes.ok())
        value = FormatHumanBytes(*bytes);
    }
    if (known.insert(value).second) out.push_back(std::move(value));
  }));
  return out;
}

bool IsDetectedLabel(std::string_view name, const std::vector<std::string>& values) {
  if (name == "cluster" || name == "namespace" || name == "instance" || name == "pod") return true;
  if (values.empty()) return false;
  const auto all = [&values](auto test) { return std::all_of(values.begin(), values.end(), test); };
  if (values.size() <= 2 && all([](const std::string& v) { return v == "0" || v == "1"; })) return true;
  return !all([](const std::string& v) { return IsFloat(v) || IsUuid(v); });
}

}  // namespace skald::server
