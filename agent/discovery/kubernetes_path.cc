#include "agent/discovery/kubernetes_path.h"

#include <simdjson.h>

#include <algorithm>

#include "agent/discovery/json_fields.h"

namespace skald::agent {
namespace {

constexpr std::string_view kSafeLetters =
    "bcdfghjklmnpqrstvwxz2456789";  // what Kubernetes draws random names from

bool AllOf(std::string_view text, std::string_view letters) {
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
}
bool IsNumber(std::string_view text) { return AllOf(text, "0123456789"); }
bool IsHexId(std::string_view text) { return text.size() == 64 && AllOf(text, "0123456789abcdef"); }

// The last component; *rest is what is in front of its slash.
std::string_view TakeLast(std::string_view path, std::string_view* rest) {
  const size_t slash = path.rfind('/');
  *rest = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// The last "-x" of name; false if there is none or nothing would stay in front.
bool SplitDash(std::string_view name, std::string_view* front, std::string_view* back) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return false;
  *front = name.substr(0, dash);
  *back = name.substr(dash + 1);
  return true;
}

}  // namespace

std::optional<KubernetesPath> ParseKubernetesPath(std::string_view path) {
  std::string_view rest;
  const std::string_view file = TakeLast(path, &rest);
  const size_t log = file.find(".log");
  if (log == std::string_view::npos) return std::nullopt;
  const std::string_view stem = file.substr(0, log);
  KubernetesPath out;
  if (IsNumber(stem)) {
    std::string_view above;
    const std::string_view container = TakeLast(rest, &above);
    const std::string_view directory = TakeLast(above, &rest);
    const size_t first = directory.find('_');
    const size_t last = directory.rfind('_');
    if (first == std::string_view::npos || first == last || container.empty()) return std::nullopt;
    out.namespace_name = directory.substr(0, first);
    out.pod = directory.substr(first + 1, last - first - 1);
    out.uid = directory.substr(last + 1);
    out.container = container;
    out.restart = stem;
  } else {
    const size_t first = stem.find('_');
    const size_t last = stem.rfind('_');
    std::string_view container;
    std::string_view id;
    if (first == std::string_view::npos || first == last ||
        !SplitDash(stem.substr(last + 1), &container, &id) || !IsHexId(id)) {
      return std::nullopt;
    }
    out.pod = stem.substr(0, first);
    out.namespace_name = stem.substr(first + 1, last - first - 1);
    out.container = container;
    out.container_id = id;
  }
  if (out.namespace_name.empty() || out.pod.empty() || out.container.empty()) return std::nullopt;
  return out;
}

std::string AppOfPod(std::string_view pod, std::string_view node_name) {
  if (!node_name.empty() && pod.size() > node_name.size() + 1 && pod.ends_with(node_name) &&
      pod[pod.size() - node_name.size() - 1] == '-') {
    return std::string(pod.substr(0, pod.size() - node_name.size() - 1));
  }
  std::string_view front;
  std::string_view back;
  if (!SplitDash(pod, &front, &back)) return std::string(pod);
  if (back.size() == 5 && AllOf(back, kSafeLetters)) {
    std::string_view name;
    std::string_view hash;
    if (SplitDash(front, &name, &hash)) {
      const bool replica_set = hash.size() >= 6 && hash.size() <= 10 && AllOf(hash, kSafeLetters);
      const bool cron_job = hash.size() >= 8 && hash.size() <= 10 && IsNumber(hash);
      if (replica_set || cron_job) return std::string(name);
    }
    return std::string(front);
  }
  if (back.size() <= 4 && IsNumber(back)) return std::string(front);
  return std::string(pod);
}

std::optional<std::string> ParseDockerPath(std::string_view path) {
  std::string_view rest;
  std::string_view ignored;
  const std::string_view file = TakeLast(path, &rest);
  const std::string_view directory = TakeLast(rest, &ignored);
  if (!IsHexId(directory) || !file.starts_with(directory) ||
      !file.substr(directory.size()).starts_with("-json.log")) {
    return std::nullopt;
  }
  return std::string(directory);
}

std::optional<DockerContainer> ParseDockerConfig(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  DockerContainer out;
  out.name = TextOf(root["Name"]);
  if (out.name.starts_with('/')) out.name.erase(0, 1);
  const auto config = root["Config"];
  out.image = TextOf(config["Image"]);
  simdjson::dom::object labels;
  if (config["Labels"].get(labels) == simdjson::SUCCESS) {
    for (const auto& [key, value] : labels) out.labels[std::string(key)] = TextOf(value);
  }
  simdjson::dom::object networks;
  if (root["NetworkSettings"]["Networks"].get(networks) == simdjson::SUCCESS) {
    for (const auto& [name, network] : networks) {
      if (!out.network_name.empty() && std::string_view(out.network_name) <= name) continue;
      out.network_name = std::string(name);
      out.network_id = TextOf(network["NetworkID"]);
      out.network_ip = TextOf(network["IPAddress"]);
    }
  }
  if (out.name.empty()) return std::nullopt;
  return out;
}

std::string NetworkModeOfHostConfig(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return {};
  return TextOf(root["NetworkMode"]);
}

}  // namespace skald::agent
