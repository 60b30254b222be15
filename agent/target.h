// What to tail and how it is labelled: file patterns with static labels, and what a path adds to them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/glob.h"
#include "agent/record.h"
#include "agent/stages/pipeline.h"
#include "base/labels.h"

namespace skald::agent {

// One scrape job's files. Immutable once the agent runs.
struct Target {
  std::string job;  // for /targets and the default of the label job; may be empty
  std::vector<GlobPattern> include;
  std::vector<GlobPattern> exclude;
  Labels labels;  // win over derived ones
  LogFormat format = LogFormat::kAuto;
  std::shared_ptr<const Pipeline> pipeline;  // nullptr = lines go out as they are
};

// Parses the patterns, braces expanded. InvalidArgument for a pattern that is not absolute.
absl::StatusOr<Target> MakeTarget(std::string job, const std::vector<std::string>& include,
                                  const std::vector<std::string>& exclude, Labels labels, LogFormat format);

// What an agent tails when nobody says what: pods, Docker containers, system logs.
std::vector<Target> DefaultTargets();

// The labels of a log, without the one for the output (stdout, stderr):
//   pod files:    namespace, pod, container, app, job = namespace/app, node_name
//   Docker files: container, compose_project, compose_service (from config.v2.json beside the log), job =
//   "docker", node_name others:       filename, job, node_name
// path is the log's name as its newest generation has it.
Labels LabelsOfLog(const Target& target, const std::string& path, const std::string& node_name);

// The format a path alone gives away: pod files are CRI, <id>-json.log is Docker. A pod file may be a link to
// a Docker file, so this is only the choice before the first line.
LogFormat FormatOfPath(const std::string& path);

}  // namespace skald::agent
