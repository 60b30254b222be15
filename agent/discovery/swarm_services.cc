#include "agent/discovery/swarm_services.h"

#include <simdjson.h>

#include <utility>

#include "agent/discovery/json_fields.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

namespace skald::agent {
namespace {

constexpr char kEvents[] = "/events?filters=%7B%22type%22%3A%5B%22service%22%5D%7D";

// The node has no say in a swarm, or whoever guards the socket does not let us see its services. A manager
// that has lost the others answers with an error too, and that says nothing about services.
bool IsNoManager(int status, const std::string& body) {
  if (status == 403 || status == 404 || status == 406) return true;
  return status == 503 && body.find("not a swarm manager") != std::string::npos;
}

}  // namespace

SwarmServices::SwarmServices(SwarmOptions options) : options_(std::move(options)), calls_(options_.socket) {}

SwarmServices::~SwarmServices() {
  calls_.Stop();
  if (thread_.joinable()) thread_.join();
}

void SwarmServices::Start() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (started_) return;
  started_ = true;
  patient_until_ns_ = MonotonicNs() + options_.patience_ns;
  if (!FileExists(options_.socket)) services_.emplace();
  thread_ = std::thread([this] { Run(); });
}

std::optional<std::vector<ServiceLabels>> SwarmServices::Declared() const {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!services_ && (!started_ || MonotonicNs() > patient_until_ns_)) return std::vector<ServiceLabels>();
  return services_;
}

void SwarmServices::Set(std::vector<ServiceLabels> services) {
  const std::lock_guard<std::mutex> lock(mu_);
  services_ = std::move(services);
}

bool SwarmServices::List() {
  DockerCall call(&calls_);
  std::string body;
  if (!call.Send("/services", 10 * kNsPerSecond)) return false;
  const int status = call.ReadAll(&body);
  if (IsNoManager(status, body)) {
    Set({});
    return true;
  }
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (status != 200 || parser.parse(body).get(list) != simdjson::SUCCESS) return false;
  std::vector<ServiceLabels> services;
  for (const simdjson::dom::element service : list) {
    const std::string name = TextOf(service["Spec"]["Name"]);
    simdjson::dom::object labels;
    if (name.empty() || service["Spec"]["Labels"].get(labels) != simdjson::SUCCESS) continue;
    std::map<std::string, std::string> texts;
    for (const auto& [key, value] : labels) texts.emplace(key, TextOf(value));
    ServiceLabels declared = ServiceOfSwarm(name, texts);
    if (!declared.labels.empty()) services.push_back(std::move(declared));
  }
  Set(std::move(services));
  return true;
}

void SwarmServices::Run() {
  while (!calls_.stopping()) {
    const int64_t began = MonotonicNs();
    bool listed = false;
    if (FileExists(options_.socket)) {
      // The stream first: what happens between it and the list is in one of them.
      DockerCall events(&calls_);
      const bool open = events.Send(kEvents, options_.refresh_ns);
      listed = List();
      if (open && listed && events.ReadHeader()) {
        while (events.ReadSome() && List()) {
        }
      }
    }
    const bool wait = !listed || MonotonicNs() - began < kNsPerSecond;
    if (wait && !calls_.Wait(options_.retry_ns)) return;
  }
}

}  // namespace skald::agent
