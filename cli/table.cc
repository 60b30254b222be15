#include "cli/table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/types.h"
#include "base/utf8.h"
#include "cli/local_time.h"

namespace skald::cli {
namespace {

namespace dom = simdjson::dom;

std::string Visible(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

struct MetricRow {
  Labels labels;
  int64_t time_ns;
  std::string value;
};

absl::StatusOr<MetricRow> ReadSample(const Labels& labels, dom::element sample) {
  double seconds = 0;
  std::string_view value;
  if (sample.at(0).get(seconds) || sample.at(1).get(value))
    return InvalidArgument("a sample that is not [time, \"value\"]");
  return MetricRow{labels, static_cast<int64_t>(seconds * 1000) * kNsPerMs, std::string(value)};
}

absl::Status ReadSeries(dom::element series, std::vector<MetricRow>* rows) {
  std::vector<Labels::Pair> pairs;
  dom::object metric;
  if (!series["metric"].get(metric)) {
    for (const auto [name, value] : metric) {
      std::string_view text;
      if (!value.get(text)) pairs.emplace_back(std::string(name), std::string(text));
    }
  }
  const Labels labels(std::move(pairs));
  std::vector<dom::element> samples;
  dom::element value;
  dom::array values;
  if (!series["value"].get(value)) samples.push_back(value);
  if (!series["values"].get(values)) samples.insert(samples.end(), values.begin(), values.end());
  for (const dom::element sample : samples) {
    absl::StatusOr<MetricRow> row = ReadSample(labels, sample);
    if (!row.ok()) return row.status();
    rows->push_back(*std::move(row));
  }
  return absl::OkStatus();
}

}  // namespace

void Table::Add(std::vector<std::string> cells, int color_code) {
  for (std::string& cell : cells) cell = Visible(cell);
  rows_.push_back({std::move(cells), color_code});
}

void Table::Print(std::ostream& out) const {
  if (rows_.empty()) return;
  std::vector<size_t> widths;
  for (size_t i = 0; i < header_.size(); ++i) {
    size_t width = CountRunes(header_[i]);
    for (const Row& row : rows_) width = std::max(width, CountRunes(row.cells[i]));
    widths.push_back(width);
  }
  const auto print = [&](const std::vector<std::string>& cells, int color_code) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - CountRunes(cells[i]) + 2, ' ');
    }
    out << (color_code == 0 ? text : fmt::format("\x1b[{}m{}\x1b[0m", color_code, text)) << '\n';
  };
  print(header_, 0);
  for (const Row& row : rows_) print(row.cells, row.color_code);
}

void PrintEntryTable(const std::vector<Entry>& entries, const PrinterOptions& options, std::ostream& out) {
  const Labels common = CommonLabels(entries);
  std::set<std::string> names;
  bool has_level = false;
  for (const Entry& entry : entries) {
    for (const auto& [name, value] : *entry.labels) {
      if (IsLevelLabel(name)) {
        has_level = true;
      } else if (!options.no_labels && IsShown(options, name, value, common)) {
        names.insert(name);
      }
    }
  }
  std::vector<std::string> header = {"TIME"};
  if (has_level) header.emplace_back("LEVEL");
  header.insert(header.end(), names.begin(), names.end());
  header.emplace_back("LINE");
  Table table(std::move(header));
  for (const Entry& entry : entries) {
    const std::string level = LevelOf(*entry.labels);
    std::vector<std::string> cells = {FormatTime(entry.time_ns, options.local_time, options.time_format)};
    if (has_level) cells.push_back(level);
    for (const std::string& name : names) cells.emplace_back(entry.labels->Get(name));
    cells.push_back(entry.line);
    table.Add(std::move(cells), options.color ? ColorOfLevel(level) : 0);
  }
  table.Print(out);
}

absl::Status PrintMetricTable(const QueryAnswer& answer, const PrinterOptions& options, std::ostream& out) {
  dom::parser parser;
  dom::element result;
  if (parser.parse(answer.result_json).get(result)) return InvalidArgument("data.result is no JSON");
  std::vector<MetricRow> rows;
  dom::array all;
  if (answer.result_type == "scalar") {
    absl::StatusOr<MetricRow> row = ReadSample({}, result);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  } else if (!result.get(all)) {
    for (const dom::element series : all) {
      if (absl::Status status = ReadSeries(series, &rows); !status.ok()) return status;
    }
  } else {
    return InvalidArgument("a {} cannot be printed as a table; use -o jsonl", answer.result_type);
  }
  std::set<std::string> names;
  for (const MetricRow& row : rows) {
    for (const auto& [name, value] : row.labels) names.insert(name);
  }
  const bool over_time = answer.result_type == "matrix";
  std::vector<std::string> header(names.begin(), names.end());
  if (over_time) header.emplace_back("TIME");
  header.emplace_back("VALUE");
  Table table(std::move(header));
  for (const MetricRow& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& name : names) cells.emplace_back(row.labels.Get(name));
    if (over_time) cells.push_back(FormatTime(row.time_ns, options.local_time, options.time_format));
    cells.push_back(row.value);
    table.Add(std::move(cells));
  }
  table.Print(out);
  return absl::OkStatus();
}

}  // namespace skald::cli
