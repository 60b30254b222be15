// The agent's settings: command line, environment, and a YAML file that may be Promtail's.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/stages/stage_metrics.h"

namespace skald::agent {

struct AgentSettings {
  AgentConfig agent;                      // the first end
  std::vector<AgentConfig> more;          // each further end: the same sources, positions of its own
  std::shared_ptr<StageMetrics> metrics;  // what pipelines count (of the first end alone)
  std::string log_level = "info";
  bool dry_run = false;
  std::string exit_text;              // --help, --version: print it and exit with 0
  std::vector<std::string> warnings;  // for the log
  std::string file;                   // the YAML file read, "" if none
};

// Arguments that are no options are files or patterns to tail; with none, and no scrape_configs in the file,
// the default sources are taken. InvalidArgument says where, what and what is allowed.
absl::StatusOr<AgentSettings> LoadAgentSettings(int argc, const char* const* argv);

}  // namespace skald::agent
