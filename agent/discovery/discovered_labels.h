// Labels __meta_... as Prometheus' discoveries name them, of what paths, Docker and Kubernetes tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/labels.h"

namespace skald::agent {

// Characters that cannot be in a label's name become '_'.
std::string MetaName(std::string_view prefix, std::string_view key);

// What a pod's log path tells; the controller's name is guessed from the pod's. Empty for other paths.
Labels KubernetesMetaOfPath(std::string_view path, const std::string& node_name);

// Of the json-file's path and config.v2.json (and hostconfig.json) beside it.
Labels DockerMetaOfPath(const std::string& path);

// <any>/<allocation>/alloc/logs/<task>.<stdout|stderr>.<n>
struct NomadTask {
  std::string alloc_id;
  std::string task;
  std::string stream;
};
std::optional<NomadTask> ParseNomadPath(std::string_view path);
Labels NomadMetaOfPath(std::string_view path);

// The application of a pod whose labels __meta_kubernetes_... are known: app.kubernetes.io/name, app, or its
// controller without a ReplicaSet's hash. "" = none of them.
std::string AppOfMeta(const Labels& meta);

}  // namespace skald::agent
