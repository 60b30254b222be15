// The agent's settings: command line, environment, and a YAML file that may be Promtail's.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.h"
#include "agent/discovery/discoveries.h"
#include "agent/receivers/receivers.h"
#include "agent/scrape_config.h"
#include "agent/stages/stage_metrics.h"
#include "agent/stages/tap.h"

namespace skald::agent {

// What standard input's lines are called in the spool.
inline constexpr std::string_view kStdinSource = "stdin";

struct AgentSettings {
  AgentConfig agent;                               // the first end
  std::vector<AgentConfig> more;                   // each further end: the same sources, positions of its own
  std::shared_ptr<StageMetrics> metrics;           // what pipelines count (of the first end alone)
  std::shared_ptr<Tap> tap;                        // what goes through them (likewise)
  bool tap_to_others = false;                      // other hosts may see it
  std::shared_ptr<Discoveries> discoveries;        // asked about pods and containers; not started
  std::map<std::string, PipelineCache> pipelines;  // by end
  std::string receivers_definition;                // their blocks as text
  std::string log_level = "info";
  ReceiverConfigs receivers;
  SpoolOptions spool;       // where what they take is kept
  bool from_stdin = false;  // standard input is the only source; nothing is remembered
  bool dry_run = false;
  bool check = false;                 // load the settings and tell of them; run nothing
  std::string effective_yaml;         // to be printed, "" = not asked for
  std::string exit_text;              // --help, --version: print it and exit with 0
  std::vector<std::string> warnings;  // for the log
  std::vector<std::string> notes;     // likewise: what is different from Promtail, for what is configured
  std::string file;                   // the YAML file read, "" if none
};

// Arguments that are no options are files or patterns to tail; with none, and no scrape_configs in the file,
// the default sources are taken. InvalidArgument says where, what and what is allowed.
// previous: the settings in force, for a reload; what has not changed in it (pipelines with what they hold,
// discoveries, metrics) is the same in the result.
absl::StatusOr<AgentSettings> LoadAgentSettings(int argc, const char* const* argv,
                                                const AgentSettings* previous = nullptr);

}  // namespace skald::agent
