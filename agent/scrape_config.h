// Promtail's scrape_configs: what of them says which files to tail and how.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/journal_source.h"
#include "agent/target.h"

namespace YAML {
class Node;
}

namespace skald::agent {

struct ScrapeConfigs {
  std::vector<Target> targets;
  bool wants_journal = false;
  JournalSourceOptions journal;  // what a journal section says
  std::vector<std::string> warnings;
};

// static_configs with __path__, __path_exclude__, __host__ and labels; pipeline_stages, of which cri and
// docker are the choice of a format; relabel_configs over static labels and journal fields; journal;
// kubernetes_sd_configs and docker_sd_configs as "the files of
// all pods (containers) of this node". Everything else is named in a warning. place ("agent.yaml") stands in
// front of warnings and errors. context: what the stages are made with. Does not throw.
absl::Status ReadScrapeConfigs(const YAML::Node& list, std::string_view place, std::string_view node_name,
                               const StageContext& context, ScrapeConfigs* out);

}  // namespace skald::agent
