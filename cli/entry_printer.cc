#include "cli/entry_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/json_writer.h"
#include "cli/local_time.h"

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

std::string EntryPrinter::ColumnOf(const Labels& labels, const Labels& common) const {
  std::vector<Labels::Pair> kept;
  for (const Labels::Pair& pair : labels) {
    if (Contains(options_.exclude_labels, pair.first)) continue;
    if (!options_.include_labels.empty()) {
      if (!Contains(options_.include_labels, pair.first)) continue;
    } else if (common.Has(pair.first) && common.Get(pair.first) == pair.second) {
      continue;
    }
    kept.push_back(pair);
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
      if (options_.labels_width == 0) width = std::max(width, at->second.size());
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
      json.Key("timestamp").String(FormatTime(entry.time_ns, options_.local_time, true));
      json.EndObject();
    } else {
      const std::string time = FormatTime(entry.time_ns, options_.local_time, false);
      text += options_.color ? fmt::format("\x1b[34m{}\x1b[0m", time) : time;
      text += ' ';
      if (!options_.no_labels) {
        const std::string& column = columns[entry.labels.get()];
        const std::string padded = fmt::format("{:<{}}", column, width);
        text += options_.color ? Colored(padded, column) : padded;
        text += ' ';
      }
      text += entry.line;
    }
    text += '\n';
    *out_ << text;
  }
}

}  // namespace skald::cli
