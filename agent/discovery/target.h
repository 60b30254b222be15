// What to tail and how it is labelled: file patterns with static labels, what a path adds to them, and what
// discovery knows of the log at that path.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/log_switches.h"
#include "agent/files/glob.h"
#include "agent/files/text_encoding.h"
#include "agent/positions/record.h"
#include "agent/stages/pipeline.h"
#include "base/labels.h"
#include "base/relabel.h"

namespace skald::agent {

// Whose logs a target's files are.
enum class Discovery : uint8_t { kNone, kKubernetes, kDocker, kNomad };

// What is known about a log beyond its path. Thread-safe.
class LogMetadata {
 public:
  virtual ~LogMetadata() = default;
  enum class Answer : uint8_t {
    kFound,
    kNotYet,     // may come soon: ask again when version() has changed
    kUndecided,  // likewise, and it may not be wanted at all
    kNone,       // nobody to ask, or the one who is asked refuses: the path must do
    kNotOurs     // known, and not wanted (another namespace, a filter)
  };
  // Sets labels __meta_...
  virtual Answer Find(const std::string& path, Labels* meta) const = 0;
  virtual uint64_t version() const = 0;
  // Where more such logs lie than the target's patterns say.
  virtual std::vector<std::string> Patterns() const { return {}; }
};

// One scrape job's files. Immutable once the agent runs.
struct Target {
  std::string job;  // for /targets and the default of the label job; may be empty
  std::vector<GlobPattern> include;
  std::vector<GlobPattern> exclude;
  Labels labels;  // win over derived ones
  LogFormat format = LogFormat::kAuto;
  std::shared_ptr<const TextEncoding> encoding;  // nullptr = UTF-8
  std::shared_ptr<const Pipeline> pipeline;      // nullptr = lines go out as they are
  Discovery discovery = Discovery::kNone;
  std::shared_ptr<const LogMetadata> metadata;     // nullptr = the path alone tells
  std::shared_ptr<const Relabelling> relabelling;  // of discovered labels, in place of derived ones
  std::shared_ptr<LogSwitches> switches;           // nullptr = pods and containers have no say
};

// Parses the patterns, braces expanded. InvalidArgument for a pattern that is not absolute.
absl::StatusOr<Target> MakeTarget(std::string job, const std::vector<std::string>& include,
                                  const std::vector<std::string>& exclude, Labels labels, LogFormat format);

// A target as static_configs and file_sd give it: labels with __path__, __path_exclude__ and __host__, which
// relabelling (may be nullptr) changes first. nullopt with *why set: it has no files, or none on this node.
absl::StatusOr<std::optional<Target>> TargetOfLabels(const std::string& job, Labels labels,
                                                     const Relabelling* relabelling,
                                                     std::string_view node_name, std::string* why);

inline constexpr std::string_view kPodsDirectory = "/var/log/pods";
inline constexpr std::string_view kDockerDirectory = "/var/lib/docker/containers";
inline constexpr std::string_view kNomadDirectory = "/opt/nomad/data/alloc";
std::string PodFiles(std::string_view directory);
std::string DockerFiles(std::string_view directory);
std::string NomadFiles(std::string_view directory);

// What an agent tails when nobody says what: pods, Docker containers, Nomad's tasks, system logs.
std::vector<Target> DefaultTargets(std::string_view pods = kPodsDirectory,
                                   std::string_view docker = kDockerDirectory,
                                   std::string_view nomad = kNomadDirectory);

// The labels of a log, without the one for the output (stdout, stderr):
//   pod files:    namespace, pod, container, app, job = namespace/app, node_name
//   Docker files: container, compose_project, compose_service (from config.v2.json beside the log), job =
//   "docker", node_name; Nomad's: alloc_id, task, stream, job = "nomad", node_name; others: filename, job,
//   node_name. path is the log's name as its newest generation has it.
Labels LabelsOfLog(const Target& target, const std::string& path, const std::string& node_name);

// What a target says of a log.
struct LogLabels {
  enum class Kind : uint8_t {
    kTaken,
    kProvisional,  // from the path; more may come soon
    kUndecided,    // relabelling drops it, but for want of what may come soon
    kUnwanted,
  };
  Kind kind = Kind::kTaken;
  Labels of[kOutputs];                       // by output
  bool dropped[kOutputs] = {};               // by relabelling, where it looks at the output
  std::shared_ptr<const Pipeline> pipeline;  // the target's, or the one the pod asks for
  double max_lines_per_second = 0;           // 0 = any number
  bool switched_off = false;                 // kUnwanted because the pod or container says so
  friend bool operator==(const LogLabels&, const LogLabels&) = default;
};
// With relabelling: what it leaves of the discovered labels, and filename. Without: LabelsOfLog, and for pods
// that are known, app from their labels or their controller; for allocations that are known, nomad_job,
// nomad_group and namespace. Where the target lets pods and containers say something, that holds on top of
// it.
LogLabels DescribeLog(const Target& target, const std::string& path, const std::string& node_name);

// The format a path alone gives away: pod files are CRI, <id>-json.log is Docker. A pod file may be a link to
// a Docker file, so this is only the choice before the first line.
LogFormat FormatOfPath(const std::string& path);

}  // namespace skald::agent
