#include "server/tail/tail_frame.h"

#include "base/json_writer.h"
#include "server/api/query_json.h"

namespace skald::server {

TailLabels MakeTailLabels(const CategorizedLabels& labels, TailForm form) {
  TailLabels out;
  JsonWriter stream(&out.stream);
  stream.BeginObject();
  for (const CategorizedLabel& label : labels) {
    if (form == TailForm::kMerged || label.category == LabelCategory::kStream)
      stream.Key(label.name).String(label.value);
  }
  stream.EndObject();
  if (form == TailForm::kCategorized) {
    JsonWriter third(&out.third);
    third.BeginObject();
    WriteLabelCategories(&third, labels);
    third.EndObject();
  }
  return out;
}

std::string TailEntryJson(const TailLabels& labels, int64_t time_ns, std::string_view line) {
  std::string out;
  out.reserve(labels.stream.size() + labels.third.size() + line.size() + 64);
  out += "{\"stream\":";
  out += labels.stream;
  out += ",\"values\":[[\"";
  out += std::to_string(time_ns);
  out += "\",";
  AppendJsonString(&out, line, JsonEscape::kHtml);
  if (!labels.third.empty()) {
    out += ',';
    out += labels.third;
  }
  out += "]]}";
  return out;
}

std::string TailFrameJson(const std::vector<std::string>& entries, const std::vector<DroppedEntry>& dropped,
                          const std::vector<std::string>& flags) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject().Key("streams").BeginArray();
  for (const std::string& entry : entries) w.Raw(entry);
  w.EndArray();
  if (!dropped.empty()) {
    w.Key("dropped_entries").BeginArray();
    for (const DroppedEntry& entry : dropped) {
      w.BeginObject().Key("timestamp").String(std::to_string(entry.time_ns)).Key("labels").BeginObject();
      for (const auto& [name, value] : *entry.labels) w.Key(name).String(value);
      w.EndObject().EndObject();
    }
    w.EndArray();
  }
  if (!flags.empty()) {
    w.Key("encodingFlags").BeginArray();
    for (const std::string& flag : flags) w.String(flag);
    w.EndArray();
  }
  w.EndObject();
  return out;
}

}  // namespace skald::server
