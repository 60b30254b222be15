#include "agent/scrape_config.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "agent/discovery/discovery_config.h"
#include "agent/receivers/receiver_config.h"
#include "base/config.h"
#include "base/error.h"
#include "base/relabel.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

struct Advice {
  std::string_view key;
  std::string_view text;
};
// What Promtail has and this agent has not.
constexpr Advice kAdvice[] = {
    {"decompression", "not needed: compressed files are known by their content, beside plain ones"},
    {"gelf", "there is no GELF receiver; send syslog"},
    {"windows_events", "Windows is not supported"},
    {"gcplog", "subscriptions of clouds are not read; forward them by the Loki push receiver"},
    {"azure_event_hubs", "an Event Hub speaks Kafka: use a kafka block"},
    {"cloudflare", "subscriptions of clouds are not read; have Logpush send to the Loki push receiver"},
    {"heroku_drain", "use a syslog drain and a syslog block"},
};
constexpr Advice kOtherDiscovery{"",
                                 "this discovery finds addresses, not files of this node; give the files by "
                                 "static_configs or file_sd_configs"};

class Reader {
 public:
  Reader(const ScrapeContext& context, ScrapeConfigs* out)
      : context_(context), place_(context.place), out_(out) {}

  absl::Status ReadJob(const YAML::Node& job) {
    if (!job.IsMap()) return InvalidArgument("{}: a scrape config is not a map", At(job));
    std::string name;
    LogFormat format = LogFormat::kAuto;
    pipeline_ = nullptr;
    relabelling_.reset();
    encoding_ = nullptr;
    if (job["job_name"].IsDefined()) name = job["job_name"].Scalar();
    for (const auto& item : job) {
      const std::string key = item.first.Scalar();
      if (key == "pipeline_stages") RETURN_IF_ERROR(ReadStages(name, item.second, &format));
      if (key == "relabel_configs") RETURN_IF_ERROR(ReadRelabelling(item.second));
      if (key == "encoding") RETURN_IF_ERROR(ReadEncoding(item.second));
    }
    if (jobs_++ == 0) out_->first_pipeline = pipeline_;
    for (const auto& item : job) {
      const std::string key = item.first.Scalar();
      if (key == "job_name" || key == "pipeline_stages" || key == "relabel_configs" || key == "encoding")
        continue;
      if (key == "static_configs") {
        for (const YAML::Node& one : item.second) RETURN_IF_ERROR(ReadStatic(one, name, format));
      } else if (key == "journal") {
        out_->journal_job = name;
        out_->journal_definition += YAML::Dump(job);
        RETURN_IF_ERROR(ReadJournal(item.second));
      } else if (key == "file_sd_configs") {
        for (const YAML::Node& one : item.second) RETURN_IF_ERROR(ReadFileSd(one, name, format));
      } else if (key == "kubernetes_sd_configs") {
        RETURN_IF_ERROR(ReadKubernetes(item.second, name, format));
      } else if (key == "docker_sd_configs") {
        RETURN_IF_ERROR(ReadDocker(item.second, name, format));
      } else if (key == "nomad_sd_configs") {
        RETURN_IF_ERROR(ReadNomad(item.second, name, format));
      } else if (IsReceiverBlock(key)) {
        std::string source;
        out_->receivers_definition += YAML::Dump(job);
        RETURN_IF_ERROR(ReadReceiver(key, item.second, place_, name, relabelling_, &out_->receivers, &source,
                                     &out_->warnings));
        if (pipeline_ != nullptr) out_->spool_pipelines[source] = pipeline_;
      } else {
        const Advice* const advice = std::find_if(std::begin(kAdvice), std::end(kAdvice),
                                                  [&](const Advice& one) { return one.key == key; });
        std::string text = " is not known here and is ignored";
        if (advice != std::end(kAdvice)) text = " is ignored: " + std::string(advice->text);
        if (key.ends_with("_sd_configs")) text = " is ignored: " + std::string(kOtherDiscovery.text);
        Warn(item.first, key + text);
      }
    }
    return absl::OkStatus();
  }

 private:
  std::string At(const YAML::Node& node) const { return PlaceOfNode(node, place_); }
  void Warn(const YAML::Node& node, const std::string& text) {
    out_->warnings.push_back(At(node) + ": " + text);
  }

  absl::Status ReadStages(const std::string& job, const YAML::Node& stages, LogFormat* format) {
    if (!stages.IsSequence()) return absl::OkStatus();
    std::string cache_key = job + "\n" + YAML::Dump(stages);
    while (out_->pipelines.contains(cache_key)) cache_key += '#';
    StageContext context = context_.stages;
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
    if (pipeline->empty()) return absl::OkStatus();
    if (context_.observer) pipeline->SetObserver(context_.observer, context_.observing);
    pipeline_ = std::move(pipeline);
    // A pipeline that is as it was goes on with what it holds and counts.
    if (context_.pipelines != nullptr) {
      const auto before = context_.pipelines->find(cache_key);
      if (before != context_.pipelines->end()) pipeline_ = before->second;
    }
    out_->pipelines[cache_key] = pipeline_;
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

  absl::Status ReadEncoding(const YAML::Node& name) {
    if (name.IsNull()) return absl::OkStatus();
    if (!name.IsScalar()) return InvalidArgument("{}: encoding is not a name", At(name));
    if (name.Scalar().empty()) return absl::OkStatus();
    absl::StatusOr<std::shared_ptr<const TextEncoding>> encoding = TextEncoding::Make(name.Scalar());
    if (!encoding.ok()) return InvalidArgument("{}: encoding: {}", At(name), MessageOf(encoding.status()));
    encoding_ = std::move(*encoding);
    return absl::OkStatus();
  }

  std::shared_ptr<const Relabelling> SharedRelabelling() const {
    return relabelling_ ? std::make_shared<const Relabelling>(*relabelling_) : nullptr;
  }

  absl::Status ReadStatic(const YAML::Node& config, const std::string& job, LogFormat format) {
    Labels labels;
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
    std::string why;
    absl::StatusOr<std::optional<Target>> target = TargetOfLabels(
        job, std::move(labels), relabelling_ ? &*relabelling_ : nullptr, context_.node_name, &why);
    if (!target.ok()) return InvalidArgument("{}: {}", At(config), MessageOf(target.status()));
    if (!*target) {
      if (why.starts_with("no __path__")) Warn(config, why);
      return absl::OkStatus();
    }
    (*target)->format = format;
    (*target)->encoding = encoding_;
    (*target)->pipeline = pipeline_;
    out_->targets.push_back(std::move(**target));
    return absl::OkStatus();
  }

  absl::Status ReadFileSd(const YAML::Node& config, const std::string& job, LogFormat format) {
    FileTargetsOptions options;
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      if (key == "files") {
        for (const YAML::Node& file : item.second) {
          std::string path = file.Scalar();
          if (!path.ends_with(".json") && !path.ends_with(".yml") && !path.ends_with(".yaml"))
            return InvalidArgument("{}: {} ends in none of .json, .yml and .yaml", At(file), path);
          const size_t slash = path.rfind('/');
          if (slash != std::string::npos && HasWildcard(path.substr(0, slash)))
            return InvalidArgument("{}: {}: only the file's name may be a pattern", At(file), path);
          std::error_code error;
          if (!path.starts_with('/'))
            path = (std::filesystem::current_path(error) / path).lexically_normal().string();
          options.files.push_back(std::move(path));
        }
      } else if (key == "refresh_interval") {
        const std::optional<int64_t> interval = ParseConfigDuration(item.second.Scalar());
        if (!interval || *interval <= 0)
          return InvalidArgument("{}: \"{}\" is not a duration like 5m", At(item.second),
                                 item.second.Scalar());
        options.refresh_ns = *interval;
      } else {
        Warn(item.first, key + " is not known here and is ignored");
      }
    }
    options.job = job;
    options.relabelling = SharedRelabelling();
    options.pipeline = pipeline_;
    options.format = format;
    options.encoding = encoding_;
    options.node_name = context_.node_name;
    out_->file_targets.push_back(std::move(options));
    return absl::OkStatus();
  }

  absl::Status AddDiscovered(Discovery discovery, const std::string& files, const std::string& job,
                             LogFormat format, const YAML::Node& where,
                             std::shared_ptr<const LogMetadata> metadata) {
    absl::StatusOr<Target> target = MakeTarget(job, {files}, {}, {}, format);
    if (!target.ok()) return InvalidArgument("{}: {}", At(where), MessageOf(target.status()));
    target->discovery = discovery;
    target->pipeline = pipeline_;
    target->encoding = encoding_;
    target->relabelling = SharedRelabelling();
    target->metadata = std::move(metadata);
    out_->targets.push_back(std::move(*target));
    return absl::OkStatus();
  }

  absl::Status ReadKubernetes(const YAML::Node& list, const std::string& job, LogFormat format) {
    for (const YAML::Node& one : list) {
      KubernetesOptions options;
      options.node_name = context_.node_name;
      options.cache_file = context_.pods_cache;
      RETURN_IF_ERROR(ReadKubernetesSd(one, place_, &options, &out_->warnings));
      UseKubelet(context_.kubelet, &options);
      std::shared_ptr<const LogMetadata> metadata;
      if (context_.discoveries != nullptr && context_.asks_kubernetes && !options.server.url.empty())
        metadata = context_.discoveries->Kubernetes(options);
      RETURN_IF_ERROR(AddDiscovered(Discovery::kKubernetes, PodFiles(context_.pods_directory), job, format,
                                    one, std::move(metadata)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadDocker(const YAML::Node& list, const std::string& job, LogFormat format) {
    for (const YAML::Node& one : list) {
      DockerOptions options;
      if (!context_.docker_socket.empty()) options.socket = context_.docker_socket;
      RETURN_IF_ERROR(ReadDockerSd(one, place_, &options, &out_->warnings));
      std::shared_ptr<const LogMetadata> metadata;
      if (context_.discoveries != nullptr && !options.socket.empty())
        metadata = context_.discoveries->Docker(options);
      RETURN_IF_ERROR(AddDiscovered(Discovery::kDocker, DockerFiles(context_.docker_directory), job, format,
                                    one, std::move(metadata)));
    }
    return absl::OkStatus();
  }

  // Promtail has no such block: tasks are found by their allocation's folder.
  absl::Status ReadNomad(const YAML::Node& list, const std::string& job, LogFormat format) {
    for (const YAML::Node& one : list) {
      std::string directory = context_.nomad_directory;
      NomadOptions options;
      options.server = context_.nomad;
      options.node_name = context_.node_name;
      RETURN_IF_ERROR(ReadNomadSd(one, place_, &options, &directory, &out_->warnings));
      std::shared_ptr<const LogMetadata> metadata;
      if (context_.discoveries != nullptr && !options.server.url.empty())
        metadata = context_.discoveries->Nomad(options);
      RETURN_IF_ERROR(
          AddDiscovered(Discovery::kNomad, NomadFiles(directory), job, format, one, std::move(metadata)));
    }
    return absl::OkStatus();
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

  const ScrapeContext& context_;
  const std::string& place_;
  ScrapeConfigs* const out_;
  std::shared_ptr<const Pipeline> pipeline_;  // of the job being read
  std::optional<Relabelling> relabelling_;    // likewise
  std::shared_ptr<const TextEncoding> encoding_;
  size_t jobs_ = 0;
};

}  // namespace

absl::Status ReadScrapeConfigs(const YAML::Node& list, const ScrapeContext& context, ScrapeConfigs* out) {
  try {
    if (!list.IsSequence())
      return InvalidArgument("{}:{}: scrape_configs is not a list", context.place, list.Mark().line + 1);
    Reader reader(context, out);
    for (const YAML::Node& job : list) RETURN_IF_ERROR(reader.ReadJob(job));
    return absl::OkStatus();
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}:{}:{}: {}", context.place, e.mark.line + 1, e.mark.column + 1, e.msg);
  }
}

}  // namespace skald::agent
