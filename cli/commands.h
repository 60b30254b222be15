// What each verb of skaldctl does. Flags are parsed in main.cc; a command gets them as a struct, writes its
// answer to `out` and what is beside the answer (common labels, statistics, warnings) to `notes`.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "cli/entry_printer.h"
#include "cli/http_client.h"

namespace skald::cli {

struct Options {
  Connection connection;
  PrinterOptions printer;
  bool quiet = false;       // nothing to notes
  bool statistics = false;  // what the query cost, to notes

  std::string from;  // see time_flags.h
  std::string to;
  std::string since = "1h";

  std::string query;  // LogQL
  uint64_t limit = 30;
  uint64_t batch = 1000;
  bool forward = false;
  bool follow = false;
  bool from_stdin = false;  // query: lines are read, in place of a server's
  std::string step;
  std::string interval;
  std::string at = "now";              // instant-query
  std::string explained_at;            // explain: "" for a query over a range
  bool analyze = false;                // explain
  uint64_t delay_for = 0;              // tail: seconds
  std::string label_name;              // labels
  std::vector<std::string> selectors;  // series
  bool analyze_labels = false;
  std::string target_labels;       // volume
  std::string field_name;          // detected-fields
  std::string aggregate_by;        // volume: series or labels
  uint64_t field_limit = 100;      // detected-fields: most fields
  uint64_t line_limit = 1000;      // and the lines to look at
  std::vector<std::string> files;  // rules check and test, migrate

  bool in_parts = false;  // an export: see export_command.cc
  std::string parallel_duration = "1h";
  uint64_t export_workers = 1;
  std::string part_prefix;
  bool overwrite_parts = false;
  bool merge_parts = false;
  bool keep_parts = false;
  bool show_progress = false;

  std::string max_interval;     // delete create
  std::string request_id;       // delete cancel
  bool force = false;           // delete cancel
  std::string rule_namespace;   // rules show
  std::string rule_group;       // rules show
  std::string rule_type;        // rules list: "", alert or record
  bool repair = false;          // fsck
  std::string format = "auto";  // migrate: of the file
};

struct Streams {
  std::ostream& out;
  std::ostream& notes;
};

absl::Status RunQuery(const Options& options, Streams streams);
absl::Status RunInstantQuery(const Options& options, Streams streams);
// Lines in parts, several at a time, to files that a later run goes on from or to `out` in their order.
absl::Status RunExport(const Options& options, Streams streams);
// Follows a log query over a WebSocket. A connection that is lost is made anew, without a line missing or
// coming twice. Ends only with an error or the process.
absl::Status RunTail(const Options& options, Streams streams);
// The plan of a query and what it costs, estimated, and with analyze measured.
absl::Status RunExplain(const Options& options, Streams streams);
absl::Status RunLabels(const Options& options, Streams streams);
absl::Status RunSeries(const Options& options, Streams streams);
absl::Status RunStats(const Options& options, Streams streams);
absl::Status RunVolume(const Options& options, Streams streams, bool over_time);
absl::Status RunDetectedFields(const Options& options, Streams streams);
// The kinds of lines a selector has, the most frequent first.
absl::Status RunPatterns(const Options& options, Streams streams);
absl::Status RunDeleteCreate(const Options& options, Streams streams);
absl::Status RunDeleteList(const Options& options, Streams streams);
absl::Status RunDeleteCancel(const Options& options, Streams streams);
// Without a server: becomes `skald fsck`, which must run where the data directory is.
absl::Status RunFsck(const Options& options, Streams streams);
// Without a server: checks the query and prints it in its canonical layout.
absl::Status RunFormat(const Options& options, Streams streams);

}  // namespace skald::cli
