// Commands about a configuration that run nothing: check and explain, and what others of that kind share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/agent_config.h"

namespace skald::agent {

// What the configuration amounts to: each target with the files it has now, and what is risky about it.
std::string CheckReport(const AgentSettings& settings);

// Which target takes a log, and why others do not, with its labels and stages. what: the log's path, or
// labels that discovery may give ({__meta_kubernetes_namespace="x", ...}, {app="y"}), for which each target's
// relabelling is shown. InvalidArgument for what is neither.
absl::StatusOr<std::string> Explain(const AgentSettings& settings, const std::string& what);

// All targets, those of files as they are now too. What is wrong with the files goes to problems.
std::vector<Target> AllTargets(const AgentConfig& config, std::vector<std::string>* problems);

// A discovery that knows of the log at `path` what the path tells and `told`, which wins.
std::shared_ptr<const LogMetadata> TellOf(const Target& target, const std::string& path,
                                          const std::string& node_name, const Labels& told);

}  // namespace skald::agent
