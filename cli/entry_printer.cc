#include "cli/entry_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/json_writer.h"
#include "text/level.h"

namespace skald::cli {
namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// One of the terminal's six readable colours, the same for the same labels.
std::string Colored(const std::string& text, const std::string& key) {
  return fmt::format("\x1b[{}m{}\x1b[0m", 31 + std::hash<std::string>{}(key) % 6, text);
}

}  // namespace

Labels CommonLabels(const std::vector<Entry>& entries) {
  if (entries.empty()) return {};
  std::vector<Labels::Pair> common = entries.front().labels->pairs();
  const Labels* last = entries.front().labels.get();
  for (const Entry& entry : entries) {
    if (entry.labels.get() == last) continue;
    last = entry.labels.get();
    std::erase_if(common, [&](const Labels::Pair& pair) {
      return !last->Has(pair.first) || last->Get(pair.first) != pair.second;
    });
  }
  return Labels(std::move(common));
}

bool IsLevelLabel(std::string_view name) { return name == "detected_level" || name == "level"; }

std::string LevelOf(const Labels& labels) {
  for (const char* name : {"detected_level", "level"}) {
    if (labels.Has(name)) return std::string(NormalizeLevel(labels.Get(name)));
  }
  return "";
}

int ColorOfLevel(std::string_view level) {
  level = KnownLevel(level);
  if (level == "critical" || level == "fatal") return 35;
  if (level == "error") return 31;
  if (level == "warn") return 33;
  if (level == "info") return 32;
  if (level == "debug") return 36;
  return level == "trace" ? 90 : 0;
}

bool IsShown(const PrinterOptions& options, const std::string& name, const std::string& value,
             const Labels& common) {
  if (Contains(options.exclude_labels, name)) return false;
  if (!options.include_labels.empty()) return Contains(options.include_labels, name);
  return options.common_labels || !common.Has(name) || common.Get(name) != value;
}

std::string EntryPrinter::ColumnOf(const Labels& labels, const Labels& common) const {
  std::vector<Labels::Pair> kept;
  for (const Labels::Pair& pair : labels) {
    if (IsShown(options_, pair.first, pair.second, common)) kept.push_back(pair);
  }
  return Labels(std::move(kept)).ToString();
}

void EntryPrinter::Print(const std::vector<Entry>& entries, const Labels& common) {
  if (options_.mode == OutputMode::kRaw) {
    for (const Entry& entry : entries) *out_ << entry.line << '\n';
    return;
  }
  std::map<const Labels*, std::string> columns;
  size_t width = options_.labels_width;
  if (!options_.no_labels && options_.mode == OutputMode::kDefault) {
    for (const Entry& entry : entries) {
      auto [at, added] = columns.try_emplace(entry.labels.get());
      if (!added) continue;
      at->second = ColumnOf(*entry.labels, common);
      width = std::max(width, at->second.size());
    }
  }
  std::string text;
  for (const Entry& entry : entries) {
    text.clear();
    if (options_.mode == OutputMode::kJsonl) {
      JsonWriter json(&text);
      json.BeginObject();
      if (!options_.no_labels) {
        json.Key("labels").BeginObject();
        for (const auto& [name, value] : *entry.labels) {
          if (Contains(options_.exclude_labels, name)) continue;
          if (!options_.include_labels.empty() && !Contains(options_.include_labels, name)) continue;
          json.Key(name).String(value);
        }
        json.EndObject();
      }
      json.Key("line").String(entry.line);
      json.Key("timestamp").String(FormatTime(entry.time_ns, options_.local_time, TimeFormat::kRfc3339Nano));
      json.EndObject();
    } else {
      const std::string time = FormatTime(entry.time_ns, options_.local_time, options_.time_format);
      text += options_.color ? fmt::format("\x1b[34m{}\x1b[0m", time) : time;
      text += ' ';
      if (!options_.no_labels) {
        const std::string& column = columns[entry.labels.get()];
        const std::string padded = fmt::format("{:<{}}", column, width);
        text += options_.color ? Colored(padded, column) : padded;
        text += ' ';
      }
      const int code = options_.color ? ColorOfLevel(LevelOf(*entry.labels)) : 0;
      text += code == 0 ? entry.line : fmt::format("\x1b[{}m{}\x1b[0m", code, entry.line);
    }
    text += '\n';
    *out_ << text;
  }
}

}  // namespace skald::cli
