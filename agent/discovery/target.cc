#include "agent/discovery/target.h"

#include <filesystem>

#include "agent/discovery/discovered_labels.h"
#include "agent/discovery/kubernetes_path.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr std::string_view kLogStream = "__meta_docker_container_log_stream";
constexpr std::string_view kOutputNames[kOutputs] = {"", "stdout", "stderr"};
static_assert(static_cast<int>(Output::kStdout) == 1 && static_cast<int>(Output::kStderr) == 2);

// Labels that begin with __ stay here.
Labels Visible(const Labels& labels) {
  std::vector<Labels::Pair> visible;
  for (const auto& pair : labels) {
    if (!pair.first.starts_with("__")) visible.push_back(pair);
  }
  return Labels(std::move(visible));
}

Labels MetaOfPath(const Target& target, const std::string& path, const std::string& node_name) {
  switch (target.discovery) {
    case Discovery::kKubernetes:
      return KubernetesMetaOfPath(path, node_name);
    case Discovery::kDocker:
      return DockerMetaOfPath(path);
    case Discovery::kNomad:
      return NomadMetaOfPath(path);
    case Discovery::kNone:
      break;
  }
  return {};
}

// Of the one who knows, and else of the path.
Labels MetaOf(const Target& target, const std::string& path, const std::string& node_name) {
  Labels meta;
  if (target.metadata != nullptr && target.metadata->Find(path, &meta) == LogMetadata::Answer::kFound)
    return meta;
  return MetaOfPath(target, path, node_name);
}

void ApplySwitch(const LogSwitch& said, LogLabels* labels) {
  if (said.excluded) {
    labels->kind = LogLabels::Kind::kUnwanted;
    labels->switched_off = true;
    return;
  }
  if (said.pipeline != nullptr) labels->pipeline = said.pipeline;
  labels->max_lines_per_second = said.max_lines_per_second;
  if (said.tenant.empty()) return;
  for (Labels& of : labels->of) of.Set(kTenantLabel, said.tenant);
}

}  // namespace

std::string PodFiles(std::string_view directory) { return std::string(directory) + "/*/*/*.log"; }
std::string DockerFiles(std::string_view directory) { return std::string(directory) + "/*/*-json.log"; }
std::string NomadFiles(std::string_view directory) {
  return std::string(directory) + "/*/alloc/logs/*.{stdout,stderr}.[0-9]*";
}

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

absl::StatusOr<std::optional<Target>> TargetOfLabels(const std::string& job, Labels labels,
                                                     const Relabelling* relabelling,
                                                     std::string_view node_name, std::string* why) {
  // An empty label takes away a derived one, which relabelling would forget.
  if (relabelling != nullptr && !relabelling->Apply(&labels)) {
    *why = "relabel_configs drop it";
    return std::nullopt;
  }
  std::string path(labels.Get("__path__"));
  if (labels.Has("__host__") && labels.Get("__host__") != node_name) {
    *why = "__host__ names another node";
    return std::nullopt;
  }
  if (path.empty()) {
    *why = "no __path__ among the labels: nothing to tail";
    return std::nullopt;
  }
  std::vector<std::string> exclude;
  if (labels.Has("__path_exclude__")) exclude.emplace_back(labels.Get("__path_exclude__"));
  if (!path.starts_with('/')) {
    std::error_code error;
    path = (std::filesystem::current_path(error) / path).lexically_normal().string();
  }
  ASSIGN_OR_RETURN(Target target, MakeTarget(job, {path}, exclude, Visible(labels), LogFormat::kAuto));
  return target;
}

std::vector<Target> DefaultTargets(std::string_view pods, std::string_view docker, std::string_view nomad) {
  struct Row {
    const char* job;
    std::vector<std::string> include;
    std::vector<std::string> exclude;
    Discovery discovery;
  };
  const Row rows[] = {
      {"", {PodFiles(pods)}, {}, Discovery::kKubernetes},
      {"docker", {DockerFiles(docker)}, {}, Discovery::kDocker},
      {"nomad", {NomadFiles(nomad)}, {}, Discovery::kNomad},
      {"varlogs",
       {"/var/log/{syslog,messages,*.log,*/*.log}"},
       {"/var/log/pods/**", "/var/log/containers/**"},
       Discovery::kNone},
  };
  std::vector<Target> targets;
  for (const Row& row : rows) {
    absl::StatusOr<Target> target = MakeTarget(row.job, row.include, row.exclude, {}, LogFormat::kAuto);
    SKALD_CHECK(target.ok());
    target->discovery = row.discovery;
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
    if (container && !container->compose_project().empty())
      labels.Set("compose_project", container->compose_project());
    if (container && !container->compose_service().empty())
      labels.Set("compose_service", container->compose_service());
    if (target.job.empty()) labels.Set("job", "docker");
  } else if (const auto task = target.discovery == Discovery::kNomad ? ParseNomadPath(path) : std::nullopt) {
    labels.Set("alloc_id", task->alloc_id);
    labels.Set("task", task->task);
    labels.Set("stream", task->stream);
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

namespace {

LogLabels LabelsOf(const Target& target, const std::string& path, const std::string& node_name) {
  LogLabels out;
  Labels meta;
  LogMetadata::Answer answer = LogMetadata::Answer::kNone;
  if (target.metadata != nullptr) answer = target.metadata->Find(path, &meta);
  if (answer == LogMetadata::Answer::kNotOurs) {
    out.kind = LogLabels::Kind::kUnwanted;
    return out;
  }
  const bool waits = answer == LogMetadata::Answer::kNotYet;
  if (answer == LogMetadata::Answer::kUndecided) {
    out.kind = LogLabels::Kind::kUndecided;
    return out;
  }
  out.kind = waits ? LogLabels::Kind::kProvisional : LogLabels::Kind::kTaken;
  const auto add_stream = [&](int output, Labels* labels) {
    if (output != 0) labels->Set("stream", kOutputNames[output]);
  };
  if (target.relabelling == nullptr) {
    Labels labels = LabelsOfLog(target, path, node_name);
    if (answer == LogMetadata::Answer::kFound && target.discovery == Discovery::kKubernetes) {
      const std::string app = AppOfMeta(meta);
      if (!app.empty() && !target.labels.Has("app")) labels.Set("app", app);
      if (!app.empty() && !target.labels.Has("job"))
        labels.Set("job", std::string(labels.Get("namespace")) + "/" + app);
    }
    if (answer == LogMetadata::Answer::kFound && target.discovery == Discovery::kNomad) {
      const std::pair<const char*, const char*> known[] = {{"nomad_job", "__meta_nomad_job"},
                                                           {"nomad_group", "__meta_nomad_group"},
                                                           {"namespace", "__meta_nomad_namespace"}};
      for (const auto& [name, from] : known) {
        if (!target.labels.Has(name) && !meta.Get(from).empty()) labels.Set(name, meta.Get(from));
      }
    }
    for (int output = 0; output < kOutputs; ++output) {
      out.of[output] = labels;
      add_stream(output, &out.of[output]);
    }
    return out;
  }
  Labels labels =
      answer == LogMetadata::Answer::kFound ? std::move(meta) : MetaOfPath(target, path, node_name);
  for (const auto& [name, value] : target.labels) labels.Set(name, value);
  int kept = 0;
  for (int output = 0; output < kOutputs; ++output) {
    Labels relabelled = labels;
    if (target.discovery == Discovery::kDocker) relabelled.Set(kLogStream, kOutputNames[output]);
    const bool keep = target.relabelling->Apply(&relabelled);
    out.dropped[output] = !keep;
    kept += keep ? 1 : 0;
    Labels visible = Visible(relabelled);
    if (!keep) continue;
    if (target.discovery != Discovery::kDocker) visible.Set("filename", path);
    // The stage cri gives pods this label; of Docker's, relabelling says what the output is called.
    if (target.discovery == Discovery::kKubernetes) add_stream(output, &visible);
    out.of[output] = std::move(visible);
  }
  if (kept == 0) out.kind = waits ? LogLabels::Kind::kUndecided : LogLabels::Kind::kUnwanted;
  return out;
}

}  // namespace

LogLabels DescribeLog(const Target& target, const std::string& path, const std::string& node_name) {
  LogLabels out = LabelsOf(target, path, node_name);
  out.pipeline = target.pipeline;
  const bool known = out.kind == LogLabels::Kind::kTaken || out.kind == LogLabels::Kind::kProvisional;
  if (target.switches != nullptr && known)
    ApplySwitch(target.switches->Of(MetaOf(target, path, node_name)), &out);
  return out;
}

LogFormat FormatOfPath(const std::string& path) {
  if (ParseDockerPath(path)) return LogFormat::kDocker;
  if (ParseKubernetesPath(path)) return LogFormat::kCri;
  return LogFormat::kPlain;
}

}  // namespace skald::agent
