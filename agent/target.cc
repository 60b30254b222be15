#include "agent/target.h"

#include "agent/kubernetes_path.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::agent {

absl::StatusOr<Target> MakeTarget(std::string job, const std::vector<std::string>& include,
                                  const std::vector<std::string>& exclude, Labels labels, LogFormat format) {
  Target target;
  target.job = std::move(job);
  target.labels = std::move(labels);
  target.format = format;
  for (const auto& [patterns, globs] :
       {std::pair(&include, &target.include), std::pair(&exclude, &target.exclude)}) {
    for (const std::string& pattern : *patterns) {
      ASSIGN_OR_RETURN(std::vector<GlobPattern> parsed, GlobPattern::ParseAll(pattern));
      for (GlobPattern& glob : parsed) globs->push_back(std::move(glob));
    }
  }
  return target;
}

std::vector<Target> DefaultTargets() {
  struct Row {
    const char* job;
    std::vector<std::string> include;
    std::vector<std::string> exclude;
  };
  const Row rows[] = {
      {"", {"/var/log/pods/*/*/*.log"}, {}},
      {"docker", {"/var/lib/docker/containers/*/*-json.log"}, {}},
      {"varlogs",
       {"/var/log/{syslog,messages,*.log,*/*.log}"},
       {"/var/log/pods/**", "/var/log/containers/**"}},
  };
  std::vector<Target> targets;
  for (const Row& row : rows) {
    absl::StatusOr<Target> target = MakeTarget(row.job, row.include, row.exclude, {}, LogFormat::kAuto);
    SKALD_CHECK(target.ok());
    targets.push_back(std::move(*target));
  }
  return targets;
}

Labels LabelsOfLog(const Target& target, const std::string& path, const std::string& node_name) {
  Labels labels;
  if (!target.job.empty()) labels.Set("job", target.job);
  if (const auto pod = ParseKubernetesPath(path)) {
    const std::string app = AppOfPod(pod->pod, node_name);
    labels.Set("namespace", pod->namespace_name);
    labels.Set("pod", pod->pod);
    labels.Set("container", pod->container);
    labels.Set("app", app);
    labels.Set("job", pod->namespace_name + "/" + app);
  } else if (const auto id = ParseDockerPath(path)) {
    const std::string config_path = path.substr(0, path.rfind('/')) + "/config.v2.json";
    const absl::StatusOr<std::string> config = ReadWholeFile(config_path);
    const std::optional<DockerContainer> container = config.ok() ? ParseDockerConfig(*config) : std::nullopt;
    labels.Set("container", container ? container->name : id->substr(0, 12));
    if (container && !container->compose_project.empty())
      labels.Set("compose_project", container->compose_project);
    if (container && !container->compose_service.empty())
      labels.Set("compose_service", container->compose_service);
    if (target.job.empty()) labels.Set("job", "docker");
  } else {
    labels.Set("filename", path);
    if (target.job.empty()) labels.Set("job", "files");
  }
  if (!node_name.empty()) labels.Set("node_name", node_name);
  for (const auto& [name, value] : target.labels) {
    if (value.empty()) {
      labels.Remove(name);
    } else {
      labels.Set(name, value);
    }
  }
  return labels;
}

LogFormat FormatOfPath(const std::string& path) {
  if (ParseDockerPath(path)) return LogFormat::kDocker;
  if (ParseKubernetesPath(path)) return LogFormat::kCri;
  return LogFormat::kPlain;
}

}  // namespace skald::agent
