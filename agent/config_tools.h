// Commands about a configuration that run nothing: check and explain.
#pragma once

#include <string>

#include "agent/agent_config.h"

namespace skald::agent {

// What the configuration amounts to: each target with the files it has now, and what is risky about it.
std::string CheckReport(const AgentSettings& settings);

// Which target takes a log, and why others do not, with its labels and stages. what: the log's path, or
// labels that discovery may give ({__meta_kubernetes_namespace="x", ...}, {app="y"}), for which each target's
// relabelling is shown. InvalidArgument for what is neither.
absl::StatusOr<std::string> Explain(const AgentSettings& settings, const std::string& what);

}  // namespace skald::agent
