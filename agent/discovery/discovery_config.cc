#include "agent/discovery/discovery_config.h"

#include <optional>

#include <yaml-cpp/yaml.h>

#include "agent/discovery/http_client_config.h"
#include "base/config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr char kNamespaceFile[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

class Reader {
 public:
  Reader(std::string_view place, std::vector<std::string>* warnings) : place_(place), warnings_(warnings) {}

  absl::Status Kubernetes(const YAML::Node& config, KubernetesOptions* options) {
    if (!config.IsMap()) return InvalidArgument("{}: a map is expected", At(config));
    bool has_server = false;
    if (config["kubeconfig_file"].IsDefined() && config["api_server"].IsDefined())
      return InvalidArgument("{}: kubeconfig_file and api_server exclude each other", At(config));
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      if (key == "role") {
        if (item.second.Scalar() != "pod")
          Warn(item.first, "role " + item.second.Scalar() +
                               " finds no logs: logs belong to pods, and those of this node are read");
      } else if (key == "api_server") {
        options->server.url = item.second.Scalar();
        while (options->server.url.ends_with('/')) options->server.url.pop_back();
        has_server = true;
      } else if (key == "namespaces") {
        RETURN_IF_ERROR(Namespaces(item.second, options));
      } else if (key == "selectors") {
        for (const YAML::Node& selector : item.second) {
          if (selector["role"].IsDefined() && selector["role"].Scalar() != "pod") {
            Warn(selector, "a selector for another role than pod is ignored");
            continue;
          }
          if (selector["label"].IsDefined()) options->label_selector = selector["label"].Scalar();
          if (selector["field"].IsDefined()) options->field_selector = selector["field"].Scalar();
        }
      } else if (key == "kubeconfig_file") {
        if (const absl::Status read = ReadKubeconfig(item.second.Scalar(), &options->server); !read.ok())
          return InvalidArgument("{}: {}", At(item.second), MessageOf(read));
        has_server = true;
      } else if (key == "attach_metadata") {
        Warn(item.first, "attach_metadata has no effect: labels of nodes are not asked for");
      } else {
        RETURN_IF_ERROR(Http(item.first, item.second, &options->server));
      }
    }
    if (!has_server && !UseServiceAccount(options)) {
      Warn(config, "no api_server, and this is no pod: pods are known by the paths of their logs alone");
    }
    return absl::OkStatus();
  }

  absl::Status Docker(const YAML::Node& config, DockerOptions* options) {
    if (!config.IsMap()) return InvalidArgument("{}: a map is expected", At(config));
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      if (key == "host") {
        const std::string host = item.second.Scalar();
        if (host.starts_with("unix://")) {
          options->socket = host.substr(7);
        } else {
          options->socket.clear();
          Warn(item.second,
               "host " + host +
                   " is not a Unix socket: only the containers of this machine have log files here; their "
                   "labels come from config.v2.json");
        }
      } else if (key == "refresh_interval") {
        const std::optional<int64_t> interval = ParseConfigDuration(item.second.Scalar());
        if (!interval || *interval <= 0)
          return InvalidArgument("{}: \"{}\" is not a duration like 5s", At(item.second),
                                 item.second.Scalar());
        options->refresh_ns = *interval;
      } else if (key == "filters") {
        JsonWriter json(&options->filters);
        json.BeginObject();
        for (const YAML::Node& filter : item.second) {
          json.Key(filter["name"].Scalar()).BeginArray();
          for (const YAML::Node& value : filter["values"]) json.String(value.Scalar());
          json.EndArray();
        }
        json.EndObject();
      } else if (key == "port" || key == "host_networking_host" || key == "match_first_network") {
        Warn(item.first, key + " has no effect: logs are read from files");
      } else {
        HttpTarget ignored;
        RETURN_IF_ERROR(Http(item.first, item.second, &ignored));
      }
    }
    return absl::OkStatus();
  }

  // The keys of Prometheus' block of this name, and alloc_dir.
  absl::Status Nomad(const YAML::Node& config, NomadOptions* options, std::string* directory) {
    if (config.IsNull()) return absl::OkStatus();
    if (!config.IsMap()) return InvalidArgument("{}: a map is expected", At(config));
    if (config["server"].IsDefined()) {
      options->server = HttpTarget();
      if (!UseNomadAddress(config["server"].Scalar(), &options->server)) {
        return InvalidArgument("{}: \"{}\" is not an address like http://127.0.0.1:4646",
                               At(config["server"]), config["server"].Scalar());
      }
    }
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      if (key == "alloc_dir") {
        *directory = item.second.Scalar();
      } else if (key == "namespace" || key == "region" || key == "refresh_interval" || key == "allow_stale" ||
                 key == "tag_separator") {
        Warn(item.first,
             key + " has no effect: the allocations of this node are read, and changes told at once");
      } else if (key != "server") {
        RETURN_IF_ERROR(Http(item.first, item.second, &options->server));
      }
    }
    return absl::OkStatus();
  }

 private:
  std::string At(const YAML::Node& node) const { return PlaceOfNode(node, place_); }
  void Warn(const YAML::Node& node, const std::string& text) { warnings_->push_back(At(node) + ": " + text); }

  absl::Status Namespaces(const YAML::Node& namespaces, KubernetesOptions* options) {
    for (const auto& item : namespaces) {
      const std::string key = item.first.Scalar();
      if (key == "names") {
        for (const YAML::Node& name : item.second) options->namespaces.push_back(name.Scalar());
      } else if (key == "own_namespace") {
        if (!ParseConfigBool(item.second.Scalar()).value_or(false)) continue;
        const absl::StatusOr<std::string> own = ReadWholeFile(kNamespaceFile);
        if (own.ok()) {
          options->namespaces.push_back(*own);
        } else {
          Warn(item.first, "own_namespace: this is no pod, all namespaces count");
        }
      } else {
        Warn(item.first, key + " is not known here and is ignored");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Http(const YAML::Node& key, const YAML::Node& value, HttpTarget* target) {
    ASSIGN_OR_RETURN(const bool known, ReadHttpClientKey(key, value, place_, target, warnings_));
    if (!known) Warn(key, key.Scalar() + " is not known here and is ignored");
    return absl::OkStatus();
  }

  const std::string_view place_;
  std::vector<std::string>* const warnings_;
};

}  // namespace

std::string PlaceOfNode(const YAML::Node& node, std::string_view place) {
  return fmt::format("{}:{}:{}", place, node.Mark().line + 1, node.Mark().column + 1);
}

absl::Status ReadKubernetesSd(const YAML::Node& config, std::string_view place, KubernetesOptions* options,
                              std::vector<std::string>* warnings) {
  return Reader(place, warnings).Kubernetes(config, options);
}

absl::Status ReadNomadSd(const YAML::Node& config, std::string_view place, NomadOptions* options,
                         std::string* directory, std::vector<std::string>* warnings) {
  return Reader(place, warnings).Nomad(config, options, directory);
}

absl::Status ReadDockerSd(const YAML::Node& config, std::string_view place, DockerOptions* options,
                          std::vector<std::string>* warnings) {
  return Reader(place, warnings).Docker(config, options);
}

}  // namespace skald::agent
