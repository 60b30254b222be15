// The keys by which Promtail's and Prometheus' configurations say how to speak HTTP to somebody:
// certificates, passwords, tokens.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/http_post.h"

namespace YAML {
class Node;
}

namespace skald::agent {

// Reads one key of such a block into *target. False: it is none of these. place stands in front of errors and
// of warnings. May throw YAML::Exception.
absl::StatusOr<bool> ReadHttpClientKey(const YAML::Node& key, const YAML::Node& value, std::string_view place,
                                       HttpTarget* target, std::vector<std::string>* warnings);

// The certificate authorities, address and credentials of a kubeconfig's current context. Paths in it are
// relative to its folder. InvalidArgument names what is missing, or cannot be used.
absl::Status ReadKubeconfig(const std::string& path, HttpTarget* target);

}  // namespace skald::agent
