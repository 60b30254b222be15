#include "cli/command_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "cli/api.h"
#include "cli/command_helpers.h"
#include "cli/help_texts.h"
#include "cli/migrate/migrate.h"
#include "cli/rules_commands.h"

namespace skald::cli {
namespace {

const std::map<std::string, OutputMode>& Modes() {
  static const std::map<std::string, OutputMode> kModes = {{"default", OutputMode::kDefault},
                                                           {"raw", OutputMode::kRaw},
                                                           {"jsonl", OutputMode::kJsonl},
                                                           {"table", OutputMode::kTable}};
  return kModes;
}

const std::map<std::string, TimeFormat>& TimeFormats() {
  static const std::map<std::string, TimeFormat> kFormats = {
      {"rfc3339", TimeFormat::kRfc3339},       {"rfc3339nano", TimeFormat::kRfc3339Nano},
      {"rfc822z", TimeFormat::kRfc822Z},       {"rfc1123z", TimeFormat::kRfc1123Z},
      {"stampmilli", TimeFormat::kStampMilli}, {"stampmicro", TimeFormat::kStampMicro},
      {"stampnano", TimeFormat::kStampNano},   {"unixdate", TimeFormat::kUnixDate}};
  return kFormats;
}

template <typename Map>
std::vector<std::string> Names(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

// What logcli has and this has not, and what to do instead.
const char* Advice(const std::string& argument) {
  static const std::map<std::string, const char*> kAdvice = {
      {"--store-config", "it reads Loki's object store past its server; ask the server: --addr"},
      {"--remote-schema", "it reads Loki's object store past its server; ask the server: --addr"},
      {"--schema-store", "it reads Loki's object store past its server; ask the server: --addr"},
      {"--cpuprofile", "perf record -g skaldctl ... does it"},
      {"--memprofile", "heaptrack skaldctl ... does it"},
  };
  const auto at = kAdvice.find(argument.substr(0, argument.find('=')));
  return at == kAdvice.end() ? nullptr : at->second;
}

bool HasFlag(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option != nullptr && option->get_expected_min() == 0) return true;
  const std::vector<const CLI::App*> verbs = app.get_subcommands({});
  return std::any_of(verbs.begin(), verbs.end(), [&](const CLI::App* verb) { return HasFlag(*verb, name); });
}

// --no-forward takes --forward back, as logcli's flags have it: an alias may hold that.
void TakeBackFlags(const CLI::App& app, std::vector<std::string>* arguments) {
  constexpr std::string_view kNo = "--no-";
  for (std::string& argument : *arguments) {
    if (argument == "--") break;
    if (!argument.starts_with(kNo) || HasFlag(app, argument)) continue;
    if (const std::string flag = "--" + argument.substr(kNo.size()); HasFlag(app, flag))
      argument = flag + "=false";
  }
}

int Fail(const absl::Status& status) {
  std::cout.flush();
  std::cerr << "skaldctl: " << MessageOf(status) << '\n';
  return 1;
}

}  // namespace

CommandLine::CommandLine(const std::string& version) {
  app_.footer(kExamples);
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.set_help_all_flag("--help-all", "Help of all commands at once");
  app_.set_version_flag("--version", "skaldctl " + version);
  connection_ = std::make_unique<ConnectionFlags>(&app_, &options_.connection);
  AddGlobalFlags();
  AddQuery();
  AddMetricVerbs();
  AddTail();
  AddIndexVerbs();
  AddSampleVerbs();
  AddRules();
  AddDelete();
  AddLocalVerbs();
}

int CommandLine::Run(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << app_.help();
    return 2;
  }
  if (std::string_view(argv[1]) == "__complete") return PrintCompletion(argc, argv);
  bool exits = false;
  if (const int code = Parse(argc, argv, &exits); exits) return code;
  if (const absl::Status status = Finish(); !status.ok()) return Fail(status);
  // A reader that has seen enough (| head) ends us quietly by SIGPIPE, the default.
  std::ios::sync_with_stdio(false);
  const absl::Status status = run_(options_, Streams{std::cout, std::cerr});
  std::cout.flush();
  return status.ok() ? 0 : Fail(status);
}

int CommandLine::Parse(int argc, char** argv, bool* exits) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.front() == "help") {  // help query = query --help
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  for (const std::string& argument : arguments) {
    if (const char* advice = Advice(argument); advice != nullptr) {
      std::cerr << "skaldctl: " << argument << " is not there: " << advice << '\n';
      *exits = true;
      return 2;
    }
  }
  TakeBackFlags(app_, &arguments);
  *exits = true;
  try {
    app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    *exits = false;
    return 0;
  } catch (const CLI::RequiredError& error) {
    const std::vector<std::string> rest = app_.remaining();
    if (app_.get_subcommands().empty() && !rest.empty()) {
      std::cerr << "skaldctl: there is no verb " << rest.front() << "; skaldctl --help lists them\n";
      return 2;
    }
    app_.exit(error);
    return 2;
  } catch (const CLI::ParseError& error) {
    return app_.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "skaldctl: " << error.what() << '\n';
    return 2;
  }
}

int CommandLine::PrintCompletion(int argc, char** argv) {
  std::vector<std::string> words(argv + 2, argv + argc);
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  CompletionSources sources;
  sources.label_names = [this]() -> std::vector<std::string> {
    if (!connection_->Finish().ok()) return {};
    options_.connection.timeout_seconds = 2;
    const auto range = RangeOf(options_);
    if (!range.ok()) return {};
    return Api(options_.connection).LabelNames(*range).value_or(std::vector<std::string>());
  };
  const Completion completion = Complete(app_, std::move(words), sources);
  for (const Candidate& candidate : completion.candidates) {
    std::cout << candidate.text << '\t' << candidate.help << '\n';
  }
  if (completion.files) std::cout << ":files\n";
  return 0;
}

absl::Status CommandLine::Finish() {
  RETURN_IF_ERROR(connection_->Finish());
  options_.printer.mode = Modes().at(mode_);
  options_.printer.time_format = TimeFormats().at(time_format_);
  options_.printer.local_time = timezone_ == "Local";
  options_.printer.color =
      colored_ || color_ == "always" ||
      (color_ == "auto" && isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr);
  // Where lines go to the terminal too, a bar would stand among them.
  options_.show_progress =
      progress_ == "always" || (progress_ == "auto" && !options_.quiet && isatty(STDERR_FILENO) == 1 &&
                                (isatty(STDOUT_FILENO) == 0 || !options_.merge_parts));
  options_.in_parts = options_.export_workers > 1 || !options_.part_prefix.empty() ||
                      (parallel_ != nullptr && parallel_->count() > 0);
  if (options_.in_parts && limit_->count() > 0 && options_.limit > 0 && !options_.quiet)
    std::cerr << "--limit does not count for an export in parts: it takes all lines\n";
  if (options_.from_stdin && limit_->count() == 0) options_.limit = 0;
  if (aggregate_by_labels_) options_.aggregate_by = "labels";
  // logcli's fmt reads its query.
  if (options_.query == "-" || (format_ != nullptr && format_->parsed() && options_.query.empty())) {
    options_.query.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  return absl::OkStatus();
}

CLI::App* CommandLine::AddVerb(CLI::App* parent, const std::string& name, const std::string& help,
                               const char* footer, Command command) {
  CLI::App* verb = parent->add_subcommand(name, help);
  verb->fallthrough();
  verb->footer(footer);
  verb->callback([this, command] { run_ = command; });
  return verb;
}

CLI::App* CommandLine::AddGroup(const std::string& name, const std::string& help, const char* footer) {
  CLI::App* group = app_.add_subcommand(name, help);
  group->fallthrough();
  group->require_subcommand(1);
  group->footer(footer);
  return group;
}

void CommandLine::AddGlobalFlags() {
  // logcli's, so that its command lines are taken: there is no log here to have a level.
  app_.add_option("--log.level", ignored_)->group("");
  app_.add_flag("-q,--quiet", options_.quiet, "Print the answer alone");
  app_.add_flag("--stdin", options_.from_stdin, "query: of lines on standard input, in place of a server's");
  app_.add_flag("--stats", options_.statistics, "Print what a query cost");
  app_.add_option("-o,--output", mode_,
                  "default: time, labels, line; raw: the line; jsonl: one object a line; table: columns")
      ->check(CLI::IsMember(Names(Modes())))
      ->capture_default_str();
  app_.add_option("-z,--timezone", timezone_, "Zone of printed times")
      ->check(CLI::IsMember({"Local", "UTC"}))
      ->capture_default_str();
  app_.add_option("--output-timestamp-format", time_format_, "Form of printed times")
      ->check(CLI::IsMember(Names(TimeFormats())))
      ->capture_default_str();
  app_.add_option("--color", color_, "Colours, lines by their level: auto (a terminal only), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
}

void CommandLine::AddRange(CLI::App* verb) {
  verb->add_option("--since", options_.since, "Look back this far from --to")->capture_default_str();
  verb->add_option("--from", options_.from, "Begin, inclusive; instead of --since");
  verb->add_option("--to", options_.to, "End, exclusive; now if not given");
}

CLI::Option* CommandLine::AddQueryText(CLI::App* verb) {
  return verb->add_option("query", options_.query, "LogQL; - reads it from standard input")->required();
}

void CommandLine::AddLabelFlags(CLI::App* verb) {
  verb->add_flag("--no-labels", options_.printer.no_labels, "Do not print labels");
  verb->add_option("--include-label", options_.printer.include_labels, "Print this label only (repeatable)")
      ->allow_extra_args(false);
  verb->add_option("--exclude-label", options_.printer.exclude_labels, "Do not print this label (repeatable)")
      ->allow_extra_args(false);
  verb->add_flag("--include-common-labels", options_.printer.common_labels,
                 "Print labels that all lines share beside each line too");
  verb->add_option("--labels-length", options_.printer.labels_width, "Least width of the label column");
  verb->add_flag("--colored-output", colored_, "The same as --color always");
}

void CommandLine::AddQuery() {
  CLI::App* verb = AddVerb(&app_, "query", "Ask for log lines, or a metric over time", kQueryHelp, RunQuery);
  AddQueryText(verb);
  AddRange(verb);
  limit_ = verb->add_option("--limit", options_.limit, "Most lines to print, 0 = all")->capture_default_str();
  verb->add_option("--batch", options_.batch, "Lines to ask for at a time")->capture_default_str();
  verb->add_option("--step", options_.step, "Of metrics: time between points (15s)");
  verb->add_option("--interval", options_.interval, "Of lines: at most one line in this span");
  verb->add_flag("--forward", options_.forward, "Oldest first");
  verb->add_flag("-t,--tail,-f,--follow", options_.follow, "Go on with new lines, as the verb tail does");
  verb->add_option("--delay-for", options_.delay_for,
                   "With --tail: seconds that the server waits for late lines")
      ->check(CLI::Range(uint64_t{0}, uint64_t{5}));
  AddLabelFlags(verb);
  AddExportFlags(verb);
}

void CommandLine::AddExportFlags(CLI::App* verb) {
  parallel_ =
      verb->add_option("--parallel-duration", options_.parallel_duration, "Export in parts of this length")
          ->capture_default_str();
  verb->add_option("--parallel-max-workers", options_.export_workers, "Parts to ask for at a time")
      ->check(CLI::Range(uint64_t{1}, uint64_t{64}))
      ->capture_default_str();
  verb->add_option("--part-path-prefix", options_.part_prefix,
                   "Keep each part in a file with this beginning of its path; a later run goes on from them");
  verb->add_flag("--overwrite-completed-parts", options_.overwrite_parts,
                 "Ask for parts again that are there");
  verb->add_flag("--merge-parts", options_.merge_parts,
                 "Print the parts in order when they are there, and remove them at the end");
  verb->add_flag("--keep-parts", options_.keep_parts, "With --merge-parts: remove none");
  verb->add_option("--progress", progress_, "A bar on standard error: auto (a terminal only), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
}

void CommandLine::AddMetricVerbs() {
  CLI::App* instant =
      AddVerb(&app_, "instant-query", "Ask for a metric at one moment", kInstantQueryHelp, RunInstantQuery);
  AddQueryText(instant);
  instant->add_option("--now", options_.at, "The moment")->capture_default_str();
  instant->add_option("--limit", options_.limit, "Most series")->capture_default_str();

  CLI::App* explain =
      AddVerb(&app_, "explain", "Show how a query is run and what it costs", kExplainHelp, RunExplain);
  AddQueryText(explain);
  AddRange(explain);
  explain->add_flag("--analyze", options_.analyze, "Run it and show what it did cost");
  explain->add_option("--now", options_.explained_at, "Of a metric at this one moment, in place of a range");
  explain->add_option("--step", options_.step, "Of metrics: time between points (15s)");
  explain->add_option("--limit", options_.limit, "Most lines of a log query")->capture_default_str();
  explain->add_flag("--forward", options_.forward, "Oldest first");
}

void CommandLine::AddTail() {
  CLI::App* verb = AddVerb(&app_, "tail", "Follow new lines", kTailHelp, RunTail);
  AddQueryText(verb);
  verb->add_option("--since", options_.since, "Begin with lines this old")->capture_default_str();
  verb->add_option("--limit", options_.limit, "Lines of the past to begin with")->capture_default_str();
  verb->add_option("--delay-for", options_.delay_for, "Seconds that the server waits for late lines")
      ->check(CLI::Range(uint64_t{0}, uint64_t{5}))
      ->capture_default_str();
  AddLabelFlags(verb);
}

void CommandLine::AddIndexVerbs() {
  CLI::App* labels =
      AddVerb(&app_, "labels", "List label names, or the values of one", kLabelsHelp, RunLabels);
  labels->add_option("name", options_.label_name, "List this label's values");
  AddRange(labels);

  CLI::App* series = AddVerb(&app_, "series", "List streams", kSeriesHelp, RunSeries);
  series->add_option("selector", options_.selectors, "{app=\"api\"}; several are united, {} is every stream");
  series->add_option("--match", options_.selectors, "The same as a flag (repeatable)");
  series->add_flag("--analyze-labels", options_.analyze_labels, "Count the values of each label instead");
  AddRange(series);

  CLI::App* stats =
      AddVerb(&app_, "stats", "Count streams, chunks, bytes and entries of a selector", kStatsHelp, RunStats);
  AddQueryText(stats);
  AddRange(stats);

  const auto at_once = [](const Options& o, Streams s) { return RunVolume(o, s, false); };
  const auto over_time = [](const Options& o, Streams s) { return RunVolume(o, s, true); };
  for (CLI::App* verb :
       {AddVerb(&app_, "volume", "Bytes by label", kVolumeHelp, at_once),
        AddVerb(&app_, "volume_range", "Bytes by label over time", kVolumeHelp, over_time)}) {
    AddQueryText(verb);
    AddRange(verb);
    verb->add_option("--limit", options_.limit, "Most series")->capture_default_str();
    verb->add_option("--targetLabels", options_.target_labels, "Add up by these labels (a,b)");
    verb->add_flag("--aggregateByLabels", aggregate_by_labels_, "Add up by label name alone");
    if (verb->get_name() == "volume_range") verb->add_option("--step", options_.step, "Time between points");
  }
}

void CommandLine::AddSampleVerbs() {
  CLI::App* fields = AddVerb(&app_, "detected-fields", "Fields found inside the lines, or the values of one",
                             kDetectedFieldsHelp, RunDetectedFields);
  AddQueryText(fields);
  fields->add_option("field", options_.field_name, "List this field's values");
  fields->add_option("--limit", options_.field_limit, "Most fields or values")->capture_default_str();
  fields->add_option("--line-limit", options_.line_limit, "Most lines to look at")->capture_default_str();
  fields->add_option("--step", options_.step, "Sent to the server (10s)");
  AddRange(fields);

  CLI::App* patterns = AddVerb(&app_, "patterns", "What kinds of lines there are, and how many of each",
                               kPatternsHelp, RunPatterns);
  AddQueryText(patterns);
  patterns->add_option("--limit", options_.limit, "Most kinds, 0 = all")->capture_default_str();
  patterns->add_option("--step", options_.step, "Of -o jsonl: time between counts");
  AddRange(patterns);
}

void CommandLine::AddRules() {
  CLI::App* rules = AddGroup("rules", "Check and test rule files; list those of the server", kRulesHelp);
  const auto add_files = [&](const char* name, const char* help, Command command) {
    CLI::App* verb = AddVerb(rules, name, help, kRulesHelp, std::move(command));
    verb->add_option("file", options_.files, "Files")->required();
  };
  add_files("check", "Find every problem of rule files, with file, line and what to write instead",
            RunRulesCheck);
  add_files("test", "Run unit tests of rules: promtool's format, with log lines as input", RunRulesTest);
  CLI::App* list = AddVerb(rules, "list", "List the rules that run on the server, with their state",
                           kRulesHelp, RunRulesList);
  list->add_option("--type", options_.rule_type, "Only these")->check(CLI::IsMember({"alert", "record"}));
  CLI::App* show = AddVerb(rules, "show", "Print the server's rules as YAML", kRulesHelp, RunRulesShow);
  show->add_option("namespace", options_.rule_namespace, "Of this namespace alone");
  show->add_option("group", options_.rule_group, "Of this group alone");
}

void CommandLine::AddDelete() {
  CLI::App* deletes = AddGroup("delete", "Delete lines: create, list and cancel requests", kDeleteHelp);
  CLI::App* create =
      AddVerb(deletes, "create", "Delete the lines of a log query", kDeleteHelp, RunDeleteCreate);
  AddQueryText(create);
  create->add_option("--from", options_.from, "Begin, inclusive");
  create->add_option("--to", options_.to, "End, inclusive; now if not given");
  create->add_option("--max-interval", options_.max_interval, "Work in pieces of this length, as 24h");
  AddVerb(deletes, "list", "List the requests and how far they are", kDeleteHelp, RunDeleteList);
  CLI::App* cancel =
      AddVerb(deletes, "cancel", "Cancel a request that has not begun", kDeleteHelp, RunDeleteCancel);
  cancel->add_option("request-id", options_.request_id, "As delete list shows it")->required();
  cancel->add_flag("--force", options_.force, "One that has begun too: what is purged stays purged");
}

void CommandLine::AddLocalVerbs() {
  format_ = AddVerb(&app_, "fmt", "Check a query and print it well laid out; needs no server", kFormatHelp,
                    RunFormat);
  AddQueryText(format_)->required(false);
  CLI::App* fsck = AddVerb(&app_, "fsck", "Check a stopped server's data directory", kFsckHelp, RunFsck);
  fsck->add_option("directory", options_.files, "The data directory")->required()->expected(1);
  fsck->add_flag("--repair", options_.repair, "Put what is sound into new files, and the damaged ones aside");

  CLI::App* migrate = AddGroup("migrate", "Turn settings of other programs into Skald's", kMigrateHelp);
  CLI::App* agent =
      AddVerb(migrate, "agent-config", "Promtail's, Alloy's or Fluent Bit's file into skald-agent's",
              kMigrateHelp, RunMigrateAgentConfig);
  agent->add_option("file", options_.files, "The file; - reads standard input")->required()->expected(1);
  agent->add_option("--format", options_.format, "Of the file; auto looks at its name and text")
      ->check(CLI::IsMember({"auto", "promtail", "alloy", "fluent-bit"}))
      ->capture_default_str();

  CLI::App* completion = AddVerb(&app_, "completion", "Print a script that makes the tab key complete",
                                 kCompletionHelp, [this](const Options&, Streams streams) {
                                   streams.out << CompletionScript(shell_);
                                   return absl::OkStatus();
                                 });
  completion->add_option("shell", shell_, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace skald::cli
