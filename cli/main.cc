// skaldctl: asks a Skald or Loki server from the command line, with logcli's verbs and flags.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/rules_commands.h"

namespace skald::cli {
namespace {

constexpr const char* kExamples = R"help(Examples:
  skaldctl labels                                        which labels there are
  skaldctl labels app                                    and the values of one
  skaldctl series '{app="api"}'                          the streams a selector means
  skaldctl query '{app="api"} |= "timeout"'              the newest 30 lines of the last hour with that word
  skaldctl query --since 24h --limit 0 --forward -o raw '{app="api"} | json | status >= 500'
  skaldctl query --since 6h 'sum by (app) (rate({cluster="c1"} |= "error" [5m]))'
  skaldctl instant-query 'topk(5, sum by (app) (count_over_time({app=~".+"}[1h])))'
  skaldctl tail '{app="api"}'                            follow new lines
  skaldctl explain --analyze 'rate({app="api"} [5m])'    how a query is run and what it costs

The server: --addr, else SKALD_ADDR, else LOKI_ADDR, else http://localhost:3100.
Times: --since 30m, or --from and --to with 2026-11-01T12:00:00Z, 2026-11-01, a Unix time, now, or a span back such as 2h.)help";

constexpr const char* kQueryHelp = R"help(Selectors    {app="api", env!="dev", pod=~"web-.*"}
Line filters |= "text"   != "text"   |~ "regex"   !~ "regex"
Parsers      | json   | logfmt   | pattern "<ip> - <_>"   | regexp "(?P<x>..)"
Then         | status >= 500 and duration > 100ms      | line_format "{{.msg}}"
Metrics      sum by (app) (rate({...} |= "error" [5m]))   quantile_over_time(0.99, {...} | json | unwrap ms [5m]) by (app)

A log query prints lines, newest first, the oldest first with --forward; --limit 0 prints all of them.
A metric query prints its result as JSON.)help";

std::string FromEnvironment(std::initializer_list<const char*> names, std::string otherwise) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return otherwise;
}

class CommandLine {
 public:
  CommandLine() {
    app_.footer(kExamples);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.set_help_all_flag("--help-all", "Help of all commands at once");
    app_.set_version_flag("--version", std::string("skaldctl ") + SKALD_VERSION);
    options_.connection.address = FromEnvironment({"SKALD_ADDR", "LOKI_ADDR"}, options_.connection.address);
    options_.connection.org_id = FromEnvironment({"SKALD_ORG_ID", "LOKI_ORG_ID"}, "");
    options_.connection.username = FromEnvironment({"SKALD_USERNAME", "LOKI_USERNAME"}, "");
    options_.connection.password = FromEnvironment({"SKALD_PASSWORD", "LOKI_PASSWORD"}, "");
    options_.connection.bearer_token = FromEnvironment({"SKALD_BEARER_TOKEN", "LOKI_BEARER_TOKEN"}, "");
    options_.connection.query_tags = FromEnvironment({"SKALD_QUERY_TAGS", "LOKI_QUERY_TAGS"}, "");
    options_.connection.ca_certificate = FromEnvironment({"SKALD_CA_CERT_PATH", "LOKI_CA_CERT_PATH"}, "");
    AddGlobalFlags();
    AddQuery();
    AddInstantQuery();
    AddExplain();
    AddTail();
    AddLabels();
    AddSeries();
    AddStats();
    AddVolume();
    AddDetectedFields();
    AddFormat();
    AddRules();
  }

  int Run(int argc, char** argv) {
    if (argc < 2) {
      std::cerr << app_.help();
      return 2;
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::RequiredError& error) {
      const std::vector<std::string> rest = app_.remaining();
      if (app_.get_subcommands().empty() && !rest.empty()) {
        std::cerr << "skaldctl: there is no verb " << rest.front() << "; skaldctl --help lists them\n";
        return 2;
      }
      app_.exit(error);
      return 2;
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? 0 : 2;
    } catch (const std::exception& error) {
      std::cerr << "skaldctl: " << error.what() << '\n';
      return 2;
    }
    if (const absl::Status status = Finish(); !status.ok()) return Fail(status);
    // A reader that has seen enough (| head) ends us quietly by SIGPIPE, the default.
    std::ios::sync_with_stdio(false);
    const absl::Status status = run_(options_, Streams{std::cout, std::cerr});
    std::cout.flush();
    return status.ok() ? 0 : Fail(status);
  }

 private:
  using Command = std::function<absl::Status(const Options&, Streams)>;

  static int Fail(const absl::Status& status) {
    std::cout.flush();
    std::cerr << "skaldctl: " << MessageOf(status) << '\n';
    return 1;
  }

  // What flags mean together, after all are read.
  absl::Status Finish() {
    static const std::map<std::string, OutputMode> kModes = {
        {"default", OutputMode::kDefault}, {"raw", OutputMode::kRaw}, {"jsonl", OutputMode::kJsonl}};
    options_.printer.mode = kModes.at(mode_);
    options_.printer.local_time = timezone_ == "Local";
    options_.printer.color = color_ == "always" || (color_ == "auto" && isatty(STDOUT_FILENO) == 1 &&
                                                    std::getenv("NO_COLOR") == nullptr);
    if (!bearer_token_file_.empty()) {
      std::ifstream file(bearer_token_file_);
      if (!(file >> options_.connection.bearer_token)) {
        return InvalidArgument("--bearer-token-file {} cannot be read or is empty", bearer_token_file_);
      }
    }
    if (options_.query == "-") {
      options_.query.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    return absl::OkStatus();
  }

  CLI::App* AddVerb(const std::string& name, const std::string& help, Command command) {
    CLI::App* verb = app_.add_subcommand(name, help);
    verb->fallthrough();
    verb->callback([this, command] { run_ = command; });
    return verb;
  }

  void AddGlobalFlags() {
    Connection& c = options_.connection;
    app_.add_option("--addr", c.address, "Server address (SKALD_ADDR, LOKI_ADDR)")->capture_default_str();
    app_.add_option("--org-id", c.org_id, "Tenant, sent as X-Scope-OrgID (LOKI_ORG_ID)");
    app_.add_option("--username", c.username, "Basic authentication (LOKI_USERNAME)");
    app_.add_option("--password", c.password, "Basic authentication (LOKI_PASSWORD)");
    app_.add_option("--bearer-token", c.bearer_token, "Bearer authentication (LOKI_BEARER_TOKEN)");
    app_.add_option("--bearer-token-file", bearer_token_file_, "File that holds the bearer token");
    app_.add_option("--ca-cert", c.ca_certificate, "Certificate authority of the server (LOKI_CA_CERT_PATH)");
    app_.add_flag("--tls-skip-verify", c.skip_tls_verify, "Trust any certificate");
    app_.add_option("--query-tags", c.query_tags, "Sent as X-Query-Tags, for the server's statistics");
    app_.add_flag("--compress", c.compress, "Ask for gzip answers");
    app_.add_option("--timeout", c.timeout_seconds, "Seconds a request may take, 0 = any")
        ->capture_default_str();
    app_.add_flag("-q,--quiet", options_.quiet, "Print the answer alone");
    app_.add_flag("--stats", options_.statistics, "Print what a query cost");
    app_.add_option("-o,--output", mode_,
                    "default: time, labels, line; raw: the line; jsonl: one object a line")
        ->check(CLI::IsMember({"default", "raw", "jsonl"}))
        ->capture_default_str();
    app_.add_option("-z,--timezone", timezone_, "Zone of printed times")
        ->check(CLI::IsMember({"Local", "UTC"}))
        ->capture_default_str();
    app_.add_option("--color", color_, "Colours: auto (a terminal only), always, never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->capture_default_str();
  }

  void AddRange(CLI::App* verb) {
    verb->add_option("--since", options_.since, "Look back this far from --to")->capture_default_str();
    verb->add_option("--from", options_.from, "Begin, inclusive; instead of --since");
    verb->add_option("--to", options_.to, "End, exclusive; now if not given");
  }

  CLI::Option* AddQueryText(CLI::App* verb) {
    return verb->add_option("query", options_.query, "LogQL; - reads it from standard input")->required();
  }

  void AddLabelFlags(CLI::App* verb) {
    verb->add_flag("--no-labels", options_.printer.no_labels, "Do not print labels");
    verb->add_option("--include-label", options_.printer.include_labels,
                     "Print this label only (repeatable)");
    verb->add_option("--exclude-label", options_.printer.exclude_labels,
                     "Do not print this label (repeatable)");
    verb->add_option("--labels-length", options_.printer.labels_width, "Width of the label column");
  }

  void AddQuery() {
    CLI::App* verb = AddVerb("query", "Ask for log lines, or a metric over time", RunQuery);
    AddQueryText(verb);
    AddRange(verb);
    verb->add_option("--limit", options_.limit, "Most lines to print, 0 = all")->capture_default_str();
    verb->add_option("--batch", options_.batch, "Lines to ask for at a time")->capture_default_str();
    verb->add_option("--step", options_.step, "Of metrics: time between points (15s)");
    verb->add_option("--interval", options_.interval, "Of lines: at most one line in this span");
    verb->add_flag("--forward", options_.forward, "Oldest first");
    verb->add_flag("-t,--tail,-f,--follow", options_.follow, "Go on with new lines, as the verb tail does");
    AddLabelFlags(verb);
    verb->footer(kQueryHelp);
  }

  void AddInstantQuery() {
    CLI::App* verb = AddVerb("instant-query", "Ask for a metric at one moment", RunInstantQuery);
    AddQueryText(verb);
    verb->add_option("--now", options_.at, "The moment")->capture_default_str();
    verb->add_option("--limit", options_.limit, "Most series")->capture_default_str();
    verb->footer(kQueryHelp);
  }

  void AddExplain() {
    CLI::App* verb = AddVerb("explain", "Show how a query is run and what it costs", RunExplain);
    AddQueryText(verb);
    AddRange(verb);
    verb->add_flag("--analyze", options_.analyze, "Run it and show what it did cost");
    verb->add_option("--now", options_.explained_at, "Of a metric at this one moment, in place of a range");
    verb->add_option("--step", options_.step, "Of metrics: time between points (15s)");
    verb->add_option("--limit", options_.limit, "Most lines of a log query")->capture_default_str();
    verb->add_flag("--forward", options_.forward, "Oldest first");
    verb->footer("-o jsonl prints the same as JSON.");
  }

  void AddTail() {
    CLI::App* verb = AddVerb("tail", "Follow new lines", RunTail);
    AddQueryText(verb);
    verb->add_option("--since", options_.since, "Begin with lines this old")->capture_default_str();
    verb->add_option("--limit", options_.limit, "Lines of the past to begin with")->capture_default_str();
    verb->add_option("--delay-for", options_.delay_for, "Seconds that the server waits for late lines")
        ->check(CLI::Range(uint64_t{0}, uint64_t{5}))
        ->capture_default_str();
    AddLabelFlags(verb);
  }

  void AddLabels() {
    CLI::App* verb = AddVerb("labels", "List label names, or the values of one", RunLabels);
    verb->add_option("name", options_.label_name, "List this label's values");
    AddRange(verb);
  }

  void AddSeries() {
    CLI::App* verb = AddVerb("series", "List streams", RunSeries);
    verb->add_option("selector", options_.selectors, "{app=\"api\"}; several are united, {} is every stream");
    verb->add_option("--match", options_.selectors, "The same as a flag (repeatable)");
    verb->add_flag("--analyze-labels", options_.analyze_labels, "Count the values of each label instead");
    AddRange(verb);
  }

  void AddStats() {
    CLI::App* verb = AddVerb("stats", "Count streams, chunks, bytes and entries of a selector", RunStats);
    AddQueryText(verb);
    AddRange(verb);
  }

  void AddVolume() {
    const auto at_once = [](const Options& o, Streams s) { return RunVolume(o, s, false); };
    const auto over_time = [](const Options& o, Streams s) { return RunVolume(o, s, true); };
    for (CLI::App* verb : {AddVerb("volume", "Bytes by label", at_once),
                           AddVerb("volume_range", "Bytes by label over time", over_time)}) {
      AddQueryText(verb);
      AddRange(verb);
      verb->add_option("--limit", options_.limit, "Most series")->capture_default_str();
      verb->add_option("--targetLabels", options_.target_labels, "Add up by these labels (a,b)");
      if (verb->get_name() == "volume_range")
        verb->add_option("--step", options_.step, "Time between points");
    }
  }

  void AddDetectedFields() {
    CLI::App* verb =
        AddVerb("detected-fields", "Fields found inside the lines, or the values of one", RunDetectedFields);
    AddQueryText(verb);
    verb->add_option("field", options_.field_name, "List this field's values");
    AddRange(verb);
  }

  void AddFormat() {
    AddQueryText(AddVerb("fmt", "Check a query and print it well laid out; needs no server", RunFormat));
  }

  void AddRules() {
    CLI::App* rules = app_.add_subcommand("rules", "Check and test rule files; needs no server");
    rules->fallthrough();
    rules->require_subcommand(1);
    const auto add = [&](const char* name, const char* help, Command command) {
      CLI::App* verb = rules->add_subcommand(name, help);
      verb->fallthrough();
      verb->callback([this, command] { run_ = command; });
      verb->add_option("file", options_.files, "Files")->required();
    };
    add("check", "Find every problem of rule files, with file, line and what to write instead",
        RunRulesCheck);
    add("test", "Run unit tests of rules: promtool's format, with log lines as input", RunRulesTest);
  }

  CLI::App app_{"skaldctl asks a Skald (or Loki) server for logs, labels and metrics.", "skaldctl"};
  Options options_;
  Command run_;
  std::string mode_ = "default";
  std::string timezone_ = "Local";
  std::string color_ = "auto";
  std::string bearer_token_file_;
};

}  // namespace
}  // namespace skald::cli

int main(int argc, char** argv) { return skald::cli::CommandLine().Run(argc, argv); }
