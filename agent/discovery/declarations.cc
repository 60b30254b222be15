#include "agent/discovery/declarations.h"

#include <sys/stat.h>

#include "agent/discovery/kubernetes_path.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/types.h"

namespace skald::agent {
namespace {

constexpr int64_t kLookNs = kNsPerSecond;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

// For a regular expression of RE2.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string Get(const std::map<std::string, std::string>& labels, const char* key) {
  const auto at = labels.find(key);
  return at == labels.end() ? "" : at->second;
}

}  // namespace

bool IsDeclaringKey(std::string_view key) {
  return key.starts_with("com.df.") || key.starts_with("skald.io/");
}

ServiceLabels ServiceOfContainer(const std::string& container,
                                 const std::map<std::string, std::string>& labels) {
  const std::string swarm = Get(labels, "com.docker.swarm.service.name");
  if (!swarm.empty()) return ServiceOfSwarm(swarm, labels);
  ServiceLabels out;
  for (const auto& [key, value] : labels) {
    if (IsDeclaringKey(key)) out.labels[key] = value;
  }
  const std::string project = Get(labels, "com.docker.compose.project");
  const std::string service = Get(labels, "com.docker.compose.service");
  if (!service.empty()) {
    out.name = project.empty() ? service : project + "_" + service;
    out.selector = "{compose_project=" + Quoted(project) + ", compose_service=" + Quoted(service) + "}";
  } else {
    out.name = container;
    out.selector = "{container=" + Quoted(container) + "}";
  }
  return out;
}

ServiceLabels ServiceOfSwarm(const std::string& service, const std::map<std::string, std::string>& labels) {
  ServiceLabels out;
  out.name = service;
  out.selector = "{container=~" + Quoted(Escaped(service) + "\\..+") + "}";  // shop_api.1.<task>
  for (const auto& [key, value] : labels) {
    if (IsDeclaringKey(key)) out.labels[key] = value;
  }
  return out;
}

ServiceLabels ServiceOfPod(const std::string& namespace_name, const std::string& app,
                           const std::map<std::string, std::string>& annotations) {
  ServiceLabels out;
  out.name = namespace_name + "/" + app;
  out.selector = "{namespace=" + Quoted(namespace_name) + ", app=" + Quoted(app) + "}";
  for (const auto& [key, value] : annotations) {
    if (IsDeclaringKey(key)) out.labels[key] = value;
  }
  return out;
}

void Declarations::SetDiscoveries(std::vector<std::weak_ptr<const DeclaringDiscovery>> discoveries) {
  const std::lock_guard<std::mutex> lock(mu_);
  discoveries_ = std::move(discoveries);
  looked_ns_ = 0;
}

void Declarations::LookAtContainers() {
  if (docker_directory_.empty()) return;
  const absl::StatusOr<std::vector<std::string>> ids = ListDirectory(docker_directory_);
  std::map<std::string, Config> found;
  if (ids.ok()) {
    for (const std::string& id : *ids) {
      const std::string path = docker_directory_ + "/" + id + "/config.v2.json";
      struct ::stat stat = {};
      if (::stat(path.c_str(), &stat) != 0) continue;
      Config config;
      config.changed_ns = stat.st_mtim.tv_sec * kNsPerSecond + stat.st_mtim.tv_nsec;
      config.size = static_cast<uint64_t>(stat.st_size);
      config.inode = stat.st_ino;
      const auto known = configs_.find(id);
      const bool same = known != configs_.end() && known->second.changed_ns == config.changed_ns &&
                        known->second.size == config.size && known->second.inode == config.inode;
      if (same) {
        config.service = known->second.service;
      } else if (const auto text = ReadWholeFile(path); text.ok()) {
        if (const auto container = ParseDockerConfig(*text))
          config.service = ServiceOfContainer(container->name, container->labels);
        else if (known != configs_.end())
          config = known->second;  // half written: as it was, until it is whole
      }
      found.emplace(id, std::move(config));
    }
  }
  configs_ = std::move(found);
}

std::shared_ptr<const skald::push::v1::PushRequest> Declarations::Current() {
  const std::lock_guard<std::mutex> lock(mu_);
  const int64_t now = MonotonicNs();
  if (looked_ns_ != 0 && now - looked_ns_ < kLookNs) return current_;
  looked_ns_ = now;
  LookAtContainers();
  // Containers of one service say the same; where they are being replaced, the last one by id counts.
  using Services = std::map<std::string, ServiceLabels>;
  const auto add = [](const ServiceLabels& service, Services* to) {
    if (!service.labels.empty()) (*to)[service.name] = service;
  };
  Services services;
  for (const auto& [id, config] : configs_) add(config.service, &services);
  for (const auto& discovery : discoveries_) {
    const auto alive = discovery.lock();
    if (alive == nullptr) continue;
    const std::optional<std::vector<ServiceLabels>> declared = alive->Declared();
    if (!declared) return current_;
    Services told;
    for (const ServiceLabels& service : *declared) add(service, &told);
    for (auto& [name, service] : told) {
      const auto [at, added] = services.try_emplace(name, service);
      if (!added) service.labels.merge(at->second.labels);
      at->second = std::move(service);
    }
  }
  auto request = std::make_shared<skald::push::v1::PushRequest>();
  auto* declarations = request->mutable_declarations();
  for (const auto& [name, service] : services) {
    auto* out = declarations->add_services();
    out->set_name(name);
    out->set_selector(service.selector);
    for (const auto& [key, value] : service.labels) {
      if (IsDeclaringKey(key)) (*out->mutable_labels())[key] = value;
    }
  }
  const auto same = [](const skald::push::v1::Declarations& a, const skald::push::v1::Declarations& b) {
    if (a.services_size() != b.services_size()) return false;
    for (int i = 0; i < a.services_size(); ++i) {
      const auto& one = a.services(i);
      const auto& other = b.services(i);
      if (one.name() != other.name() || one.selector() != other.selector() ||
          one.labels_size() != other.labels_size())
        return false;
      for (const auto& [key, value] : one.labels()) {
        const auto at = other.labels().find(key);
        if (at == other.labels().end() || at->second != value) return false;
      }
    }
    return true;
  };
  if (current_ == nullptr || !same(current_->declarations(), *declarations)) current_ = std::move(request);
  return current_;
}

}  // namespace skald::agent
