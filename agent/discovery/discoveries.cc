#include "agent/discovery/discoveries.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/oauth2.h"

namespace skald::agent {
namespace {

std::string KeyOf(const HttpTarget& server) {
  std::string key = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} ", server.url, server.ca_file,
                                server.cert_file, server.key_file, server.credentials,
                                server.credentials_file, server.basic_username, server.basic_password,
                                server.basic_password_file, server.server_name, server.insecure_skip_verify,
                                server.unix_socket, server.ca_pem, server.cert_pem, server.key_pem);
  if (server.oauth2 != nullptr) {
    const OAuth2Options& oauth2 = server.oauth2->options();
    key += fmt::format("{} {} {} {} {} ", oauth2.token_url, oauth2.client_id, oauth2.client_secret,
                       oauth2.client_secret_file, fmt::join(oauth2.scopes, " "));
  }
  key += server.proxy_url + " " + server.no_proxy + " ";
  for (const auto& [name, value] : server.proxy_headers) key += name + ":" + value + " ";
  for (const auto& [name, value] : server.headers) key += name + ":" + value + " ";
  return key;
}

}  // namespace

template <typename Kind, typename Options>
std::shared_ptr<const Kind> Discoveries::Get(const std::string& key, const Options& options) {
  const std::lock_guard<std::mutex> lock(mu_);
  Known& known = known_[key];
  if (const std::shared_ptr<const void> there = known.discovery.lock(); there != nullptr)
    return std::static_pointer_cast<const Kind>(there);
  const auto made = std::make_shared<Kind>(options);
  known.discovery = made;
  known.start = [weak = std::weak_ptr<Kind>(made)] {
    if (const std::shared_ptr<Kind> discovery = weak.lock(); discovery != nullptr) discovery->Start();
  };
  if (started_) known.start();
  return made;
}

std::shared_ptr<const LogMetadata> Discoveries::Kubernetes(const KubernetesOptions& options) {
  const std::string key =
      fmt::format("kubernetes {}{}{} {} {} {}", KeyOf(options.server), KeyOf(options.kubelet),
                  options.node_name, options.namespaces, options.label_selector, options.field_selector);
  KubernetesOptions with_file = options;
  if (!with_file.cache_file.empty())
    with_file.cache_file += fmt::format("-{:08x}", static_cast<uint32_t>(std::hash<std::string>()(key)));
  return Get<KubernetesWatch>(key, with_file);
}

std::shared_ptr<const LogMetadata> Discoveries::Docker(const DockerOptions& options) {
  return Get<DockerDiscovery>(
      fmt::format("docker {} {} {}", options.socket, options.filters, options.refresh_ns), options);
}

std::shared_ptr<const LogMetadata> Discoveries::Nomad(const NomadOptions& options) {
  return Get<NomadWatch>("nomad " + KeyOf(options.server) + options.node_name, options);
}

std::shared_ptr<const DeclaringDiscovery> Discoveries::Swarm(const SwarmOptions& options) {
  return Get<SwarmServices>("swarm " + options.socket, options);
}

void Discoveries::Start() {
  const std::lock_guard<std::mutex> lock(mu_);
  started_ = true;
  for (const auto& [key, known] : known_) {
    if (known.start) known.start();
  }
}

}  // namespace skald::agent
