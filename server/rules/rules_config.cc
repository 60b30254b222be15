#include "server/rules/rules_config.h"

#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::server {
namespace {

struct Unneeded {
  const char* path;
  const char* advice;
};

constexpr Unneeded kUnneeded[] = {
    {"ruler.rule_path", "not needed: rule files are read where they are"},
    {"ruler.enable_sharding", "not needed: one process evaluates all rules"},
    {"ruler.sharding_strategy", "not needed: one process evaluates all rules"},
    {"ruler.sharding_algo", "not needed: one process evaluates all rules"},
    {"ruler.ring", "not needed: there is no ring"},
    {"ruler.ruler_client", "not needed: one process evaluates all rules"},
    {"ruler.flush_period", "not needed: one process evaluates all rules"},
    {"ruler.search_pending_for", "not needed: one process evaluates all rules"},
    {"ruler.enable_alertmanager_discovery", "not available: list the addresses in ruler.alertmanager_url"},
    {"ruler.alertmanager_refresh_interval", "not needed: names are resolved at each request"},
    {"ruler.enable_alertmanager_v2", "not needed: it is always version 2"},
    {"ruler.for_grace_period", "not needed: the state of alerts is restored exactly"},
    {"ruler.wal", "not needed: recordings wait in a durable queue below the data directory"},
    {"ruler.wal_cleaner", "not needed: recordings wait in a durable queue below the data directory"},
    {"ruler.evaluation", "not needed: rules are evaluated in this process, groups at offsets of their own"},
    {"ruler.query_stats_enabled", "not needed"},
    {"ruler.disable_rule_group_label", "not needed: metrics have it always"},
    {"ruler.enable_api", "not needed: the API is always there"},
    {"ruler.remote_write.config_refresh_period", "not needed"},
    {"ruler.storage.type", "not needed: rules are files"},
    {"ruler_storage.backend", "not needed: rules are files"},
};

// Reads a map of texts; unknown keys are told.
class MapReader {
 public:
  MapReader(const YAML::Node& node, const ConfigPlace& place) : node_(node), place_(place) {}

  absl::Status Each(
      const std::function<absl::Status(const std::string& key, const YAML::Node& value)>& read) {
    if (!node_.IsMap()) return InvalidArgument("{}: a map is expected here", place_.source);
    for (const auto& item : node_) {
      if (!item.first.IsScalar()) return InvalidArgument("{}: a key is not text", place_.source);
      RETURN_IF_ERROR(read(item.first.Scalar(), item.second));
    }
    return absl::OkStatus();
  }
  absl::Status Unknown(const std::string& key) const {
    return InvalidArgument("{}: unknown key {}", place_.source, key);
  }
  const ConfigPlace& place() const { return place_; }

 private:
  const YAML::Node& node_;
  const ConfigPlace& place_;
};

absl::Status ReadText(const YAML::Node& value, const ConfigPlace& place, const std::string& key,
                      std::string* out) {
  if (!value.IsScalar()) return InvalidArgument("{}: {} is not one value", place.source, key);
  *out = value.Scalar();
  return absl::OkStatus();
}

absl::Status ReadBool(const YAML::Node& value, const ConfigPlace& place, const std::string& key, bool* out) {
  std::string text;
  RETURN_IF_ERROR(ReadText(value, place, key, &text));
  const std::optional<bool> parsed = ParseConfigBool(text);
  if (!parsed) return InvalidArgument("{}: {}: \"{}\" is not true or false", place.source, key, text);
  *out = *parsed;
  return absl::OkStatus();
}

absl::Status ReadLabels(const YAML::Node& node, const ConfigPlace& place, Labels* out) {
  MapReader reader(node, place);
  return reader.Each([&](const std::string& key, const YAML::Node& value) -> absl::Status {
    if (!IsLabelName(key)) return InvalidArgument("{}: \"{}\" is not a label name", place.source, key);
    std::string text;
    RETURN_IF_ERROR(ReadText(value, place, key, &text));
    out->Set(key, text);
    return absl::OkStatus();
  });
}

absl::Status ReadRelabelling(const YAML::Node& node, const ConfigPlace& place, Relabelling* out) {
  if (!node.IsSequence()) return InvalidArgument("{}: a list is expected here", place.source);
  std::vector<RelabelConfig> configs;
  for (const auto& item : node) {
    RelabelConfig config;
    MapReader reader(item, place);
    const absl::Status read =
        reader.Each([&](const std::string& key, const YAML::Node& value) -> absl::Status {
          if (key == "action") return ReadText(value, place, key, &config.action);
          if (key == "separator") return ReadText(value, place, key, &config.separator);
          if (key == "regex") return ReadText(value, place, key, &config.regex);
          if (key == "target_label") return ReadText(value, place, key, &config.target_label);
          if (key == "replacement") return ReadText(value, place, key, &config.replacement);
          if (key == "modulus") {
            config.modulus = value.as<uint64_t>(0);
            return absl::OkStatus();
          }
          if (key != "source_labels") return reader.Unknown(key);
          if (!value.IsSequence()) return InvalidArgument("{}: source_labels is not a list", place.source);
          for (const auto& label : value) {
            config.source_labels.emplace_back();
            RETURN_IF_ERROR(ReadText(label, place, key, &config.source_labels.back()));
          }
          return absl::OkStatus();
        });
    RETURN_IF_ERROR(read);
    configs.push_back(std::move(config));
  }
  absl::StatusOr<Relabelling> made = Relabelling::Make(std::move(configs));
  if (!made.ok()) return InvalidArgument("{}: {}", place.source, MessageOf(made.status()));
  *out = *std::move(made);
  return absl::OkStatus();
}

// One client, in the form that Prometheus gives remote_write.
absl::Status ReadClient(const YAML::Node& node, const ConfigPlace& place, RulesConfig::RemoteWrite* out) {
  HttpTarget& target = out->target;
  target.timeout_ms = 30'000;
  MapReader reader(node, place);
  const absl::Status read = reader.Each([&](const std::string& key, const YAML::Node& value) -> absl::Status {
    if (key == "url") return ReadText(value, place, key, &target.url);
    if (key == "name") return ReadText(value, place, key, &out->name);
    if (key == "proxy_url") return ReadText(value, place, key, &target.proxy_url);
    if (key == "no_proxy") return ReadText(value, place, key, &target.no_proxy);
    if (key == "bearer_token") return ReadText(value, place, key, &target.credentials);
    if (key == "bearer_token_file") return ReadText(value, place, key, &target.credentials_file);
    if (key == "remote_timeout") {
      std::string text;
      RETURN_IF_ERROR(ReadText(value, place, key, &text));
      const std::optional<int64_t> ns = ParseConfigDuration(text);
      if (!ns || *ns <= 0)
        return InvalidArgument("{}: {}: \"{}\" is not a duration", place.source, key, text);
      target.timeout_ms = *ns / 1'000'000;
      return absl::OkStatus();
    }
    if (key == "headers") {
      MapReader headers(value, place);
      return headers.Each([&](const std::string& name, const YAML::Node& text) -> absl::Status {
        target.headers.emplace_back(name, "");
        return ReadText(text, place, name, &target.headers.back().second);
      });
    }
    if (key == "basic_auth") {
      MapReader auth(value, place);
      return auth.Each([&](const std::string& name, const YAML::Node& text) -> absl::Status {
        if (name == "username") return ReadText(text, place, name, &target.basic_username);
        if (name == "password") return ReadText(text, place, name, &target.basic_password);
        if (name == "password_file") return ReadText(text, place, name, &target.basic_password_file);
        return auth.Unknown(name);
      });
    }
    if (key == "authorization") {
      MapReader auth(value, place);
      return auth.Each([&](const std::string& name, const YAML::Node& text) -> absl::Status {
        if (name == "type") return ReadText(text, place, name, &target.authorization_type);
        if (name == "credentials") return ReadText(text, place, name, &target.credentials);
        if (name == "credentials_file") return ReadText(text, place, name, &target.credentials_file);
        return auth.Unknown(name);
      });
    }
    if (key == "tls_config") {
      MapReader tls(value, place);
      return tls.Each([&](const std::string& name, const YAML::Node& text) -> absl::Status {
        if (name == "ca_file") return ReadText(text, place, name, &target.ca_file);
        if (name == "cert_file") return ReadText(text, place, name, &target.cert_file);
        if (name == "key_file") return ReadText(text, place, name, &target.key_file);
        if (name == "server_name") return ReadText(text, place, name, &target.server_name);
        if (name == "insecure_skip_verify") return ReadBool(text, place, name, &target.insecure_skip_verify);
        if (name == "min_version") return absl::OkStatus();
        return tls.Unknown(name);
      });
    }
    if (key == "write_relabel_configs") return ReadRelabelling(value, place, &out->relabelling.emplace());
    // Of Prometheus, and of no use with a queue that is never cut by memory.
    for (const char* known : {"queue_config", "metadata_config", "send_exemplars", "send_native_histograms",
                              "follow_redirects", "enable_http2"}) {
      if (key == known) return absl::OkStatus();
    }
    return reader.Unknown(key);
  });
  if (!read.ok()) return read;
  if (target.url.empty()) return InvalidArgument("{}: a client needs a url", place.source);
  return absl::OkStatus();
}

}  // namespace

void RegisterRulesOptions(Config* config, RulesConfig* out) {
  config->Group("Rules");
  const auto spec = [](const char* flag, const char* key, const char* help) {
    return OptionSpec{.flag = flag, .yaml = std::string("ruler.") + key, .help = help};
  };
  config->Bool(spec("rules", "enabled", "Evaluate alerting and recording rules."), &out->enabled);
  config->Text(
      spec("rules-dir", "storage.local.directory",
           "Rule files: DIRECTORY/TENANT/FILE; the only tenant is called fake. Empty: rules below the "
           "data directory."),
      &out->directory);
  // Loki's newer place for the same.
  config->Yaml("ruler_storage.local.directory", [out](const ConfigValue& v) {
    if (out->directory.empty()) out->directory = v.text;
    return absl::OkStatus();
  });
  config->List({.flag = "alertmanager-url",
                .yaml = "ruler.alertmanager_url",
                .help = "Alertmanagers that alerts are sent to.",
                .example = "http://127.0.0.1:9093"},
               &out->alertmanagers);
  config->Text(
      spec("external-url", "external_url", "Address of Grafana or of this server in links of alerts."),
      &out->external_url);
  config->Text(spec("", "datasource_uid", "Data source of links of alerts in Grafana."),
               &out->datasource_uid);
  config->Duration(spec("", "evaluation_interval", "Between two evaluations of a group that names none."),
                   &out->evaluation_interval_ns);
  config->Duration(spec("", "poll_interval", "Between two looks at rule files."), &out->poll_interval_ns);
  config->Duration(spec("", "for_outage_tolerance",
                        "After a longer outage alerts start anew; otherwise they go on as they were."),
                   &out->outage_tolerance_ns);
  config->Duration(
      spec("", "declared_silence",
           "After that time without a word from an agent, what its services declare goes. 0: never."),
      &out->declared_silence_ns);
  config->Duration(spec("", "resend_delay", "Between two notices of an alert that has not changed."),
                   &out->resend_delay_ns);
  config->Duration(spec("", "query_offset", "Rules are evaluated this long ago, for lines that come late."),
                   &out->query_offset_ns);
  config->List(spec("", "enabled_tenants", "Tenants whose rules are evaluated. Empty: all."),
               &out->enabled_tenants);
  config->List(spec("", "disabled_tenants", "Tenants whose rules are not evaluated."),
               &out->disabled_tenants);
  config->Int(spec("", "evaluation_threads", "Groups that are evaluated at one time; 0 = one per core."),
              &out->threads, 0, 1024);
  config->Int(spec("", "notification_queue_capacity", "Alerts that wait for an Alertmanager."),
              &out->queue_capacity, 1, 10'000'000);
  config->Duration(spec("", "notification_timeout", "Of a request to an Alertmanager."),
                   &out->notification_timeout_ns);
  config->Bool(spec("", "remote_write.enabled", "Send recordings to remote_write.clients."),
               &out->remote_write_enabled);
  config->Bool(spec("", "remote_write.add_org_id_header", "Name the tenant in X-Scope-OrgID."),
               &out->add_org_id_header);
  HttpTarget& client = out->alertmanager;
  const auto of_client = [&](const char* key, const char* help, std::string* value) {
    config->Text(spec("", (std::string("alertmanager_client.") + key).c_str(), help), value);
  };
  of_client("tls_ca_path", "Certificates that sign an Alertmanager's.", &client.ca_file);
  of_client("tls_cert_path", "Certificate shown to Alertmanagers.", &client.cert_file);
  of_client("tls_key_path", "Its key.", &client.key_file);
  of_client("tls_server_name", "Name in the Alertmanager's certificate.", &client.server_name);
  config->Bool(spec("", "alertmanager_client.tls_insecure_skip_verify", "Take any certificate."),
               &client.insecure_skip_verify);
  of_client("basic_auth_username", "User at the Alertmanager.", &client.basic_username);
  of_client("type", "Kind of the credentials.", &client.authorization_type);
  of_client("credentials_file", "File with credentials, such as a bearer token.", &client.credentials_file);
  of_client("basic_auth_password_file", "File with the user's password.", &client.basic_password_file);
  // Secrets that stand in the file itself are not shown again.
  config->Yaml("ruler.alertmanager_client.basic_auth_password", [&client](const ConfigValue& v) {
    client.basic_password = v.text;
    return absl::OkStatus();
  });
  config->Yaml("ruler.alertmanager_client.credentials", [&client](const ConfigValue& v) {
    client.credentials = v.text;
    return absl::OkStatus();
  });
  config->Section("ruler.external_labels", [out](const YAML::Node& node, const ConfigPlace& place) {
    return ReadLabels(node, place, &out->external_labels);
  });
  config->Section("ruler.alert_relabel_configs", [out](const YAML::Node& node, const ConfigPlace& place) {
    return ReadRelabelling(node, place, &out->alert_relabelling);
  });
  config->Section("ruler.remote_write.client", [out](const YAML::Node& node, const ConfigPlace& place) {
    RulesConfig::RemoteWrite client_config;
    client_config.name = "client";
    RETURN_IF_ERROR(ReadClient(node, place, &client_config));
    out->remote_writes.push_back(std::move(client_config));
    return absl::OkStatus();
  });
  config->Section("ruler.remote_write.clients", [out](const YAML::Node& node, const ConfigPlace& place) {
    MapReader reader(node, place);
    return reader.Each([&](const std::string& key, const YAML::Node& value) -> absl::Status {
      RulesConfig::RemoteWrite client_config;
      RETURN_IF_ERROR(ReadClient(value, place, &client_config));
      client_config.name = key;
      out->remote_writes.push_back(std::move(client_config));
      return absl::OkStatus();
    });
  });
  for (const Unneeded& key : kUnneeded) config->Unused(key.path, key.advice);
}

}  // namespace skald::server
