#include "agent/tail/file_targets.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include <yaml-cpp/yaml.h>

#include "agent/files/glob.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace skald::agent {

std::vector<std::string> FileTargets::Names() const {
  std::set<std::string> names;
  for (const std::string& pattern : options_.files) {
    const size_t slash = pattern.rfind('/');
    const std::string directory = pattern.substr(0, slash);
    const std::string last = pattern.substr(slash + 1);
    if (!HasWildcard(last)) {
      if (FileExists(pattern)) names.insert(pattern);
      continue;
    }
    const absl::StatusOr<std::vector<std::string>> there = ListDirectory(directory);
    if (!there.ok()) continue;
    for (const std::string& name : *there) {
      if (MatchComponent(last, name)) names.insert(directory + "/" + name);
    }
  }
  return {names.begin(), names.end()};
}

absl::Status FileTargets::Read(const std::string& path, const std::string& text,
                               std::vector<Target>* targets) {
  const auto add = [&](Labels labels) -> absl::Status {
    labels.Set("__meta_filepath", path);
    std::string why;
    ASSIGN_OR_RETURN(std::optional<Target> target,
                     TargetOfLabels(options_.job, std::move(labels), options_.relabelling.get(),
                                    options_.node_name, &why));
    if (!target) {
      problems_.push_back(fmt::format("{}: {}", path, why));
      return absl::OkStatus();
    }
    target->format = options_.format;
    target->encoding = options_.encoding;
    target->pipeline = options_.pipeline;
    targets->push_back(std::move(*target));
    return absl::OkStatus();
  };
  try {
    const YAML::Node list = YAML::Load(text);  // JSON is YAML
    if (list.IsNull()) return absl::OkStatus();
    if (!list.IsSequence()) return InvalidArgument("a list of {{targets, labels}} is expected");
    for (const YAML::Node& group : list) {
      if (!group.IsMap())
        return InvalidArgument("line {}: a map of targets and labels is expected", group.Mark().line + 1);
      Labels labels;
      for (const auto& item : group) {
        const std::string key = item.first.Scalar();
        if (key == "targets") continue;
        if (key != "labels")
          return InvalidArgument("line {}: {} is not known", item.first.Mark().line + 1, key);
        for (const auto& label : item.second) {
          if (!IsLabelName(label.first.Scalar()))
            return InvalidArgument("line {}: \"{}\" is not a label name", label.first.Mark().line + 1,
                                   label.first.Scalar());
          labels.Set(label.first.Scalar(), label.second.Scalar());
        }
      }
      // As with static_configs: the addresses of a group say nothing about files.
      if (const YAML::Node addresses = group["targets"];
          addresses && addresses.IsSequence() && addresses.size() > 0) {
        for (const YAML::Node& address : addresses) {
          Labels one = labels;
          one.Set("__address__", address.Scalar());
          RETURN_IF_ERROR(add(std::move(one)));
        }
      } else {
        RETURN_IF_ERROR(add(labels));
      }
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("line {}: {}", e.mark.line + 1, e.msg);
  }
  return absl::OkStatus();
}

bool FileTargets::Poll(int64_t now_ns) {
  const bool refresh = now_ns >= refresh_at_ns_;
  if (refresh) refresh_at_ns_ = now_ns + options_.refresh_ns;
  bool changed = false;
  std::map<std::string, File> now;
  for (const std::string& name : Names()) {
    struct stat st {};
    if (::stat(name.c_str(), &st) != 0) continue;
    const std::string signature =
        fmt::format("{}.{} {} {}", st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_size, st.st_ino);
    const auto known = files_.find(name);
    if (known != files_.end()) now[name] = std::move(known->second);
    File& file = now[name];
    if (!refresh && file.signature == signature) continue;
    file.signature = signature;
    const absl::StatusOr<std::string> text = ReadWholeFile(name);
    if (!text.ok() || (known != files_.end() && *text == file.text)) continue;
    file.text = *text;
    problems_.clear();
    std::vector<Target> targets;
    const absl::Status read = Read(name, *text, &targets);
    if (!read.ok()) {
      problems_.push_back(fmt::format("{}: {}", name, MessageOf(read)));
      LogWarn("file of targets is not understood, what it said before stays", "file={} err=\"{}\"", name,
              MessageOf(read));
      continue;
    }
    file.targets = std::move(targets);
    changed = true;
  }
  changed |= now.size() != files_.size() ||
             !std::equal(now.begin(), now.end(), files_.begin(),
                         [](const auto& a, const auto& b) { return a.first == b.first; });
  files_ = std::move(now);
  if (!changed) return false;
  // Several addresses of a group have the same files: those count once.
  targets_.clear();
  std::set<std::string> seen;
  for (const auto& [name, file] : files_) {
    for (const Target& target : file.targets) {
      std::string key = target.labels.ToString();
      for (const GlobPattern& glob : target.include)
        key += glob.root() + "/" + fmt::format("{}", fmt::join(glob.components(), "/"));
      if (seen.insert(std::move(key)).second) targets_.push_back(target);
    }
  }
  return true;
}

}  // namespace skald::agent
