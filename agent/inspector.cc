#include "agent/inspector.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <string>

#include "base/json_writer.h"
#include "text/rfc3339.h"

namespace skald::agent {
namespace {

using Values = std::map<std::string, std::string>;

Values LabelsOf(const Entry& entry) {
  Values values;
  for (const auto& [name, value] : entry.labels) values[std::string(name)] = std::string(value);
  return values;
}

Values ExtractedOf(const Entry& entry) {
  Values values;
  for (const auto& [name, value] : entry.extracted)
    values[name] = value.type == ExtractedValue::Type::kNull ? "null" : value.text;
  return values;
}

Values MetadataOf(const Entry& entry) { return {entry.metadata.begin(), entry.metadata.end()}; }

}  // namespace

Inspector::Inspector(std::FILE* out, bool as_json)
    : out_(out), as_json_(as_json), colours_(::isatty(::fileno(out)) == 1) {}

void Inspector::Begin(std::string_view stage, const Entry& entry) {
  if (stage.empty()) ++lines_;
  if (!as_json_) {
    if (stage.empty()) {
      fmt::print(out_, "line {} of {}: {}\n", lines_, entry.labels.ToString(), entry.line);
    } else {
      fmt::print(out_, "  {}\n", stage);
    }
    return;
  }
  json_.clear();
  JsonWriter json(&json_);
  json.BeginObject().Key("entry").UInt(lines_).Key("stage").String(stage);
  json_ += ",\"changes\":[";
}

void Inspector::End(const Entry& entry, bool dropped) {
  if (!as_json_) {
    if (dropped) fmt::print(out_, "    dropped: {}\n", entry.drop_reason);
    return;
  }
  json_ += ']';
  if (dropped) {
    json_ += ",\"dropped\":";
    AppendJsonString(&json_, entry.drop_reason);
  }
  fmt::print(out_, "{}}}\n", json_);
}

void Inspector::Difference(std::string_view what, std::string_view before, std::string_view now, bool was,
                           bool is) {
  if (was == is && before == now) return;
  if (as_json_) {
    if (json_.back() != '[') json_ += ',';
    JsonWriter json(&json_);
    json.BeginObject().Key("what").String(what);
    if (was) json.Key("before").String(before);
    if (is) json.Key("now").String(now);
    json.EndObject();
    return;
  }
  const char* const end = colours_ ? "\x1b[0m" : "";
  if (was) fmt::print(out_, "    {}- {}: {}{}\n", colours_ ? "\x1b[31m" : "", what, before, end);
  if (is) fmt::print(out_, "    {}+ {}: {}{}\n", colours_ ? "\x1b[32m" : "", what, now, end);
}

void Inspector::See(std::string_view stage, const Entry& entry, bool dropped) {
  Begin(stage, entry);
  const bool comes_in = stage.empty();
  if (comes_in && !as_json_) {
    before_ = entry;
    return;
  }
  if (comes_in) before_ = Entry();
  const auto all = [this](const char* kind, const Values& before, const Values& now) {
    Values names = before;
    names.insert(now.begin(), now.end());
    for (const auto& [name, ignored] : names) {
      const auto was = before.find(name);
      const auto is = now.find(name);
      Difference(fmt::format("{} {}", kind, name), was == before.end() ? "" : was->second,
                 is == now.end() ? "" : is->second, was != before.end(), is != now.end());
    }
  };
  all("label", LabelsOf(before_), LabelsOf(entry));
  all("extracted", ExtractedOf(before_), ExtractedOf(entry));
  all("metadata", MetadataOf(before_), MetadataOf(entry));
  Difference("time", FormatRfc3339Nano(before_.time_ns), FormatRfc3339Nano(entry.time_ns), !comes_in, true);
  Difference("line", before_.line, entry.line, !comes_in, true);
  End(entry, dropped);
  before_ = entry;
}

}  // namespace skald::agent
