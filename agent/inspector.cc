#include "agent/inspector.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <string>

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

Inspector::Inspector(std::FILE* out) : out_(out), colours_(::isatty(::fileno(out)) == 1) {}

void Inspector::Difference(std::string_view what, std::string_view before, std::string_view now, bool was,
                           bool is) {
  if (was == is && before == now) return;
  const char* const end = colours_ ? "\x1b[0m" : "";
  if (was) fmt::print(out_, "    {}- {}: {}{}\n", colours_ ? "\x1b[31m" : "", what, before, end);
  if (is) fmt::print(out_, "    {}+ {}: {}{}\n", colours_ ? "\x1b[32m" : "", what, now, end);
}

void Inspector::See(std::string_view stage, const Entry& entry, bool dropped) {
  if (stage.empty()) {
    fmt::print(out_, "line {} of {}: {}\n", ++lines_, entry.labels.ToString(), entry.line);
    before_ = entry;
    return;
  }
  fmt::print(out_, "  {}\n", stage);
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
  Difference("time", FormatRfc3339Nano(before_.time_ns), FormatRfc3339Nano(entry.time_ns), true, true);
  Difference("line", before_.line, entry.line, true, true);
  if (dropped) fmt::print(out_, "    dropped: {}\n", entry.drop_reason);
  before_ = entry;
}

}  // namespace skald::agent
