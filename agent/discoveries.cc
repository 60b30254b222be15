#include "agent/discoveries.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skald::agent {

template <typename Kind, typename Options>
std::shared_ptr<const LogMetadata> Discoveries::Get(const std::string& key, const Options& options) {
  const std::lock_guard<std::mutex> lock(mu_);
  Known& known = known_[key];
  if (std::shared_ptr<const LogMetadata> there = known.discovery.lock(); there != nullptr) return there;
  const auto made = std::make_shared<Kind>(options);
  known.discovery = made;
  known.start = [weak = std::weak_ptr<Kind>(made)] {
    if (const std::shared_ptr<Kind> discovery = weak.lock(); discovery != nullptr) discovery->Start();
  };
  if (started_) known.start();
  return made;
}

std::shared_ptr<const LogMetadata> Discoveries::Kubernetes(const KubernetesOptions& options) {
  const HttpTarget& server = options.server;
  const std::string key = fmt::format(
      "kubernetes {} {} {} {} {} {} {} {} {} {} {} {} {} {}", server.url, server.ca_file, server.cert_file,
      server.key_file, server.credentials, server.credentials_file, server.basic_username,
      server.basic_password_file, server.server_name, server.insecure_skip_verify, options.node_name,
      options.namespaces, options.label_selector, options.field_selector);
  KubernetesOptions with_file = options;
  if (!with_file.cache_file.empty())
    with_file.cache_file += fmt::format("-{:08x}", static_cast<uint32_t>(std::hash<std::string>()(key)));
  return Get<KubernetesWatch>(key, with_file);
}

std::shared_ptr<const LogMetadata> Discoveries::Docker(const DockerOptions& options) {
  return Get<DockerDiscovery>(
      fmt::format("docker {} {} {}", options.socket, options.filters, options.refresh_ns), options);
}

void Discoveries::Start() {
  const std::lock_guard<std::mutex> lock(mu_);
  started_ = true;
  for (const auto& [key, known] : known_) {
    if (known.start) known.start();
  }
}

}  // namespace skald::agent
