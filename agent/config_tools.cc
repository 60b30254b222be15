#include "agent/config_tools.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "agent/discovery/discovered_labels.h"
#include "agent/files/rotation_name.h"
#include "agent/tail/tailer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr size_t kShownFiles = 5;

// Labels that somebody gives by hand.
class Given : public LogMetadata {
 public:
  explicit Given(Labels labels) : labels_(std::move(labels)) {}
  Answer Find(const std::string& /*path*/, Labels* meta) const override {
    *meta = labels_;
    return Answer::kFound;
  }
  uint64_t version() const override { return 0; }

 private:
  const Labels labels_;
};

std::string PatternOf(const GlobPattern& glob) {
  return glob.root() + "/" + fmt::format("{}", fmt::join(glob.components(), "/"));
}

std::string_view DiscoveryName(Discovery discovery) {
  switch (discovery) {
    case Discovery::kKubernetes:
      return "kubernetes";
    case Discovery::kDocker:
      return "docker";
    case Discovery::kNomad:
      return "nomad";
    case Discovery::kNone:
      break;
  }
  return "files";
}

// Lists what is there, as the tailer would find it.
class Found : public DirectoryListener {
 public:
  explicit Found(const std::vector<Target>* targets) : files_(targets->size()), tree_(targets, false, this) {
    tree_.ScanAll();
  }
  const std::vector<std::string>& of(size_t target) const { return files_[target]; }
  const DirectoryTree& tree() const { return tree_; }

 private:
  void OnListing(const std::string& directory, const std::vector<DirectoryEntry>& entries) override {
    for (const DirectoryEntry& entry : entries) {
      if (entry.target >= 0)
        files_[static_cast<size_t>(entry.target)].push_back(directory + "/" + entry.name);
    }
  }
  void OnModified(const std::string& /*path*/) override {}
  void OnDirectoryGone(const std::string& /*directory*/) override {}

  std::vector<std::vector<std::string>> files_;
  DirectoryTree tree_;
};

std::string NameOf(const Target& target) {
  return target.job.empty() ? std::string(DiscoveryName(target.discovery)) : target.job;
}

// The stages as they are written.
std::string StagesOf(const AgentSettings& settings, const Target& target) {
  if (target.pipeline == nullptr) return "none";
  const auto cache = settings.pipelines.find(settings.agent.end);
  if (cache == settings.pipelines.end()) return "";
  for (const auto& [key, pipeline] : cache->second) {
    if (pipeline != target.pipeline) continue;
    std::string text = key.substr(key.find('\n') + 1);
    for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 5))
      text.insert(at + 1, "    ");
    return "\n    " + text;
  }
  return "";
}

void AppendLabels(const LogLabels& labels, std::string* out) {
  for (int output = 0; output < kOutputs; ++output) {
    static constexpr std::string_view kNames[kOutputs] = {"", "stdout: ", "stderr: "};
    const bool same =
        output > 0 && labels.of[output] == labels.of[0] && labels.dropped[output] == labels.dropped[0];
    if (same) continue;
    *out +=
        fmt::format("  labels {}{}\n", kNames[output],
                    labels.dropped[output] ? "none: relabel_configs drop it" : labels.of[output].ToString());
  }
}

std::string ExplainPath(const AgentSettings& settings, const std::vector<Target>& targets,
                        const std::string& path) {
  const Found found(&targets);
  std::string out;
  bool taken = false;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    out += fmt::format("target {} ({}): ", i + 1, NameOf(target));
    const auto matches = [&](const GlobPattern& glob) { return glob.Matches(path); };
    const auto include = std::find_if(target.include.begin(), target.include.end(), matches);
    const auto exclude = std::find_if(target.exclude.begin(), target.exclude.end(), matches);
    if (include == target.include.end()) {
      out += "no";
      for (const GlobPattern& glob : target.include) out += " " + PatternOf(glob);
      out += ": the pattern does not match\n";
      continue;
    }
    if (exclude != target.exclude.end()) {
      out += "no, " + PatternOf(*exclude) + " excludes it\n";
      continue;
    }
    const LogLabels labels = DescribeLog(target, path, settings.agent.node_name);
    if (labels.kind == LogLabels::Kind::kUnwanted) {
      if (labels.switched_off) {
        out += "no, it is switched off by its annotations or labels\n";
        continue;
      }
      out += "no, relabel_configs drop it";
      out += target.discovery == Discovery::kNone ? "\n"
                                                  : " (with what the path tells; the API may know more)\n";
      continue;
    }
    if (taken) {
      out += "would, but an earlier target has it\n";
      continue;
    }
    taken = true;
    out += "takes it, by " + PatternOf(*include) + "\n";
    AppendLabels(labels, &out);
    const LogFormat format = target.format == LogFormat::kAuto ? FormatOfPath(path) : target.format;
    out += fmt::format("  format {}{}\n", LogFormatName(format),
                       target.format == LogFormat::kAuto ? " (by the path; the first line decides)" : "");
    if (target.encoding != nullptr) out += fmt::format("  encoding {}\n", target.encoding->name());
    out += "  stages: " + StagesOf(settings, target) + "\n";
    const absl::StatusOr<FileStat> stat = StatPath(path);
    out += stat.ok() ? fmt::format("  the file has {} bytes\n", stat->size) : "  there is no such file now\n";
  }
  if (!taken) {
    out += "nobody takes " + path + "\n";
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    for (size_t cut = 1; cut < name.size(); ++cut) {
      const std::string base = path.substr(0, path.size() - name.size() + cut);
      if (IsRotationSuffix(WithoutCompression(name).substr(std::min(cut, WithoutCompression(name).size()))) &&
          found.tree().TargetOf(base) >= 0)
        out += "it is a rotated generation of " + base +
               ", and is read with it if it changed since the last look\n";
    }
  }
  return out;
}

std::string ExplainLabels(const AgentSettings& settings, const std::vector<Target>& targets,
                          const Labels& labels) {
  std::string out;
  for (size_t i = 0; i < targets.size(); ++i) {
    Target target = targets[i];
    out += fmt::format("target {} ({}): ", i + 1, NameOf(target));
    if (target.discovery == Discovery::kNone) {
      const bool has = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
        return target.labels.Get(label.first) == label.second || label.first.starts_with("__");
      });
      out += has ? "has these labels: " + target.labels.ToString() + "\n"
                 : "no, its labels are " + target.labels.ToString() + "\n";
      continue;
    }
    if (target.relabelling == nullptr) {
      out += "has no relabel_configs: labels come from the path\n";
      continue;
    }
    target.metadata = std::make_shared<Given>(labels);
    const LogLabels described = DescribeLog(target, "<path>", settings.agent.node_name);
    if (described.kind == LogLabels::Kind::kUnwanted) {
      out += "no, relabel_configs drop it\n";
      continue;
    }
    out += "takes it\n";
    AppendLabels(described, &out);
    out += "  stages: " + StagesOf(settings, target) + "\n";
  }
  return out;
}

}  // namespace

std::vector<Target> AllTargets(const AgentConfig& config, std::vector<std::string>* problems) {
  std::vector<Target> targets = config.tail.targets;
  for (const FileTargetsOptions& options : config.file_targets) {
    FileTargets files(options);
    files.Poll(MonotonicNs());
    targets.insert(targets.end(), files.targets().begin(), files.targets().end());
    problems->insert(problems->end(), files.problems().begin(), files.problems().end());
  }
  return targets;
}

std::shared_ptr<const LogMetadata> TellOf(const Target& target, const std::string& path,
                                          const std::string& node_name, const Labels& told) {
  Labels meta;
  if (target.discovery == Discovery::kKubernetes) meta = KubernetesMetaOfPath(path, node_name);
  if (target.discovery == Discovery::kDocker) meta = DockerMetaOfPath(path);
  if (target.discovery == Discovery::kNomad) meta = NomadMetaOfPath(path);
  for (const auto& [name, value] : told) meta.Set(name, value);
  return std::make_shared<Given>(std::move(meta));
}

std::string CheckReport(const AgentSettings& settings) {
  std::string out;
  std::vector<std::string> problems = settings.warnings;
  const std::vector<Target> targets = AllTargets(settings.agent, &problems);
  const Found found(&targets);
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    out += fmt::format("target {} ({}):", i + 1, NameOf(target));
    for (const GlobPattern& glob : target.include) {
      out += " " + PatternOf(glob);
      // Rotated files are read with their log anyway; a pattern of their own may make them logs.
      const std::string& last = glob.components().back();
      if (last.size() > 1 && last.ends_with('*') && last.find(".log") != std::string::npos)
        problems.push_back(
            fmt::format("{}: matches rotated files too; {} is enough, rotated files are found beside it",
                        PatternOf(glob), PatternOf(glob).substr(0, PatternOf(glob).size() - 1)));
    }
    out += fmt::format(", {} files now\n", found.of(i).size());
    std::set<std::string> label_sets;
    for (const std::string& path : found.of(i)) {
      const LogLabels labels = DescribeLog(target, path, settings.agent.node_name);
      const bool wanted = labels.kind != LogLabels::Kind::kUnwanted;
      if (label_sets.size() < kShownFiles)
        out += fmt::format("  {} {}\n", path,
                           wanted                ? labels.of[0].ToString()
                           : labels.switched_off ? "not wanted: switched off by its annotations or labels"
                                                 : "not wanted: relabel_configs drop it");
      label_sets.insert(labels.of[0].ToString());
      std::error_code error;
      if (std::filesystem::is_symlink(path, error) && !std::filesystem::exists(path, error))
        problems.push_back(path + ": the link leads nowhere; is its target mounted?");
    }
    if (found.of(i).size() > kShownFiles)
      out += fmt::format("  and {} more\n", found.of(i).size() - kShownFiles);
  }
  std::vector<AgentConfig> ends = {settings.agent};
  ends.insert(ends.end(), settings.more.begin(), settings.more.end());
  for (const AgentConfig& end : ends) {
    out += fmt::format("end {}: {}, positions in {}\n", end.end.empty() ? "skald" : end.end,
                       end.loki ? PublicUrl(end.loki->target.url) : end.push.server, end.state.directory);
  }
  out += settings.agent.journal.enabled ? "the systemd journal is read\n" : "";
  for (const std::string& problem : problems) out += "warning: " + problem + "\n";
  for (const std::string& note : settings.notes) out += "note: " + note + "\n";
  return out;
}

absl::StatusOr<std::string> Explain(const AgentSettings& settings, const std::string& what) {
  std::vector<std::string> problems;
  const std::vector<Target> targets = AllTargets(settings.agent, &problems);
  if (what.starts_with('{')) {
    ASSIGN_OR_RETURN(const Labels labels, ParseLabels(what));
    return ExplainLabels(settings, targets, labels);
  }
  if (!what.starts_with('/'))
    return InvalidArgument("\"{}\" is neither an absolute path nor labels like {{a=\"b\"}}", what);
  return ExplainPath(settings, targets, what);
}

}  // namespace skald::agent
