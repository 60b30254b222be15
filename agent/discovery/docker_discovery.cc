#include "agent/discovery/docker_discovery.h"

#include <simdjson.h>

#include <algorithm>

#include "agent/discovery/discovered_labels.h"
#include "agent/discovery/json_fields.h"
#include "agent/discovery/kubernetes_path.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/url_encode.h"

namespace skald::agent {
namespace {

// Only what changes the list: health checks make an event every few seconds.
constexpr char kEvents[] =
    "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C"
    "%22die%22%2C%22destroy%22%2C%22rename%22%2C%22update%22%5D%7D";

std::string NumberOf(simdjson::simdjson_result<simdjson::dom::element> value) {
  int64_t number = 0;
  return value.get(number) == simdjson::SUCCESS ? std::to_string(number) : std::string();
}

// One element of /containers/json.
Labels MetaOf(const simdjson::dom::element& container, const std::string& id) {
  Labels meta;
  meta.Set("__meta_docker_container_id", id);
  simdjson::dom::array names;
  if (container["Names"].get(names) == simdjson::SUCCESS && names.size() > 0)
    meta.Set("__meta_docker_container_name", TextOf(names.at(0)));
  if (const std::string mode = TextOf(container["HostConfig"]["NetworkMode"]); !mode.empty())
    meta.Set("__meta_docker_container_network_mode", mode);
  simdjson::dom::object labels;
  if (container["Labels"].get(labels) == simdjson::SUCCESS) {
    for (const auto& [key, value] : labels)
      meta.Set(MetaName("__meta_docker_container_label_", key), TextOf(value));
  }
  // A container is one target, whatever networks and ports it has: the first of them by name.
  simdjson::dom::object networks;
  std::string first;
  if (container["NetworkSettings"]["Networks"].get(networks) == simdjson::SUCCESS) {
    for (const auto& [name, network] : networks) {
      if (!first.empty() && std::string_view(first) <= name) continue;
      first = std::string(name);
      meta.Set("__meta_docker_network_name", first);
      meta.Set("__meta_docker_network_id", TextOf(network["NetworkID"]));
      meta.Set("__meta_docker_network_ip", TextOf(network["IPAddress"]));
    }
  }
  simdjson::dom::array ports;
  if (container["Ports"].get(ports) == simdjson::SUCCESS && ports.size() > 0) {
    const auto port = ports.at(0);
    meta.Set("__meta_docker_port_private", NumberOf(port["PrivatePort"]));
    const std::string shown = NumberOf(port["PublicPort"]);
    if (!shown.empty()) {
      meta.Set("__meta_docker_port_public", shown);
      meta.Set("__meta_docker_port_public_ip", TextOf(port["IP"]));
    }
  }
  return meta;
}

}  // namespace

DockerDiscovery::DockerDiscovery(DockerOptions options)
    : options_(std::move(options)), calls_(options_.socket) {}

DockerDiscovery::~DockerDiscovery() {
  calls_.Stop();
  if (thread_.joinable()) thread_.join();
}

void DockerDiscovery::Start() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (started_) return;
  started_ = true;
  thread_ = std::thread([this] { Run(); });
}

LogMetadata::Answer DockerDiscovery::Find(const std::string& path, Labels* meta) const {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!started_ || unreachable_) return Answer::kNone;
  const std::optional<std::string> id = ParseDockerPath(path);
  const auto found = id ? containers_.find(*id) : containers_.end();
  if (found == containers_.end()) return id ? Answer::kNotYet : Answer::kNone;
  if (!found->second.wanted) return Answer::kNotOurs;
  *meta = found->second.meta;
  return Answer::kFound;
}

uint64_t DockerDiscovery::version() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return version_;
}

std::vector<std::string> DockerDiscovery::Patterns() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return {patterns_.begin(), patterns_.end()};
}

void DockerDiscovery::SetState(bool reachable) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (unreachable_ == !reachable && (listed_ || !reachable)) return;
  if (!reachable && !unreachable_) {
    LogWarn("Docker's socket does not answer: containers are known by config.v2.json beside their logs",
            "socket={}", options_.socket);
  }
  // What is known stays known while the daemon restarts.
  unreachable_ = !reachable && !listed_;
  ++version_;
}

bool DockerDiscovery::Get(const std::string& target, std::string* body) {
  DockerCall call(&calls_);
  return call.Send(target, 10 * kNsPerSecond) && call.ReadAll(body) == 200;
}

bool DockerDiscovery::List() {
  std::string body;
  if (!Get("/containers/json?all=1", &body)) return false;
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(body).get(list) != simdjson::SUCCESS) return false;
  std::map<std::string, Container> now;
  for (const simdjson::dom::element container : list) {
    const std::string id = TextOf(container["Id"]);
    if (!id.empty()) now[id].meta = MetaOf(container, id);
  }
  if (!options_.filters.empty()) {
    if (!Get("/containers/json?all=1&filters=" + UrlEncode(options_.filters), &body)) return false;
    if (parser.parse(body).get(list) != simdjson::SUCCESS) return false;
    for (auto& [id, container] : now) container.wanted = false;
    for (const simdjson::dom::element container : list) {
      const auto found = now.find(TextOf(container["Id"]));
      if (found != now.end()) found->second.wanted = true;
    }
  }
  for (auto& [id, container] : now) {
    {
      const std::lock_guard<std::mutex> lock(mu_);
      const auto known = containers_.find(id);
      if (known != containers_.end() && known->second.inspected) {
        container.log_path = known->second.log_path;
        container.inspected = true;
        continue;
      }
    }
    if (!Get("/containers/" + id + "/json", &body)) continue;
    simdjson::dom::element inspected;
    if (parser.parse(body).get(inspected) != simdjson::SUCCESS) continue;
    container.inspected = true;
    container.log_path = TextOf(inspected["LogPath"]);
    if (!ParseDockerPath(container.log_path) && container.wanted) {
      LogWarn("container has no json-file, its log is not read", "id={} driver={}", id.substr(0, 12),
              TextOf(inspected["HostConfig"]["LogConfig"]["Type"]));
    }
  }
  const std::lock_guard<std::mutex> lock(mu_);
  for (const auto& [id, container] : now) {
    if (!ParseDockerPath(container.log_path)) continue;
    const std::string_view path = container.log_path;
    const std::string_view own = path.substr(0, path.rfind('/'));
    patterns_.insert(DockerFiles(own.substr(0, own.rfind('/'))));
  }
  // A removed container's file may still be read: it keeps its labels until the next list.
  for (auto& [id, container] : containers_) {
    if (container.inspected && !now.contains(id)) {
      container.inspected = false;
      now[id] = std::move(container);
    }
  }
  containers_ = std::move(now);
  listed_ = true;
  unreachable_ = false;
  ++version_;
  return true;
}

void DockerDiscovery::Run() {
  while (!calls_.stopping()) {
    const int64_t began = MonotonicNs();
    bool listed = false;
    {
      // The stream first: what happens between it and the list is in one of them.
      DockerCall events(&calls_);
      const bool open = events.Send(kEvents, options_.refresh_ns);
      listed = List();
      SetState(listed);
      if (open && listed && events.ReadHeader()) {
        while (events.ReadSome() && List()) {
        }
      }
    }
    // An event stream that only timed out is opened again at once.
    const bool wait = !listed || MonotonicNs() - began < kNsPerSecond;
    if (wait && !calls_.Wait(options_.retry_ns)) return;
  }
}

}  // namespace skald::agent
