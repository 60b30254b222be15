// kubernetes_sd_configs, docker_sd_configs and nomad_sd_configs: whom to ask about pods, containers and
// allocations.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/docker_discovery.h"
#include "agent/discovery/kubernetes_watch.h"
#include "agent/discovery/nomad_watch.h"

namespace YAML {
class Node;
}

namespace skald::agent {

// One element of the list. place ("promtail.yaml") stands in front of warnings and errors. What options hold
// already (the node's name) stays where the element says nothing. Without api_server the service account
// counts; outside of a pod server.url stays empty, and a warning says that paths must do. InvalidArgument for
// wrong values. May throw YAML::Exception.
absl::Status ReadKubernetesSd(const YAML::Node& config, std::string_view place, KubernetesOptions* options,
                              std::vector<std::string>* warnings);
// The socket stays empty, with a warning, for a host that is none.
absl::Status ReadDockerSd(const YAML::Node& config, std::string_view place, DockerOptions* options,
                          std::vector<std::string>* warnings);
// nomad_sd_configs. *directory: alloc_dir. InvalidArgument as well for a server that is no address.
absl::Status ReadNomadSd(const YAML::Node& config, std::string_view place, NomadOptions* options,
                         std::string* directory, std::vector<std::string>* warnings);

// "file:line:column" of a node.
std::string PlaceOfNode(const YAML::Node& node, std::string_view place);

}  // namespace skald::agent
