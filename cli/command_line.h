// The verbs of skaldctl and their flags.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/connection_flags.h"

namespace skald::cli {

class CommandLine {
 public:
  explicit CommandLine(const std::string& version);

  // Parses, runs the verb, prints; the exit code: 0 done, 1 the verb failed, 2 the command line is wrong.
  int Run(int argc, char** argv);

  const CLI::App& app() const { return app_; }

 private:
  using Command = std::function<absl::Status(const Options&, Streams)>;

  // 0 and a verb to run, or what to exit with.
  int Parse(int argc, char** argv, bool* exits);
  int PrintCompletion(int argc, char** argv);
  // What flags mean together, after all are read.
  absl::Status Finish();

  CLI::App* AddVerb(CLI::App* parent, const std::string& name, const std::string& help, const char* footer,
                    Command command);
  CLI::App* AddGroup(const std::string& name, const std::string& help, const char* footer);
  void AddGlobalFlags();
  void AddRange(CLI::App* verb);
  CLI::Option* AddQueryText(CLI::App* verb);
  void AddLabelFlags(CLI::App* verb);
  void AddQuery();
  void AddExportFlags(CLI::App* verb);
  void AddMetricVerbs();
  void AddTail();
  void AddIndexVerbs();
  void AddSampleVerbs();
  void AddRules();
  void AddDelete();
  void AddLocalVerbs();

  CLI::App app_{"skaldctl asks a Skald (or Loki) server for logs, labels and metrics.", "skaldctl"};
  Options options_;
  std::unique_ptr<ConnectionFlags> connection_;
  Command run_;
  std::string mode_ = "default";
  std::string ignored_;
  std::string timezone_ = "Local";
  std::string time_format_ = "rfc3339";
  std::string color_ = "auto";
  std::string progress_ = "auto";
  bool colored_ = false;
  bool aggregate_by_labels_ = false;
  std::string shell_;
  CLI::Option* limit_ = nullptr;     // of query
  CLI::App* format_ = nullptr;       // the verb fmt
  CLI::Option* parallel_ = nullptr;  // --parallel-duration
};

}  // namespace skald::cli
