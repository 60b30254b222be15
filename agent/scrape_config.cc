#include "agent/scrape_config.h"

#include <filesystem>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "base/config.h"
#include "base/error.h"
#include "base/relabel.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr std::string_view kPodFiles = "/var/log/pods/*/*/*.log";
constexpr std::string_view kDockerFiles = "/var/lib/docker/containers/*/*-json.log";

class Reader {
 public:
  Reader(std::string_view place, std::string_view node_name, StageContext context, ScrapeConfigs* out)
      : place_(place), node_name_(node_name), context_(std::move(context)), out_(out) {}

  absl::Status ReadJob(const YAML::Node& job) {
    if (!job.IsMap()) return InvalidArgument("{}: a scrape config is not a map", At(job));
    std::string name;
    LogFormat format = LogFormat::kAuto;
    pipeline_ = nullptr;
    relabelling_.reset();
    if (job["job_name"].IsDefined()) name = job["job_name"].Scalar();
    for (const auto& item : job) {
      const std::string key = item.first.Scalar();
      if (key == "pipeline_stages") RETURN_IF_ERROR(ReadStages(name, item.second, &format));
      if (key == "relabel_configs") RETURN_IF_ERROR(ReadRelabelling(item.second));
    }
    for (const auto& item : job) {
      const std::string key = item.first.Scalar();
      if (key == "job_name" || key == "pipeline_stages" || key == "relabel_configs") continue;
      if (key == "static_configs") {
        for (const YAML::Node& one : item.second) RETURN_IF_ERROR(ReadStatic(one, name, format));
      } else if (key == "journal") {
        RETURN_IF_ERROR(ReadJournal(item.second));
      } else if (key == "kubernetes_sd_configs") {
        RETURN_IF_ERROR(AddFiles(name, kPodFiles, {}, {}, format, item.first));
        Warn(item.first, relabelling_
                             ? "pods are found by their log files; labels come from the path, not from "
                               "relabel_configs"
                             : "pods are found by their log files; labels come from the path");
      } else if (key == "docker_sd_configs") {
        RETURN_IF_ERROR(AddFiles(name, kDockerFiles, {}, {}, format, item.first));
        Warn(item.first,
             relabelling_ ? "containers are found by their log files; labels come from config.v2.json, not "
                            "from relabel_configs"
                          : "containers are found by their log files; labels come from config.v2.json");
      } else {
        Warn(item.first, key + " is not known here and is ignored");
      }
    }
    return absl::OkStatus();
  }

 private:
  std::string At(const YAML::Node& node) const {
    return fmt::format("{}:{}:{}", place_, node.Mark().line + 1, node.Mark().column + 1);
  }
  void Warn(const YAML::Node& node, const std::string& text) {
    out_->warnings.push_back(At(node) + ": " + text);
  }

  absl::Status ReadStages(const std::string& job, const YAML::Node& stages, LogFormat* format) {
    if (!stages.IsSequence()) return absl::OkStatus();
    StageContext context = context_;
    context.job = job;
    auto pipeline = std::make_shared<Pipeline>(std::move(context));
    for (const YAML::Node& stage : stages) {
      const std::string name = stage.IsMap() && stage.size() > 0 ? stage.begin()->first.Scalar()
                               : stage.IsScalar()                ? stage.Scalar()
                                                                 : "";
      if (name == "cri") {
        *format = LogFormat::kCri;
        continue;
      }
      if (name == "docker") {
        *format = LogFormat::kDocker;
        continue;
      }
      const absl::Status added = pipeline->Add(name, stage.IsMap() ? stage.begin()->second : YAML::Node());
      if (absl::IsNotFound(added)) {
        Warn(stage, std::string(MessageOf(added)));
      } else if (!added.ok()) {
        return InvalidArgument("{}: {}", At(stage), MessageOf(added));
      }
    }
    if (!pipeline->empty()) pipeline_ = std::move(pipeline);
    return absl::OkStatus();
  }

  absl::Status ReadRelabelling(const YAML::Node& list) {
    std::vector<RelabelConfig> configs;
    for (const YAML::Node& step : list) {
      if (!step.IsMap()) return InvalidArgument("{}: a relabel config is not a map", At(step));
      RelabelConfig& config = configs.emplace_back();
      for (const auto& item : step) {
        const std::string key = item.first.Scalar();
        if (key == "source_labels") {
          for (const YAML::Node& label : item.second) config.source_labels.push_back(label.Scalar());
        } else if (key == "separator") {
          config.separator = item.second.Scalar();
        } else if (key == "regex") {
          config.regex = item.second.Scalar();
        } else if (key == "target_label") {
          config.target_label = item.second.Scalar();
        } else if (key == "replacement") {
          config.replacement = item.second.Scalar();
        } else if (key == "action") {
          config.action = item.second.Scalar();
        } else if (key == "modulus") {
          config.modulus = item.second.as<uint64_t>();
        } else {
          return InvalidArgument("{}: {} is not known among relabel_configs", At(item.first), key);
        }
      }
    }
    absl::StatusOr<Relabelling> made = Relabelling::Make(std::move(configs));
    if (!made.ok()) return InvalidArgument("{}: {}", At(list), MessageOf(made.status()));
    relabelling_ = std::move(*made);
    return absl::OkStatus();
  }

  absl::Status AddFiles(const std::string& job, std::string_view include,
                        const std::vector<std::string>& exclude, Labels labels, LogFormat format,
                        const YAML::Node& where) {
    std::string pattern(include);
    if (!pattern.starts_with('/')) {
      std::error_code error;
      pattern = (std::filesystem::current_path(error) / pattern).lexically_normal().string();
    }
    absl::StatusOr<Target> target = MakeTarget(job, {pattern}, exclude, std::move(labels), format);
    if (!target.ok()) return InvalidArgument("{}: {}", At(where), MessageOf(target.status()));
    target->pipeline = pipeline_;
    out_->targets.push_back(std::move(*target));
    return absl::OkStatus();
  }

  absl::Status ReadStatic(const YAML::Node& config, const std::string& job, LogFormat format) {
    std::string path;
    std::vector<std::string> exclude;
    Labels labels;
    bool here = true;
    if (!config.IsMap()) return InvalidArgument("{}: a static config is not a map", At(config));
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      if (key == "targets") continue;
      if (key != "labels" || !item.second.IsMap()) {
        Warn(item.first, key + " is not known here and is ignored");
        continue;
      }
      for (const auto& label : item.second) {
        const std::string name = label.first.Scalar();
        if (!IsLabelName(name))
          return InvalidArgument("{}: \"{}\" is not a label name", At(label.first), name);
        labels.Set(name, label.second.Scalar());
      }
    }
    // An empty label takes away a derived one, which relabelling would forget.
    if (relabelling_ && !relabelling_->Apply(&labels)) return absl::OkStatus();
    path = labels.Get("__path__");
    if (labels.Has("__path_exclude__")) exclude.emplace_back(labels.Get("__path_exclude__"));
    if (labels.Has("__host__")) here = labels.Get("__host__") == node_name_;
    const Labels all = labels;
    for (const auto& [name, value] : all) {
      if (name.starts_with("__")) labels.Remove(name);
    }
    if (!here) return absl::OkStatus();
    if (path.empty()) {
      Warn(config, "no __path__ among the labels: nothing to tail");
      return absl::OkStatus();
    }
    return AddFiles(job, path, exclude, std::move(labels), format, config);
  }

  absl::Status ReadJournal(const YAML::Node& journal) {
    out_->wants_journal = true;
    out_->journal.pipeline = pipeline_;
    out_->journal.relabelling = relabelling_;
    if (!journal.IsMap()) return absl::OkStatus();
    for (const auto& item : journal) {
      const std::string key = item.first.Scalar();
      if (key == "path") {
        out_->journal.path = item.second.Scalar();
      } else if (key == "json") {
        out_->journal.json = item.second.as<bool>();
      } else if (key == "max_age") {
        const std::optional<int64_t> age = ParseConfigDuration(item.second.Scalar());
        if (!age)
          return InvalidArgument("{}: \"{}\" is not a duration like 12h", At(item.second),
                                 item.second.Scalar());
        out_->journal.max_age_ns = *age;
      } else if (key == "matches") {
        const std::string& text = item.second.Scalar();
        for (size_t begin = 0; begin < text.size();) {
          size_t end = text.find(' ', begin);
          if (end == std::string::npos) end = text.size();
          if (end > begin) out_->journal.matches.push_back(text.substr(begin, end - begin));
          begin = end + 1;
        }
      } else if (key == "labels" && item.second.IsMap()) {
        for (const auto& label : item.second)
          out_->journal.labels.Set(label.first.Scalar(), label.second.Scalar());
      } else {
        Warn(item.first, key + " is not known here and is ignored");
      }
    }
    return absl::OkStatus();
  }

  const std::string_view place_;
  const std::string_view node_name_;
  const StageContext context_;
  ScrapeConfigs* const out_;
  std::shared_ptr<const Pipeline> pipeline_;  // of the job being read
  std::optional<Relabelling> relabelling_;    // likewise
};

}  // namespace

absl::Status ReadScrapeConfigs(const YAML::Node& list, std::string_view place, std::string_view node_name,
                               const StageContext& context, ScrapeConfigs* out) {
  try {
    if (!list.IsSequence())
      return InvalidArgument("{}:{}: scrape_configs is not a list", place, list.Mark().line + 1);
    Reader reader(place, node_name, context, out);
    for (const YAML::Node& job : list) RETURN_IF_ERROR(reader.ReadJob(job));
    return absl::OkStatus();
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}: {}", place, e.what());
  }
}

}  // namespace skald::agent
