#include <map>
#include <set>

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "cli/migrate/migrate.h"
#include "cli/migrate/yaml_tree.h"

namespace skald::cli {
namespace {

using Names = std::set<std::string>;
// Keys that have no counterpart, and what to do; "" = nothing, and nobody needs to know.
using Advice = std::map<std::string, const char*>;

const Names kTop = {"server",         "positions",     "client",       "clients",
                    "scrape_configs", "target_config", "limits_config"};
const Advice kTopAdvice = {
    {"global", "file_watch_config is not needed: files are watched by events, not polled"},
    {"options", "stream_lag_labels is not needed: /targets tells each file's lag"},
    {"tracing", "the agent sends no traces; leave it out"},
    {"wal", "not needed: the files are the buffer while the server is away"},
    {"runtime_config", "not needed: SIGHUP or POST /-/reload reads the settings again"},
};
const Names kServer = {"http_listen_port", "http_listen_address", "log_level"};
const Advice kServerAdvice = {
    {"grpc_listen_port", ""},  // nearly every file has it, and nobody misses it
    {"grpc_listen_address", ""},
};
const Names kPositions = {"filename", "directory"};
const Advice kPositionsAdvice = {
    {"sync_period", "not needed: positions are saved with each acknowledgement"},
    {"ignore_invalid_yaml", "not needed: a damaged state never stops the agent, see tail.on_state_lost"},
};
const Names kClient = {"url",
                       "name",
                       "tenant_id",
                       "batchwait",
                       "batchsize",
                       "timeout",
                       "basic_auth",
                       "bearer_token",
                       "bearer_token_file",
                       "authorization",
                       "oauth2",
                       "tls_config",
                       "backoff_config",
                       "external_labels",
                       "headers",
                       "follow_redirects",
                       "enable_http2",
                       "drop_rate_limited_batches"};
const Advice kClientAdvice = {
    {"proxy_url", "set https_proxy or http_proxy in the agent's environment"},
    {"proxy_connect_header", "set it at the proxy"},
};
const Names kLimits = {"readline_rate_enabled", "readline_rate", "readline_burst",
                       "readline_rate_drop",    "max_streams",   "max_line_size",
                       "max_line_size_truncate"};
const Names kTarget = {"sync_period"};
const Advice kTargetAdvice = {
    {"stdin", "pipe into a file and tail it"},
};
const Names kJob = {"job_name", "static_configs",   "pipeline_stages",       "relabel_configs",
                    "journal",  "file_sd_configs",  "kubernetes_sd_configs", "docker_sd_configs",
                    "syslog",   "nomad_sd_configs", "loki_push_api",         "kafka"};
const Advice kJobAdvice = {
    {"decompression", "not needed: compressed files are known by their content, beside plain ones"},
    {"gelf", "there is no GELF receiver; send syslog"},
    {"heroku_drain", "let the drain speak to Alloy or Vector, and send that to /loki/api/v1/push"},
    {"gcplog", "send it to /loki/api/v1/push by a push subscription's function"},
    {"azure_event_hubs", "read it with another program (Vector, Alloy) and send it to /loki/api/v1/push"},
    {"cloudflare",
     "let Cloudflare's Logpush write to a bucket or an HTTP end, and send that to /loki/api/v1/push"},
    {"windows_events",
     "the agent runs on Linux; forward events with the OpenTelemetry Collector (/otlp/v1/logs)"},
    {"encoding", "the agent reads UTF-8; convert the file with iconv, or let the program write UTF-8"},
    {"entry_parser", "it was removed from Promtail long ago: use the stages cri or docker"},
};
const Names kStages = {"cri",
                       "docker",
                       "decolorize",
                       "drop",
                       "geoip",
                       "json",
                       "labelallow",
                       "labeldrop",
                       "labels",
                       "limit",
                       "logfmt",
                       "match",
                       "metrics",
                       "multiline",
                       "non_indexed_labels",
                       "output",
                       "pack",
                       "regex",
                       "replace",
                       "sampling",
                       "static_labels",
                       "structured_metadata",
                       "template",
                       "tenant",
                       "timestamp"};
const Advice kStageAdvice = {
    {"eventlogmessage", "events of Windows do not come this way; leave it out"},
    {"unpack", "packed lines are unpacked in the question: | unpack"},
};

class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  YamlTree Read(const YAML::Node& root) {
    for (const auto& item : root) {
      const std::string key = item.first.Scalar();
      const YAML::Node& value = item.second;
      if (kTop.count(key) == 0) {
        Leave(item.first, kTopAdvice, &out_);
      } else if (key == "server") {
        Keys(value, kServer, kServerAdvice, "not needed by the agent; it has /ready, /metrics and /targets",
             key);
      } else if (key == "positions") {
        Keys(value, kPositions, kPositionsAdvice, "not known", key);
      } else if (key == "client") {
        out_["clients"].Append(Client(value));
      } else if (key == "clients") {
        for (const YAML::Node& client : value) out_["clients"].Append(Client(client));
      } else if (key == "scrape_configs") {
        YamlTree jobs = YamlTree::List();
        for (const YAML::Node& job : value) Job(job, &jobs);
        out_[key] = std::move(jobs);
      } else if (key == "target_config") {
        Keys(value, kTarget, kTargetAdvice, "not known", key);
      } else {
        Keys(value, kLimits, {}, "not known", key);
      }
    }
    return std::move(out_);
  }

 private:
  std::string At(const YAML::Node& node) const {
    return std::string(name_) + ":" + std::to_string(node.Mark().line + 1) + ": ";
  }

  void Leave(const YAML::Node& key, const Advice& advice, YamlTree* out) {
    const auto at = advice.find(key.Scalar());
    const char* text =
        at != advice.end() ? at->second
        : key.Scalar().ends_with("_sd_configs")
            ? "name the files in static_configs, with __host__ for one node, or write file_sd_configs"
            : "not a setting that the agent knows; leave it out";
    out->Note(At(key) + key.Scalar() + ": " + text);
  }

  void Keys(const YAML::Node& map, const Names& known, const Advice& advice, const char* otherwise,
            const std::string& place) {
    if (!map.IsMap()) return;
    bool keeps = false;
    for (const auto& item : map) keeps = keeps || known.count(item.first.Scalar()) > 0;
    YamlTree& out = keeps ? out_[place] : out_;
    for (const auto& item : map) {
      const std::string key = item.first.Scalar();
      if (known.count(key) > 0) {
        out[key] = YamlTree::Of(item.second);
        continue;
      }
      const auto at = advice.find(key);
      if (at != advice.end() && *at->second == '\0') continue;
      out.Note(At(item.first) + place + "." + key + ": " + (at == advice.end() ? otherwise : at->second));
    }
  }

  YamlTree Client(const YAML::Node& client) {
    YamlTree kept;
    for (const auto& item : client) {
      const std::string key = item.first.Scalar();
      if (kClient.count(key) == 0) {
        Leave(item.first, kClientAdvice, &kept);
      } else {
        kept[key] = YamlTree::Of(item.second);
      }
    }
    return kept;
  }

  void Job(const YAML::Node& job, YamlTree* jobs) {
    YamlTree kept;
    bool reads = false;  // is there anything to read
    for (const auto& item : job) {
      const std::string key = item.first.Scalar();
      if (kJob.count(key) == 0) {
        Leave(item.first, kJobAdvice, &kept);
      } else if (key == "pipeline_stages") {
        kept[key] = Stages(item.second);
      } else {
        reads = reads || (key != "job_name" && key != "relabel_configs");
        kept[key] = YamlTree::Of(item.second);
      }
    }
    if (!reads) {
      jobs->Note(At(job) + "this job reads from nothing that the agent knows");
      kept["static_configs"] = YamlTree::List();
    }
    jobs->Append(std::move(kept));
  }

  YamlTree Stages(const YAML::Node& stages) {
    YamlTree list = YamlTree::List();
    for (const YAML::Node& stage : stages) {
      const bool is_map = stage.IsMap() && stage.size() == 1;
      const std::string name = is_map             ? stage.begin()->first.Scalar()
                               : stage.IsScalar() ? stage.Scalar()
                                                  : "";
      if (kStages.count(name) == 0) {
        const auto at = kStageAdvice.find(name);
        list.Note(At(stage) + "stage " + name + ": " +
                  (at == kStageAdvice.end() ? "not a stage that the agent knows; leave it out" : at->second));
        continue;
      }
      YamlTree kept;
      if (name == "match" && is_map && stage.begin()->second.IsMap()) {
        YamlTree& match = kept[name];
        for (const auto& item : stage.begin()->second) {
          const std::string key = item.first.Scalar();
          match[key] = key == "stages" ? Stages(item.second) : YamlTree::Of(item.second);
        }
      } else if (is_map) {
        kept[name] = YamlTree::Of(stage.begin()->second);
      } else {
        kept[name];
      }
      list.Append(std::move(kept));
    }
    return list;
  }

  const std::string_view name_;
  YamlTree out_;
};

}  // namespace

absl::StatusOr<Migration> MigratePromtail(std::string_view text, std::string_view name) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) return InvalidArgument("{}: not Promtail's settings: no map at the top", name);
    const YamlTree tree = Reader(name).Read(root);
    return Migration{tree.Text(), tree.notes()};
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}: {}", name, e.what());
  }
}

}  // namespace skald::cli
