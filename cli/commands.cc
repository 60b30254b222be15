#include "cli/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "cli/api.h"
#include "cli/command_helpers.h"
#include "cli/entry_pager.h"
#include "cli/pretty_json.h"
#include "cli/stdin_query.h"
#include "cli/table.h"
#include "cli/time_flags.h"
#include "query/logql/parser.h"
#include "query/logql/printer.h"
#include "text/units.h"

namespace skald::cli {
namespace {

void PrintNotes(const Options& options, const QueryAnswer& answer, std::ostream& notes) {
  for (const std::string& warning : answer.warnings) notes << "warning: " << warning << '\n';
  if (options.statistics) {
    notes << fmt::format("{} lines, {} read in {:.3f} s\n", answer.lines_processed,
                         FormatHumanBytes(answer.bytes_processed), answer.execution_seconds);
  }
}

void PrintCommonLabels(const Options& options, const Labels& common, std::ostream& notes) {
  if (options.quiet || common.empty() || options.printer.no_labels ||
      options.printer.mode != OutputMode::kDefault)
    return;
  notes << "Common labels: " << common.ToString() << '\n';
  const auto note = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) notes << what << fmt::format("{}\n", fmt::join(names, ","));
  };
  note("Ignoring labels key: ", options.printer.exclude_labels);
  note("Print only labels key: ", options.printer.include_labels);
}

absl::Status PrintResult(const Options& options, const QueryAnswer& answer, Streams streams) {
  if (options.printer.mode == OutputMode::kTable) {
    RETURN_IF_ERROR(PrintMetricTable(answer, options.printer, streams.out));
    PrintNotes(options, answer, streams.notes);
    return absl::OkStatus();
  }
  const bool lines = options.printer.mode != OutputMode::kDefault;
  ASSIGN_OR_RETURN(const std::string text,
                   lines ? JsonLines(answer.result_json) : PrettyJson(answer.result_json));
  streams.out << text;
  PrintNotes(options, answer, streams.notes);
  return absl::OkStatus();
}

absl::Status QueryStdin(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const auto metric, RunStdinQuery(options, std::cin, streams));
  return metric ? PrintResult(options, *metric, streams) : absl::OkStatus();
}

RangeQuery ToRangeQuery(const Options& options, TimeRange range) {
  return {options.query, range, options.limit, options.forward, options.step, options.interval};
}

}  // namespace

absl::Status RunQuery(const Options& options, Streams streams) {
  if (options.from_stdin) return QueryStdin(options, streams);
  if (options.follow) return RunTail(options, streams);
  if (options.in_parts) return RunExport(options, streams);
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  EntryPrinter printer(options.printer, &streams.out);
  absl::Status metric = absl::OkStatus();  // set when the answer turns out to be a metric
  const bool as_table = options.printer.mode == OutputMode::kTable;
  std::vector<Entry> table_rows;  // a table's columns are known when all of it is
  bool first = true;
  Labels common;

  const FetchPage fetch = [&](const PageRequest& page) -> absl::StatusOr<std::vector<Entry>> {
    RangeQuery query = ToRangeQuery(options, page.range);
    query.limit = page.limit;
    ASSIGN_OR_RETURN(QueryAnswer answer, api.QueryRange(query));
    if (answer.result_type != "streams") {
      metric = PrintResult(options, answer, streams);
      return std::vector<Entry>{};
    }
    if (!options.quiet) PrintNotes(options, answer, streams.notes);
    return std::move(answer.entries);
  };
  const PageSink sink = [&](const std::vector<Entry>& entries) {
    if (as_table) {
      table_rows.insert(table_rows.end(), entries.begin(), entries.end());
      return;
    }
    // With one batch the common labels are those of the whole answer; further batches keep what the first one
    // told.
    if (first) {
      if (options.limit != 0 && options.limit <= options.batch) common = CommonLabels(entries);
      PrintCommonLabels(options, common, streams.notes);
      first = false;
    }
    printer.Print(entries, common);
  };
  RETURN_IF_ERROR(PageEntries(range, options.limit, options.batch, options.forward, fetch, sink));
  if (as_table) PrintEntryTable(table_rows, options.printer, streams.out);
  return metric;
}

absl::Status RunInstantQuery(const Options& options, Streams streams) {
  if (options.from_stdin) return QueryStdin(options, streams);
  auto time = ParseTimeFlag(options.at, Clock::System().NowNs());
  if (!time.ok()) return Annotate(time.status(), "--now");
  Api api(options.connection);
  ASSIGN_OR_RETURN(const QueryAnswer answer,
                   api.QueryInstant(options.query, *time, options.limit, options.forward));
  return PrintResult(options, answer, streams);
}

absl::Status RunExplain(const Options& options, Streams streams) {
  Parameters parameters = {{"query", options.query},
                           {"limit", std::to_string(options.limit)},
                           {"direction", options.forward ? "forward" : "backward"}};
  if (!options.explained_at.empty()) {
    const auto time = ParseTimeFlag(options.explained_at, Clock::System().NowNs());
    if (!time.ok()) return Annotate(time.status(), "--now");
    parameters.emplace_back("time", std::to_string(*time));
  } else {
    ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
    parameters.emplace_back("start", std::to_string(range.begin_ns));
    parameters.emplace_back("end", std::to_string(range.end_ns));
    if (!options.step.empty()) parameters.emplace_back("step", options.step);
  }
  if (options.analyze) parameters.emplace_back("analyze", "true");
  const bool text = options.printer.mode == OutputMode::kDefault;
  if (text) parameters.emplace_back("format", "text");
  Api api(options.connection);
  const absl::StatusOr<std::string> body = api.Raw("/skald/api/v1/explain", parameters);
  if (!text) return PrintPretty(body, streams.out);
  RETURN_IF_ERROR(body.status());
  streams.out << *body;
  return absl::OkStatus();
}

absl::Status RunLabels(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, options.label_name.empty()
                                                             ? api.LabelNames(range)
                                                             : api.LabelValues(options.label_name, range));
  for (const std::string& name : names) streams.out << name << '\n';
  if (names.empty() && !options.quiet) {
    streams.notes << "none between " << FormatRfc3339(range.begin_ns) << " and "
                  << FormatRfc3339(range.end_ns) << "; --since 7d looks further back\n";
  }
  return absl::OkStatus();
}

absl::Status RunSeries(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  ASSIGN_OR_RETURN(const std::vector<Labels> series, api.Series(options.selectors, range));
  if (!options.analyze_labels) {
    std::set<std::string> sorted;
    for (const Labels& labels : series) sorted.insert(labels.ToString());
    for (const std::string& text : sorted) streams.out << text << '\n';
    return absl::OkStatus();
  }
  struct Use {
    std::set<std::string> values;
    uint64_t streams = 0;
  };
  std::map<std::string, Use> uses;
  for (const Labels& labels : series) {
    for (const auto& [name, value] : labels) {
      Use& use = uses[name];
      use.values.insert(value);
      ++use.streams;
    }
  }
  streams.out << "Total Streams:  " << series.size() << "\nUnique Labels:  " << uses.size() << "\n\n";
  streams.out << fmt::format("{:<30} {:>13} {:>16}\n", "Label Name", "Unique Values", "Found In Streams");
  for (const auto& [name, use] : uses) {
    streams.out << fmt::format("{:<30} {:>13} {:>16}\n", name, use.values.size(), use.streams);
  }
  return absl::OkStatus();
}

absl::Status RunStats(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  return PrintPretty(api.Raw("/loki/api/v1/index/stats", SelectorParameters(options, range)), streams.out);
}

absl::Status RunVolume(const Options& options, Streams streams, bool over_time) {
  ASSIGN_OR_RETURN(const TimeRange range, RangeOf(options));
  Api api(options.connection);
  Parameters parameters = SelectorParameters(options, range);
  parameters.emplace_back("limit", std::to_string(options.limit));
  if (!options.aggregate_by.empty()) parameters.emplace_back("aggregateBy", options.aggregate_by);
  if (!options.target_labels.empty()) parameters.emplace_back("targetLabels", options.target_labels);
  if (over_time && !options.step.empty()) parameters.emplace_back("step", options.step);
  ASSIGN_OR_RETURN(
      const std::string body,
      api.Raw(over_time ? "/loki/api/v1/index/volume_range" : "/loki/api/v1/index/volume", parameters));
  ASSIGN_OR_RETURN(const QueryAnswer answer, ParseQueryAnswer(body));
  return PrintResult(options, answer, streams);
}

absl::Status RunFormat(const Options& options, Streams streams) {
  ASSIGN_OR_RETURN(const auto expr, logql::ParseExpr(options.query));
  streams.out << logql::Pretty(*expr) << '\n';
  return absl::OkStatus();
}

}  // namespace skald::cli
