#include "agent/discovery/discovered_labels.h"

#include <cctype>

#include "agent/discovery/kubernetes_path.h"
#include "base/file.h"

namespace skald::agent {
namespace {

std::string_view LastOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }
std::string_view ParentOf(std::string_view path) { return path.substr(0, path.rfind('/')); }

}  // namespace

std::string MetaName(std::string_view prefix, std::string_view key) {
  std::string name(prefix);
  for (const char c : key) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

Labels KubernetesMetaOfPath(std::string_view path, const std::string& node_name) {
  Labels meta;
  const std::optional<KubernetesPath> pod = ParseKubernetesPath(path);
  if (!pod) return meta;
  meta.Set("__meta_kubernetes_namespace", pod->namespace_name);
  meta.Set("__meta_kubernetes_pod_name", pod->pod);
  meta.Set("__meta_kubernetes_pod_container_name", pod->container);
  if (!pod->uid.empty()) meta.Set("__meta_kubernetes_pod_uid", pod->uid);
  if (!pod->container_id.empty()) meta.Set("__meta_kubernetes_pod_container_id", pod->container_id);
  if (!node_name.empty()) meta.Set("__meta_kubernetes_pod_node_name", node_name);
  meta.Set("__meta_kubernetes_pod_controller_name", AppOfPod(pod->pod, node_name));
  return meta;
}

Labels DockerMetaOfPath(const std::string& path) {
  Labels meta;
  const std::optional<std::string> id = ParseDockerPath(path);
  if (!id) return meta;
  meta.Set("__meta_docker_container_id", *id);
  const std::string directory(ParentOf(path));
  const absl::StatusOr<std::string> config = ReadWholeFile(directory + "/config.v2.json");
  const std::optional<DockerContainer> container = config.ok() ? ParseDockerConfig(*config) : std::nullopt;
  if (!container) {
    meta.Set("__meta_docker_container_name", "/" + id->substr(0, 12));
    return meta;
  }
  meta.Set("__meta_docker_container_name", "/" + container->name);
  for (const auto& [key, value] : container->labels)
    meta.Set(MetaName("__meta_docker_container_label_", key), value);
  if (!container->network_name.empty()) {
    meta.Set("__meta_docker_network_name", container->network_name);
    meta.Set("__meta_docker_network_id", container->network_id);
    meta.Set("__meta_docker_network_ip", container->network_ip);
  }
  if (const absl::StatusOr<std::string> host = ReadWholeFile(directory + "/hostconfig.json"); host.ok()) {
    const std::string mode = NetworkModeOfHostConfig(*host);
    if (!mode.empty()) meta.Set("__meta_docker_container_network_mode", mode);
  }
  return meta;
}

std::optional<NomadTask> ParseNomadPath(std::string_view path) {
  const std::string_view file = LastOf(path);
  const std::string_view logs = ParentOf(path);
  const std::string_view alloc = ParentOf(logs);
  if (LastOf(logs) != "logs" || LastOf(alloc) != "alloc") return std::nullopt;
  const std::string_view id = LastOf(ParentOf(alloc));
  const size_t number = file.rfind('.');
  if (number == std::string_view::npos || number == 0 || id.empty()) return std::nullopt;
  const size_t stream = file.rfind('.', number - 1);
  if (stream == std::string_view::npos || stream == 0) return std::nullopt;
  const std::string_view digits = file.substr(number + 1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  NomadTask task{std::string(id), std::string(file.substr(0, stream)),
                 std::string(file.substr(stream + 1, number - stream - 1))};
  if (task.stream != "stdout" && task.stream != "stderr") return std::nullopt;
  return task;
}

Labels NomadMetaOfPath(std::string_view path) {
  Labels meta;
  const std::optional<NomadTask> task = ParseNomadPath(path);
  if (!task) return meta;
  meta.Set("__meta_nomad_alloc_id", task->alloc_id);
  meta.Set("__meta_nomad_task", task->task);
  meta.Set("__meta_nomad_stream", task->stream);
  return meta;
}

std::string AppOfMeta(const Labels& meta) {
  for (const char* label :
       {"__meta_kubernetes_pod_label_app_kubernetes_io_name", "__meta_kubernetes_pod_label_app"}) {
    if (!meta.Get(label).empty()) return std::string(meta.Get(label));
  }
  const std::string name(meta.Get("__meta_kubernetes_pod_controller_name"));
  if (meta.Get("__meta_kubernetes_pod_controller_kind") != "ReplicaSet") return name;
  const size_t dash = name.rfind('-');
  return dash == std::string::npos || dash == 0 ? name : name.substr(0, dash);
}

}  // namespace skald::agent
