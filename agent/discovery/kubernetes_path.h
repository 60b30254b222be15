// What a container log's path tells: no API server is needed for a pod's labels.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace skald::agent {

struct KubernetesPath {
  std::string namespace_name;
  std::string pod;
  std::string uid;  // empty in the form under containers/
  std::string container;
  std::string restart;       // empty in the form under containers/
  std::string container_id;  // only in the form under containers/
};

// <any>/<namespace>_<pod>_<uid>/<container>/<restart>.log[...] (kubelet's pods directory) or
// <any>/<pod>_<namespace>_<container>-<64 hex>.log (its containers directory). nullopt for any other path.
std::optional<KubernetesPath> ParseKubernetesPath(std::string_view path);

// The application a pod belongs to: its name without what a controller put behind it: a ReplicaSet's hash and
// a pod's random five letters, a StatefulSet's ordinal, a CronJob's minute, a static pod's node name.
std::string AppOfPod(std::string_view pod, std::string_view node_name);

// <any>/<64 hex>/<the same 64 hex>-json.log: the container id.
std::optional<std::string> ParseDockerPath(std::string_view path);

// Of the text of Docker's config.v2.json.
struct DockerContainer {
  std::string name;  // without the slash in front
  std::string image;
  std::map<std::string, std::string> labels;
  std::string network_name;  // the first by name; "" = none
  std::string network_id;
  std::string network_ip;

  std::string compose_project() const { return Label("com.docker.compose.project"); }
  std::string compose_service() const { return Label("com.docker.compose.service"); }

 private:
  std::string Label(const std::string& key) const {
    const auto found = labels.find(key);
    return found == labels.end() ? std::string() : found->second;
  }
};
std::optional<DockerContainer> ParseDockerConfig(std::string_view json);
// Of the text of hostconfig.json; "" = it does not say.
std::string NetworkModeOfHostConfig(std::string_view json);

}  // namespace skald::agent
