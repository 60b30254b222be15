#include <map>
#include <set>

#include "base/error.h"
#include "base/status_macros.h"
#include "cli/migrate/migrate.h"
#include "cli/migrate/river.h"
#include "cli/migrate/yaml_tree.h"

namespace skald::cli {
namespace {

constexpr int kMaxChain = 32;  // components that one hands lines to the next

// Stages whose one attribute holds what Promtail has directly below the stage.
const std::map<std::string, std::string> kLifted = {{"labels", "values"},
                                                    {"static_labels", "values"},
                                                    {"structured_metadata", "values"},
                                                    {"label_drop", "values"},
                                                    {"label_keep", "values"}};
const std::map<std::string, std::string> kRenamed = {{"label_drop", "labeldrop"},
                                                     {"label_keep", "labelallow"}};
const std::map<std::string, const char*> kStageAdvice = {
    {"eventlogmessage", "events of Windows do not come this way"},
    {"luhn", "use a stage replace with a regular expression for card numbers"},
    {"windowsevent", "events of Windows do not come this way"},
    {"structured_metadata_drop", "drop it in the question: | drop NAME"},
    {"truncate", "limits_config.max_line_size cuts lines"},
};
const std::set<std::string> kPlainStages = {
    "cri",    "docker", "decolorize", "drop",    "geoip",    "json",     "limit",  "logfmt",   "multiline",
    "output", "pack",   "regex",      "replace", "sampling", "template", "tenant", "timestamp"};
const std::map<std::string, std::string> kMetricTypes = {
    {"metric.counter", "Counter"}, {"metric.gauge", "Gauge"}, {"metric.histogram", "Histogram"}};
const std::map<std::string, const char*> kComponentAdvice = {
    {"loki.source.windowsevent", "the agent runs on Linux; forward events with the OpenTelemetry Collector"},
    {"loki.source.gelf", "there is no GELF receiver; send syslog"},
    {"loki.source.awsfirehose", "send it to Alloy or Vector, and that to /loki/api/v1/push"},
    {"loki.source.heroku", "let the drain speak to Alloy or Vector, and send that to /loki/api/v1/push"},
    {"loki.source.kubernetes_events", "kubectl get events -A -w -o json into a file, and tail it"},
    {"loki.secretfilter", "use a stage replace with a regular expression"},
    {"loki.echo", "skald-agent --dry-run prints what would be sent"},
};
const std::map<std::string, std::string> kEndpointNames = {
    {"batch_wait", "batchwait"}, {"batch_size", "batchsize"}, {"remote_timeout", "timeout"}};
const std::set<std::string> kEndpointKeys = {"url",     "name",         "tenant_id",
                                             "headers", "bearer_token", "bearer_token_file"};
const std::set<std::string> kEndpointIgnored = {"enable_http2", "follow_redirects", "max_backoff_retries",
                                                "retry_on_http_429"};

class Reader {
 public:
  Reader(std::vector<RiverBlock> blocks, std::string_view name) : blocks_(std::move(blocks)), name_(name) {
    for (const RiverBlock& block : blocks_) by_name_[block.name + "." + block.label] = &block;
  }

  YamlTree Read() {
    for (const RiverBlock& block : blocks_) {
      if (block.name == "loki.write") Write(block);
    }
    for (const RiverBlock& block : blocks_) {
      if (block.name.starts_with("loki.source.")) Source(block);
    }
    for (const RiverBlock& block : blocks_) {
      if (block.name == "logging") {
        if (const RiverValue* level = block.Find("level")) out_["server"]["log_level"] = level->text;
      } else if (const auto advice = kComponentAdvice.find(block.name); advice != kComponentAdvice.end()) {
        out_.Note(At(block.line) + block.name + ": " + advice->second);
      } else if (!IsKnown(block.name)) {
        out_.Note(At(block.line) + block.name + ": not about logs, or not known; it stays with Alloy");
      }
    }
    if (clients_.size() > 0) out_["clients"] = std::move(clients_);
    if (jobs_.size() > 0) out_["scrape_configs"] = std::move(jobs_);
    return std::move(out_);
  }

 private:
  static bool IsKnown(const std::string& name) {
    return name.starts_with("loki.source.") || name == "loki.write" || name == "loki.process" ||
           name == "loki.relabel" || name == "local.file_match" || name == "discovery.relabel" ||
           name == "discovery.kubernetes" || name == "discovery.docker";
  }

  std::string At(int line) const { return std::string(name_) + ":" + std::to_string(line) + ": "; }

  // The component that a reference such as local.file_match.x.targets means.
  const RiverBlock* Find(const std::string& reference) const {
    const auto at = by_name_.find(reference.substr(0, reference.rfind('.')));
    return at == by_name_.end() ? nullptr : at->second;
  }

  YamlTree Plain(const RiverValue& value, YamlTree* notes) {
    if (value.kind == RiverValue::Kind::kText) return value.text;
    if (value.kind == RiverValue::Kind::kList) {
      YamlTree list = YamlTree::List();
      for (const RiverValue& item : value.list) list.Append(Plain(item, notes));
      return list;
    }
    if (value.kind == RiverValue::Kind::kMap) {
      YamlTree map;
      for (const auto& [key, item] : value.map) map[key] = Plain(item, &map);
      return map;
    }
    notes->Note(At(value.line) + value.text + ": computed or from another component; write the value here");
    return "";
  }

  void Write(const RiverBlock& write) {
    for (const RiverBlock& endpoint : write.blocks) {
      if (endpoint.name != "endpoint") {
        clients_.Note(At(endpoint.line) + endpoint.name + ": not needed: the files are the buffer");
        continue;
      }
      YamlTree client;
      for (const auto& [key, value] : endpoint.attributes) {
        const auto renamed = kEndpointNames.find(key);
        if (renamed != kEndpointNames.end()) {
          client[renamed->second] = Plain(value, &client);
        } else if (kEndpointKeys.count(key) > 0) {
          client[key] = Plain(value, &client);
        } else if (key == "min_backoff_period" || key == "max_backoff_period") {
          client["backoff_config"][key == "min_backoff_period" ? "min_period" : "max_period"] =
              Plain(value, &client);
        } else if (kEndpointIgnored.count(key) == 0) {
          client.Note(At(value.line) + key + ": not a setting that the agent knows");
        }
      }
      for (const RiverBlock& block : endpoint.blocks) {
        if (block.name != "basic_auth" && block.name != "authorization" && block.name != "tls_config" &&
            block.name != "oauth2") {
          client.Note(At(block.line) + block.name +
                      (block.name == "queue_config" || block.name == "wal"
                           ? ": not needed: the files are the buffer"
                           : ": not there; a token in bearer_token_file may do"));
          continue;
        }
        for (const auto& [key, value] : block.attributes) client[block.name][key] = Plain(value, &client);
        for (const RiverBlock& inner : block.blocks) {
          for (const auto& [key, value] : inner.attributes)
            client[block.name][inner.name][key] = Plain(value, &client);
        }
      }
      if (const RiverValue* labels = write.Find("external_labels"))
        client["external_labels"] = Plain(*labels, &client);
      clients_.Append(std::move(client));
    }
  }

  void Source(const RiverBlock& source) {
    if (kComponentAdvice.count(source.name) > 0) return;
    YamlTree job;
    job["job_name"] = source.label;
    const std::string kind = source.name.substr(std::string_view("loki.source.").size());
    if (kind == "file") {
      if (const RiverValue* targets = source.Find("targets")) Targets(*targets, 0, &job);
      if (const RiverValue* at_end = source.Find("tail_from_end");
          at_end != nullptr && at_end->text == "true")
        out_["tail"]["start_at"] = "end";
      if (const RiverValue* encoding = source.Find("encoding"))
        job.Note(At(encoding->line) + "encoding: the agent reads UTF-8; convert the file with iconv");
    } else if (kind == "journal") {
      Copy(source,
           {{"path", "path"},
            {"max_age", "max_age"},
            {"labels", "labels"},
            {"matches", "matches"},
            {"format_as_json", "json"}},
           &job, &job["journal"]);
    } else if (kind == "docker") {
      job["docker_sd_configs"].Append(DockerHost(source));
      if (const RiverValue* targets = source.Find("targets")) Rules(*targets, 0, &job);
    } else if (kind == "kubernetes" || kind == "podlogs") {
      YamlTree discovery;
      discovery["role"] = "pod";
      job["kubernetes_sd_configs"].Append(std::move(discovery));
      if (const RiverValue* targets = source.Find("targets")) Rules(*targets, 0, &job);
      job.Note(At(source.line) + source.name +
               ": the agent reads the pods' files on each node: run it as a DaemonSet");
    } else if (kind == "syslog") {
      Listeners(source, &job);
    } else if (kind == "api") {
      Api(source, &job);
    } else if (kind == "kafka") {
      Copy(source,
           {{"brokers", "brokers"},
            {"topics", "topics"},
            {"group_id", "group_id"},
            {"assignor", "assignor"},
            {"use_incoming_timestamp", "use_incoming_timestamp"},
            {"labels", "labels"}},
           &job, &job["kafka"]);
      for (const RiverBlock& block : source.blocks)
        job.Note(At(block.line) + block.name + ": write it as Promtail's kafka.authentication has it");
    } else {
      jobs_.Note(At(source.line) + source.name + ": not a source that the agent has; it stays with Alloy");
      return;
    }
    if (const RiverValue* rules = source.Find("relabel_rules")) Relabel(Find(rules->text), rules->line, &job);
    YamlTree stages = YamlTree::List();
    if (const RiverValue* labels = source.Find("labels"); labels != nullptr && kind == "docker") {
      YamlTree stage;
      stage["static_labels"] = Plain(*labels, &stage);
      stages.Append(std::move(stage));
    }
    std::set<std::string> ends;
    if (const RiverValue* to = source.Find("forward_to")) Forward(*to, 0, &ends, &stages, &job);
    if (stages.notes() + stages.size() > 0) job["pipeline_stages"] = std::move(stages);
    size_t writes = 0;
    for (const RiverBlock& block : blocks_) writes += block.name == "loki.write" ? 1 : 0;
    if (ends.size() < writes)
      job.Note(At(source.line) + "it goes to " + std::to_string(ends.size()) + " of " +
               std::to_string(writes) +
               " ends in Alloy, here to all clients; run a second agent for another choice");
    jobs_.Append(std::move(job));
  }

  void Copy(const RiverBlock& block, const std::map<std::string, std::string>& names, YamlTree* job,
            YamlTree* out) {
    for (const auto& [key, value] : block.attributes) {
      if (key == "forward_to" || key == "relabel_rules" || key == "targets") continue;
      const auto at = names.find(key);
      if (at == names.end()) {
        job->Note(At(value.line) + key + ": not a setting that the agent knows");
      } else {
        (*out)[at->second] = Plain(value, job);
      }
    }
  }

  YamlTree DockerHost(const RiverBlock& source) {
    YamlTree host;
    if (const RiverValue* address = source.Find("host")) host["host"] = Plain(*address, &host);
    return host;
  }

  void Listeners(const RiverBlock& source, YamlTree* job) {
    size_t listeners = 0;
    for (const RiverBlock& block : source.blocks) {
      if (block.name != "listener") continue;
      if (++listeners > 1) {
        job->Note(At(block.line) + "a second listener: give it a job of its own");
        continue;
      }
      Copy(block,
           {{"address", "listen_address"},
            {"protocol", "listen_protocol"},
            {"labels", "labels"},
            {"idle_timeout", "idle_timeout"},
            {"label_structured_data", "label_structured_data"},
            {"use_incoming_timestamp", "use_incoming_timestamp"},
            {"use_rfc5424_message", "use_rfc5424_message"},
            {"rfc3164_default_to_current_year", "rfc3164_default_to_current_year"},
            {"max_message_length", "max_message_length"}},
           job, &(*job)["syslog"]);
    }
  }

  void Api(const RiverBlock& source, YamlTree* job) {
    YamlTree& api = (*job)["loki_push_api"];
    for (const RiverBlock& block : source.blocks) {
      if (block.name != "http") continue;
      for (const auto& [key, value] : block.attributes) {
        if (key == "listen_address" || key == "listen_port")
          api["server"]["http_" + key] = Plain(value, job);
        else
          job->Note(At(value.line) + key + ": not a setting that the agent knows");
      }
    }
    if (const RiverValue* labels = source.Find("labels")) api["labels"] = Plain(*labels, job);
    if (const RiverValue* use = source.Find("use_incoming_timestamp"))
      api["use_incoming_timestamp"] = Plain(*use, job);
  }

  // Targets of a source of files: maps as they stand, and those of other components.
  void Targets(const RiverValue& targets, int depth, YamlTree* job) {
    if (depth > kMaxChain) return;
    if (targets.kind == RiverValue::Kind::kList) {
      for (const RiverValue& target : targets.list) Targets(target, depth + 1, job);
      return;
    }
    if (targets.kind == RiverValue::Kind::kMap) {
      YamlTree config;
      config["labels"] = Plain(targets, &config);
      (*job)["static_configs"].Append(std::move(config));
      return;
    }
    const RiverBlock* from = Find(targets.text);
    if (from == nullptr) {
      job->Note(At(targets.line) + "targets " + targets.text + ": write them as static_configs");
      return;
    }
    if (from->name == "local.file_match") {
      if (const RiverValue* more = from->Find("path_targets")) Targets(*more, depth + 1, job);
      if (const RiverValue* period = from->Find("sync_period"))
        out_["target_config"]["sync_period"] = Plain(*period, &out_);
      return;
    }
    Rules(targets, depth, job);
  }

  // Where targets come from a discovery: it, and the rules on the way.
  void Rules(const RiverValue& targets, int depth, YamlTree* job) {
    if (depth > kMaxChain) return;
    const RiverBlock* from = Find(targets.text);
    if (from == nullptr) {
      job->Note(At(targets.line) + "targets " + targets.text + ": write them as static_configs");
    } else if (from->name == "discovery.relabel") {
      if (const RiverValue* more = from->Find("targets")) {
        if (more->kind == RiverValue::Kind::kReference)
          Rules(*more, depth + 1, job);
        else
          Targets(*more, depth + 1, job);
      }
      Relabel(from, targets.line, job);
    } else if (from->name == "discovery.kubernetes") {
      if (job->Has("kubernetes_sd_configs")) return;
      YamlTree discovery;
      if (const RiverValue* role = from->Find("role")) discovery["role"] = Plain(*role, &discovery);
      (*job)["kubernetes_sd_configs"].Append(std::move(discovery));
    } else if (from->name == "discovery.docker") {
      if (!job->Has("docker_sd_configs")) (*job)["docker_sd_configs"].Append(DockerHost(*from));
    } else if (from->name == "local.file_match") {
      if (const RiverValue* more = from->Find("path_targets")) Targets(*more, depth + 1, job);
    } else {
      job->Note(At(from->line) + from->name +
                ": not a discovery that the agent has; name the files in "
                "static_configs, with __host__ for one node");
    }
  }

  void Relabel(const RiverBlock* relabel, int line, YamlTree* job) {
    if (relabel == nullptr) {
      job->Note(At(line) + "relabel rules that are not in this file");
      return;
    }
    for (const RiverBlock& rule : relabel->blocks) {
      if (rule.name != "rule") continue;
      YamlTree step;
      for (const auto& [key, value] : rule.attributes) step[key] = Plain(value, &step);
      (*job)["relabel_configs"].Append(std::move(step));
    }
  }

  // The stages on the way to loki.write.
  void Forward(const RiverValue& to, int depth, std::set<std::string>* ends, YamlTree* stages,
               YamlTree* job) {
    if (depth > kMaxChain) return;
    if (to.kind == RiverValue::Kind::kList) {
      size_t chains = 0;
      for (const RiverValue& one : to.list) {
        const RiverBlock* next = Find(one.text);
        if (next != nullptr && next->name != "loki.write" && ++chains > 1) {
          job->Note(At(one.line) + one.text + ": a second way for the same lines; give it a job of its own");
          continue;
        }
        Forward(one, depth + 1, ends, stages, job);
      }
      return;
    }
    const RiverBlock* next = Find(to.text);
    if (next == nullptr) {
      job->Note(At(to.line) + "forward_to " + to.text + ": not in this file");
    } else if (next->name == "loki.write") {
      ends->insert(next->label);
    } else {
      if (next->name == "loki.process") {
        for (const RiverBlock& block : next->blocks) Stage(block, depth, stages);
      } else if (next->name == "loki.relabel") {
        job->Note(At(next->line) +
                  "rules of loki.relabel see each line's labels; relabel_configs those of the file or "
                  "journal entry");
        Relabel(next, to.line, job);
      } else {
        job->Note(At(next->line) + next->name + ": not there; lines pass as they are");
      }
      if (const RiverValue* more = next->Find("forward_to")) Forward(*more, depth + 1, ends, stages, job);
    }
  }

  void Stage(const RiverBlock& block, int depth, YamlTree* stages) {
    constexpr std::string_view kPrefix = "stage.";
    if (!block.name.starts_with(kPrefix) || depth > kMaxChain) return;
    const std::string kind = block.name.substr(kPrefix.size());
    YamlTree stage;
    if (const auto lifted = kLifted.find(kind); lifted != kLifted.end()) {
      const auto renamed = kRenamed.find(kind);
      YamlTree& out = stage[renamed == kRenamed.end() ? kind : renamed->second];
      if (const RiverValue* values = block.Find(lifted->second)) out = Plain(*values, &stage);
    } else if (kind == "match") {
      YamlTree& match = stage[kind];
      for (const auto& [key, value] : block.attributes) match[key] = Plain(value, &match);
      YamlTree inner = YamlTree::List();
      for (const RiverBlock& more : block.blocks) Stage(more, depth + 1, &inner);
      if (inner.size() > 0) match["stages"] = std::move(inner);
    } else if (kind == "metrics") {
      for (const RiverBlock& metric : block.blocks) Metric(metric, &stage[kind]);
    } else if (kPlainStages.count(kind) > 0) {
      YamlTree& out = stage[kind];
      for (const auto& [key, value] : block.attributes) out[key] = Plain(value, &out);
    } else {
      const auto advice = kStageAdvice.find(kind);
      stages->Note(At(block.line) + block.name + ": " +
                   (advice == kStageAdvice.end() ? "not a stage that the agent knows" : advice->second));
      return;
    }
    stages->Append(std::move(stage));
  }

  void Metric(const RiverBlock& metric, YamlTree* out) {
    const auto type = kMetricTypes.find(metric.name);
    const RiverValue* name = metric.Find("name");
    if (type == kMetricTypes.end() || name == nullptr) {
      out->Note(At(metric.line) + metric.name + ": not a metric that the agent knows");
      return;
    }
    YamlTree& definition = (*out)[name->text];
    definition["type"] = type->second;
    for (const auto& [key, value] : metric.attributes) {
      if (key == "name") continue;
      const bool is_config = key == "value" || key == "action" || key == "match_all" ||
                             key == "count_entry_bytes" || key == "buckets";
      (is_config ? definition["config"] : definition)[key] = Plain(value, &definition);
    }
  }

  const std::vector<RiverBlock> blocks_;
  const std::string_view name_;
  std::map<std::string, const RiverBlock*> by_name_;
  YamlTree out_;
  YamlTree clients_ = YamlTree::List();
  YamlTree jobs_ = YamlTree::List();
};

}  // namespace

absl::StatusOr<Migration> MigrateAlloy(std::string_view text, std::string_view name) {
  ASSIGN_OR_RETURN(std::vector<RiverBlock> blocks, ParseRiver(text, name));
  const YamlTree tree = Reader(std::move(blocks), name).Read();
  return Migration{tree.Text(), tree.notes()};
}

}  // namespace skald::cli
