#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

#include <map>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "base/config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "cli/migrate/migrate.h"
#include "cli/migrate/yaml_tree.h"

namespace skald::cli {
namespace {

struct Setting {
  std::string key;  // in lower case
  std::string value;
  int line;
};

struct Section {
  std::string kind;  // service, input, filter, output, ... in lower case
  int line = 0;
  std::vector<Setting> settings;

  std::string Get(std::string_view key) const {
    for (const Setting& setting : settings) {
      if (setting.key == key) return setting.value;
    }
    return "";
  }
};

std::string Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin));
}

std::string Lower(std::string_view text) {
  std::string out(text);
  absl::AsciiStrToLower(&out);
  return out;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (std::string piece = Trim(text.substr(0, comma)); !piece.empty()) out.push_back(std::move(piece));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

absl::StatusOr<std::vector<Section>> ReadClassic(std::string_view text, std::string_view name) {
  std::vector<Section> out;
  int number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    const std::string line = Trim(text.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      if (line.back() != ']')
        return InvalidArgument("{}:{}: a section's name does not end with ]", name, number);
      out.push_back({Lower(line.substr(1, line.size() - 2)), number, {}});
      continue;
    }
    const size_t blank = line.find_first_of(" \t");
    Setting setting{Lower(line.substr(0, blank)), blank == std::string::npos ? "" : Trim(line.substr(blank)),
                    number};
    if (setting.key.starts_with('@')) {
      if (setting.key == "@include") out.push_back({"@include", number, {setting}});
      continue;
    }
    if (out.empty()) return InvalidArgument("{}:{}: a setting before the first [SECTION]", name, number);
    out.back().settings.push_back(std::move(setting));
  }
  return out;
}

Section OfYaml(const YAML::Node& node, std::string kind) {
  Section section{std::move(kind), node.Mark().line + 1, {}};
  for (const auto& item : node) {
    const auto add = [&](const std::string& value) {
      section.settings.push_back({Lower(item.first.Scalar()), value, item.first.Mark().line + 1});
    };
    if (item.second.IsScalar()) add(item.second.Scalar());
    if (item.second.IsSequence()) {
      for (const YAML::Node& value : item.second) add(value.IsScalar() ? value.Scalar() : "");
    }
  }
  return section;
}

std::vector<Section> ReadYaml(const YAML::Node& root) {
  std::vector<Section> out;
  if (root["service"].IsDefined()) out.push_back(OfYaml(root["service"], "service"));
  if (!root["pipeline"].IsDefined()) return out;
  const std::pair<const char*, const char*> kinds[] = {
      {"inputs", "input"}, {"filters", "filter"}, {"outputs", "output"}};
  for (const auto& [plural, kind] : kinds) {
    if (!root["pipeline"][plural].IsDefined()) continue;
    for (const YAML::Node& one : root["pipeline"][plural]) out.push_back(OfYaml(one, kind));
  }
  return out;
}

const std::map<std::string, const char*> kTailAdvice = {
    {"db", "positions are kept in positions.directory, known by the files' content"},
    {"db.sync", "positions are saved with each acknowledgement"},
    {"db.locking", "each agent has a state directory of its own"},
    {"ignore_older", "old files that do not change are read once and cost nothing after that"},
    {"key", "lines go out as they are, not wrapped in a record"},
    {"path_key", "each line has the label filename"},
    {"offset_key", "each line has its time; positions are kept by the agent"},
    {"docker_mode", "messages in pieces are joined by themselves"},
    {"parser_firstline", "use a stage multiline with firstline"},
    {"inotify_watcher", "files are watched by events, and listed every target_config.sync_period"},
};
const std::map<std::string, const char*> kInputAdvice = {
    {"syslog", "a job with syslog: {listen_address: 0.0.0.0:1514}"},
    {"forward", "send with the loki output to Skald at once"},
    {"http", "post to /loki/api/v1/push of the server"},
    {"opentelemetry", "send to /otlp/v1/logs of the server"},
    {"cpu", "metrics are Prometheus' matter: run node_exporter"},
    {"mem", "metrics are Prometheus' matter: run node_exporter"},
    {"node_exporter_metrics", "metrics are Prometheus' matter: run node_exporter"},
    {"kmsg", "the systemd journal has the kernel's lines: journal: {matches: _TRANSPORT=kernel}"},
};
const std::map<std::string, const char*> kFilterAdvice = {
    {"kubernetes",
     "namespace, pod, container and app come from the file's path; pod labels from kubernetes_sd_configs "
     "and relabel_configs"},
    {"parser",
     "parse in the question (| json, | logfmt, | regexp), or with stages json, logfmt, regex and labels"},
    {"lua", "stages template, replace and match do most of it"},
    {"modify", "stage static_labels adds a label, labeldrop takes one away"},
    {"record_modifier", "stage static_labels adds a label, labeldrop takes one away"},
    {"nest", "lines go out as they are; there is no record to nest"},
    {"throttle", "limits_config.readline_rate, or a stage limit"},
    {"multiline", "use a stage multiline with firstline"},
    {"geoip2", "use a stage geoip"},
    {"rewrite_tag", "use a stage match with a selector"},
};
const std::map<std::string, const char*> kOutputAdvice = {
    {"auto_kubernetes_labels", "use kubernetes_sd_configs with relabel_configs and action labelmap"},
    {"remove_keys", "lines go out as they are"},
    {"line_format", "lines go out as they are"},
    {"drop_single_key", "lines go out as they are"},
    {"label_map_path", "use stages json and labels"},
    {"tenant_id_key", "use a stage tenant with source"},
    {"structured_metadata_map_keys", "use stages json and structured_metadata"},
    {"workers", "not needed: one thread sends, several batches under way at once (batch.window)"},
    {"storage.total_limit_size", "not needed: the files are the buffer"},
    {"tls.vhost", "tls_config.server_name"},
};

class Reader {
 public:
  Reader(std::vector<Section> sections, std::string_view name)
      : sections_(std::move(sections)), name_(name) {}

  YamlTree Read() {
    for (const Section& section : sections_) {
      if (section.kind == "service") Service(section);
      if (section.kind == "@include")
        out_.Note(At(section.line) + "@INCLUDE " + section.settings[0].value +
                  ": put its text in here first");
      if (section.kind == "output") Output(section);
    }
    for (const Section& section : sections_) {
      if (section.kind == "input") Input(section);
    }
    for (const Section& section : sections_) {
      if (section.kind == "filter" && !Greps(section)) {
        const auto at = kFilterAdvice.find(Lower(section.Get("name")));
        out_.Note(At(section.line) + "filter " + section.Get("name") + ": " +
                  (at == kFilterAdvice.end() ? "not there; see the stages of a pipeline" : at->second));
      }
    }
    if (clients_.size() > 0) out_["clients"] = std::move(clients_);
    if (jobs_.size() > 0) out_["scrape_configs"] = std::move(jobs_);
    return std::move(out_);
  }

 private:
  std::string At(int line) const { return std::string(name_) + ":" + std::to_string(line) + ": "; }
  void NoteSetting(const Setting& setting, const std::map<std::string, const char*>& advice, YamlTree* out) {
    const auto at = advice.find(setting.key);
    out->Note(At(setting.line) + setting.key + ": " +
              (at == advice.end() ? "not a setting that the agent knows" : at->second));
  }
  // "30" is seconds there.
  static std::string Duration(const std::string& text) {
    return text.find_first_not_of("0123456789") == std::string::npos ? text + "s" : text;
  }

  void Service(const Section& service) {
    for (const Setting& setting : service.settings) {
      if (setting.key == "log_level") {
        const std::string level = Lower(setting.value);
        out_["server"]["log_level"] = level == "warning" ? "warn" : level == "trace" ? "debug" : level;
      } else if (setting.key == "http_port" &&
                 ParseConfigBool(Lower(service.Get("http_server"))).value_or(false)) {
        out_["server"]["http_listen_port"] = setting.value;
      } else if (setting.key == "parsers_file") {
        out_.Note(At(setting.line) +
                  "parsers_file: parse in the question, or with stages json, logfmt and regex");
      } else if (setting.key.starts_with("storage.")) {
        out_.Note(At(setting.line) + setting.key + ": not needed: the files are the buffer");
      }
    }
  }

  void Input(const Section& input) {
    const std::string plugin = Lower(input.Get("name"));
    if (plugin == "tail") {
      Tail(input);
    } else if (plugin == "systemd") {
      Systemd(input);
    } else {
      const auto at = kInputAdvice.find(plugin);
      jobs_.Note(At(input.line) + "input " + plugin + ": " +
                 (at == kInputAdvice.end() ? "not a source that the agent has" : at->second));
    }
  }

  std::string JobName(const Section& input, std::string_view otherwise) {
    const std::string tag = input.Get("tag");
    std::string name = tag.empty() || tag == "*" ? std::string(otherwise) : tag;
    while (name.ends_with('*') || name.ends_with('.')) name.pop_back();
    return name.empty() ? std::string(otherwise) : name;
  }

  void Tail(const Section& input) {
    YamlTree job;
    const std::string name = JobName(input, "tail");
    job["job_name"] = name;
    YamlTree stages = YamlTree::List();
    const std::vector<std::string> paths = SplitList(input.Get("path"));
    const std::vector<std::string> excludes = SplitList(input.Get("exclude_path"));
    const auto joined = [](const std::vector<std::string>& all) {
      std::string out;
      for (const std::string& one : all) out += (out.empty() ? "" : ",") + one;
      return all.size() > 1 ? "{" + out + "}" : out;
    };
    YamlTree config;
    config["labels"]["job"] = name;
    config["labels"]["__path__"] = joined(paths);
    if (!excludes.empty()) config["labels"]["__path_exclude__"] = joined(excludes);
    for (const Setting& setting : input.settings) TailSetting(setting, &stages, &job);
    // Where nothing is said, Fluent Bit begins at the end of a file it does not know.
    if (!ParseConfigBool(Lower(input.Get("read_from_head"))).value_or(false))
      out_["tail"]["start_at"] = "end";
    for (const Section& section : sections_) {
      if (section.kind == "filter" && Greps(section)) Grep(section, &stages);
    }
    if (paths.empty()) {
      jobs_.Note(At(input.line) + "tail without a path");
      return;
    }
    job["static_configs"].Append(std::move(config));
    if (stages.size() + stages.notes() > 0) job["pipeline_stages"] = std::move(stages);
    jobs_.Append(std::move(job));
  }

  void TailSetting(const Setting& setting, YamlTree* stages, YamlTree* job) {
    const std::string& key = setting.key;
    const std::string value = Lower(setting.value);
    if (key == "name" || key == "tag" || key == "path" || key == "exclude_path" || key == "read_from_head" ||
        key == "rotate_wait" || key == "buffer_chunk_size" || key == "storage.type" || key == "alias" ||
        key == "static_batch_size" || key == "threaded" || key == "log_level")
      return;
    if (key == "parser" || key == "multiline.parser") {
      for (const std::string& parser : SplitList(value)) {
        if (parser == "cri" || parser == "docker") {
          (*stages).Append(YamlTree())[parser];
        } else {
          stages->Note(
              At(setting.line) + key + " " + parser +
              (key == "parser"
                   ? ": parse in the question (| json, | logfmt, | regexp), or with stages and labels"
                   : ": use a stage multiline, as firstline: '^\\S' for stack traces that are indented"));
        }
      }
    } else if (key == "mem_buf_limit") {
      out_["memory_limit"] = setting.value;
    } else if (key == "buffer_max_size") {
      out_["limits_config"]["max_line_size"] = setting.value;
    } else if (key == "skip_long_lines") {
      if (ParseConfigBool(value).value_or(false)) out_["limits_config"]["max_line_size_truncate"] = "false";
    } else if (key == "refresh_interval") {
      out_["target_config"]["sync_period"] = Duration(setting.value);
    } else {
      NoteSetting(setting, kTailAdvice, job);
    }
  }

  void Systemd(const Section& input) {
    YamlTree job;
    const std::string name = JobName(input, "systemd");
    job["job_name"] = name;
    YamlTree& journal = job["journal"];
    std::string matches;
    for (const Setting& setting : input.settings) {
      if (setting.key == "path") {
        journal["path"] = setting.value;
      } else if (setting.key == "systemd_filter") {
        matches += (matches.empty() ? "" : " ") + setting.value;
      } else if (setting.key == "systemd_filter_type" && Lower(setting.value) == "and") {
        job.Note(At(setting.line) +
                 "systemd_filter_type and: matches of different fields are an and, of one an or");
      } else if (setting.key == "db") {
        job.Note(At(setting.line) + "db: " + kTailAdvice.at("db"));
      }
    }
    if (!matches.empty()) journal["matches"] = matches;
    journal["labels"]["job"] = name;
    jobs_.Append(std::move(job));
  }

  static bool Greps(const Section& filter) {
    return Lower(filter.Get("name")) == "grep" && filter.Get("logical_op").empty();
  }

  // exclude drops what matches, regex what does not; of the field `log` or `message` they see the line.
  void Grep(const Section& filter, YamlTree* stages) {
    for (const Setting& setting : filter.settings) {
      if (setting.key != "exclude" && setting.key != "regex") continue;
      const size_t blank = setting.value.find_first_of(" \t");
      const std::string field = setting.value.substr(0, blank);
      const std::string pattern = blank == std::string::npos ? "" : Trim(setting.value.substr(blank));
      if (field != "log" && field != "message" && field != "MESSAGE") {
        stages->Note(At(setting.line) + "grep of the field " + field +
                     ": a stage json or logfmt, then drop with source");
        continue;
      }
      YamlTree stage;
      if (setting.key == "exclude") {
        stage["drop"]["expression"] = pattern;
      } else {
        stage["match"]["selector"] = "{job=~\".+\"} !~ `" + pattern + "`";
        stage["match"]["action"] = "drop";
      }
      stages->Append(std::move(stage));
    }
  }

  void Output(const Section& output) {
    const std::string plugin = Lower(output.Get("name"));
    if (plugin != "loki") {
      clients_.Note(At(output.line) + "output " + plugin + ": the agent sends to Skald and to Loki alone");
      return;
    }
    const bool tls = ParseConfigBool(Lower(output.Get("tls"))).value_or(false);
    const auto otherwise = [&](const char* key, const char* text) {
      const std::string value = output.Get(key);
      return value.empty() ? text : value;
    };
    YamlTree client;
    client["url"] = std::string(tls ? "https://" : "http://") + otherwise("host", "127.0.0.1") + ":" +
                    otherwise("port", "3100") + otherwise("uri", "/loki/api/v1/push");
    for (const Setting& setting : output.settings) OutputSetting(setting, &client);
    clients_.Append(std::move(client));
  }

  void OutputSetting(const Setting& setting, YamlTree* client) {
    const std::string& key = setting.key;
    if (key == "name" || key == "match" || key == "match_regex" || key == "host" || key == "port" ||
        key == "uri" || key == "tls" || key == "alias" || key == "retry_limit" || key == "compress" ||
        key == "log_level" || key.starts_with("net."))
      return;
    if (key == "tenant_id") {
      (*client)["tenant_id"] = setting.value;
    } else if (key == "http_user") {
      (*client)["basic_auth"]["username"] = setting.value;
    } else if (key == "http_passwd") {
      (*client)["basic_auth"]["password"] = setting.value;
    } else if (key == "bearer_token") {
      (*client)["bearer_token"] = setting.value;
    } else if (key == "header") {
      const size_t blank = setting.value.find(' ');
      if (blank != std::string::npos)
        (*client)["headers"][setting.value.substr(0, blank)] = Trim(setting.value.substr(blank));
    } else if (key == "tls.verify") {
      if (!ParseConfigBool(Lower(setting.value)).value_or(true))
        (*client)["tls_config"]["insecure_skip_verify"] = "true";
    } else if (key == "tls.ca_file" || key == "tls.crt_file" || key == "tls.key_file") {
      (*client)["tls_config"][key == "tls.ca_file"    ? "ca_file"
                              : key == "tls.crt_file" ? "cert_file"
                                                      : "key_file"] = setting.value;
    } else if (key == "labels") {
      for (const std::string& label : SplitList(setting.value)) {
        const size_t equals = label.find('=');
        const std::string name = Trim(label.substr(0, equals));
        const std::string value = equals == std::string::npos ? "" : Trim(label.substr(equals + 1));
        if (equals == std::string::npos || value.starts_with('$')) {
          client->Note(At(setting.line) + "label " + label +
                       ": from a field of the record; stages json and labels, or what the path tells");
        } else {
          (*client)["external_labels"][name] = value;
        }
      }
    } else if (key == "label_keys" || key == "structured_metadata") {
      client->Note(At(setting.line) + key + " " + setting.value + ": stages json and " +
                   (key == "label_keys" ? "labels" : "structured_metadata"));
    } else {
      NoteSetting(setting, kOutputAdvice, client);
    }
  }

  const std::vector<Section> sections_;
  const std::string_view name_;
  YamlTree out_;
  YamlTree clients_ = YamlTree::List();
  YamlTree jobs_ = YamlTree::List();
};

}  // namespace

absl::StatusOr<Migration> MigrateFluentBit(std::string_view text, std::string_view name) {
  std::vector<Section> sections;
  try {
    const bool is_yaml = text.find("pipeline:") != std::string_view::npos;
    if (is_yaml) {
      sections = ReadYaml(YAML::Load(std::string(text)));
    } else {
      ASSIGN_OR_RETURN(sections, ReadClassic(text, name));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument("{}: {}", name, e.what());
  }
  const YamlTree tree = Reader(std::move(sections), name).Read();
  return Migration{tree.Text(), tree.notes()};
}

}  // namespace skald::cli
