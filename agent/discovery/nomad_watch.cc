#include "agent/discovery/nomad_watch.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <utility>

#include "agent/discovery/discovered_labels.h"
#include "agent/discovery/json_fields.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/url_encode.h"

namespace skald::agent {
namespace {

using Element = simdjson::simdjson_result<simdjson::dom::element>;

constexpr size_t kMaxBody = size_t{256} << 20;
constexpr int64_t kAskNs = 10 * kNsPerSecond;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

// Elements of an array, none where it is none.
template <typename List, typename With>
void ForEach(const List& list, const With& with) {
  simdjson::dom::array array;
  if (list.get(array) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element one : array) with(one);
}

// A job, a group or a task, by its own meta.
void AddDeclared(const Element& meta, std::string name, std::string selector,
                 std::vector<ServiceLabels>* out) {
  simdjson::dom::object object;
  if (meta.get(object) != simdjson::SUCCESS) return;
  ServiceLabels service;
  for (const auto& [key, value] : object) {
    if (IsDeclaringKey(key)) service.labels.emplace(key, TextOf(value));
  }
  if (service.labels.empty()) return;
  service.name = std::move(name);
  service.selector = std::move(selector);
  out->push_back(std::move(service));
}

std::vector<ServiceLabels> DeclaredBy(const simdjson::dom::element& allocation) {
  std::vector<ServiceLabels> out;
  const std::string namespace_name = TextOf(allocation["Namespace"]);
  const std::string job_name = TextOf(allocation["JobID"]);
  const std::string group_name = TextOf(allocation["TaskGroup"]);
  const bool is_default = namespace_name.empty() || namespace_name == "default";
  const std::string name = is_default ? job_name : namespace_name + "/" + job_name;
  std::string selector = "{nomad_job=" + Quoted(job_name);
  if (!namespace_name.empty()) selector += ", namespace=" + Quoted(namespace_name);
  const Element job = allocation["Job"];
  AddDeclared(job["Meta"], name, selector + "}", &out);
  ForEach(job["TaskGroups"], [&](const simdjson::dom::element& group) {
    if (TextOf(group["Name"]) != group_name) return;
    selector += ", nomad_group=" + Quoted(group_name);
    AddDeclared(group["Meta"], name + "_" + group_name, selector + "}", &out);
    ForEach(group["Tasks"], [&](const simdjson::dom::element& task) {
      const std::string task_name = TextOf(task["Name"]);
      AddDeclared(task["Meta"], name + "_" + group_name + "_" + task_name,
                  selector + ", task=" + Quoted(task_name) + "}", &out);
    });
  });
  return out;
}

Labels MetaOf(const simdjson::dom::element& allocation) {
  Labels meta;
  const std::pair<const char*, const char*> fields[] = {{"__meta_nomad_namespace", "Namespace"},
                                                        {"__meta_nomad_job", "JobID"},
                                                        {"__meta_nomad_group", "TaskGroup"},
                                                        {"__meta_nomad_node_id", "NodeID"}};
  for (const auto& [label, field] : fields) {
    if (const std::string value = TextOf(allocation[field]); !value.empty()) meta.Set(label, value);
  }
  return meta;
}

// Whether it is to go on: one that has crashed and waits for its next attempt is.
bool IsWanted(const simdjson::dom::element& allocation) {
  const std::string status = TextOf(allocation["ClientStatus"]);
  return TextOf(allocation["DesiredStatus"]) == "run" && status != "complete" && status != "lost";
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

bool UseNomadAddress(std::string_view address, HttpTarget* server) {
  while (address.ends_with('/')) address.remove_suffix(1);
  constexpr std::string_view kUnix = "unix://";
  if (address.starts_with(kUnix) && address.size() > kUnix.size()) {
    server->unix_socket = address.substr(kUnix.size());
    server->url = "http://nomad";
    return true;
  }
  if (!address.starts_with("http://") && !address.starts_with("https://")) return false;
  server->url = address;
  return true;
}

bool UseNomadEnvironment(HttpTarget* server) {
  if (const std::string token = Variable("NOMAD_TOKEN"); !token.empty())
    server->headers.emplace_back("X-Nomad-Token", token);
  server->ca_file = Variable("NOMAD_CACERT");
  server->cert_file = Variable("NOMAD_CLIENT_CERT");
  server->key_file = Variable("NOMAD_CLIENT_KEY");
  server->server_name = Variable("NOMAD_TLS_SERVER_NAME");
  server->insecure_skip_verify = ParseConfigBool(Variable("NOMAD_SKIP_VERIFY")).value_or(false);
  return UseNomadAddress(Variable("NOMAD_ADDR"), server);
}

NomadWatch::NomadWatch(NomadOptions options) : options_(std::move(options)), http_(options_.server) {}

NomadWatch::~NomadWatch() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void NomadWatch::Start() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (started_) return;
  started_ = true;
  thread_ = std::thread([this] { Run(); });
}

LogMetadata::Answer NomadWatch::Find(const std::string& path, Labels* meta) const {
  const std::optional<NomadTask> task = ParseNomadPath(path);
  const std::lock_guard<std::mutex> lock(mu_);
  if (!started_ || !task) return Answer::kNone;
  const auto known = allocations_.find(task->alloc_id);
  if (known == allocations_.end()) return refused_ ? Answer::kNone : Answer::kNotYet;
  *meta = NomadMetaOfPath(path);
  for (const auto& [name, value] : known->second.meta) meta->Set(name, value);
  return Answer::kFound;
}

std::optional<std::vector<ServiceLabels>> NomadWatch::Declared() const {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!listed_) return std::nullopt;
  std::vector<ServiceLabels> out;
  for (const auto& [id, allocation] : allocations_)
    out.insert(out.end(), allocation.declared.begin(), allocation.declared.end());
  return out;
}

NomadWatch::Outcome NomadWatch::Get(const std::string& path, int64_t timeout_ns, std::string* body) {
  body->clear();
  const HttpResult result = http_.Get(
      path,
      [body](std::string_view piece) {
        body->append(piece);
        return body->size() <= kMaxBody;
      },
      [this] { return stopping_.load(); }, timeout_ns / kNsPerMs);
  if (result.ok()) {
    const std::lock_guard<std::mutex> lock(mu_);
    refused_ = false;
    return Outcome::kOk;
  }
  const bool refused = result.status == 401 || result.status == 403;
  if (!told_ && !stopping_) {
    told_ = true;
    LogWarn(refused
                ? "Nomad's API refuses: tasks are known by their paths (the token needs node:read and the "
                  "namespaces' read-job)"
                : "Nomad's API does not answer: tasks are known by their paths",
            "server={} request={} err=\"{}\"", PublicUrl(options_.server.url), path, result.Text());
  }
  return refused ? Outcome::kRefused : Outcome::kFailed;
}

// The agent that is asked is this node's own, or it knows the node by its name.
NomadWatch::Outcome NomadWatch::FindNode() {
  std::string body;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (Get("/v1/agent/self", kAskNs, &body) == Outcome::kOk &&
      parser.parse(body).get(root) == simdjson::SUCCESS)
    node_id_ = TextOf(root["stats"]["client"]["node_id"]);
  if (!node_id_.empty()) return Outcome::kOk;
  const Outcome outcome = Get("/v1/nodes", kAskNs, &body);
  if (outcome != Outcome::kOk) return outcome;
  if (parser.parse(body).get(root) != simdjson::SUCCESS) return Outcome::kFailed;
  ForEach(root, [&](const simdjson::dom::element& node) {
    if (TextOf(node["Name"]) == options_.node_name) node_id_ = TextOf(node["ID"]);
  });
  if (!node_id_.empty()) return Outcome::kOk;
  if (!std::exchange(told_, true)) {
    LogWarn("Nomad knows no node of this name: tasks are known by their paths", "server={} node={}",
            PublicUrl(options_.server.url), options_.node_name);
  }
  return Outcome::kFailed;
}

NomadWatch::Outcome NomadWatch::List() {
  std::string path = "/v1/node/" + UrlEncode(node_id_) + "/allocations?stale=true";
  // Answers when something has a higher index.
  if (index_ > 0) path += fmt::format("&index={}&wait={}s", index_, options_.wait_ns / kNsPerSecond);
  std::string body;
  const Outcome outcome = Get(path, options_.wait_ns + options_.grace_ns, &body);
  if (outcome != Outcome::kOk) return outcome;
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (parser.parse(body).get(list) != simdjson::SUCCESS) return Outcome::kFailed;
  told_ = false;
  std::map<std::string, Allocation> now;
  uint64_t newest = 0;
  for (const simdjson::dom::element one : list) {
    uint64_t index = 0;
    if (one["ModifyIndex"].get(index) == simdjson::SUCCESS) newest = std::max(newest, index);
    Allocation& allocation = now[TextOf(one["ID"])];
    allocation.meta = MetaOf(one);
    if (IsWanted(one)) allocation.declared = DeclaredBy(one);
  }
  index_ = newest;
  const std::lock_guard<std::mutex> lock(mu_);
  const int64_t now_ns = MonotonicNs();
  // The last lines of one that is gone may still be read.
  for (auto& [id, allocation] : allocations_) {
    if (now.contains(id)) continue;
    if (allocation.gone_ns == 0) allocation.gone_ns = now_ns;
    allocation.declared.clear();
    if (now_ns - allocation.gone_ns < options_.keep_gone_ns) now.emplace(id, std::move(allocation));
  }
  allocations_ = std::move(now);
  listed_ = true;
  ++version_;
  return Outcome::kOk;
}

void NomadWatch::Run() {
  int64_t backoff = options_.min_backoff_ns;
  while (!stopping_) {
    const int64_t began = MonotonicNs();
    const uint64_t before = index_;
    Outcome outcome = node_id_.empty() ? FindNode() : Outcome::kOk;
    if (outcome == Outcome::kOk) outcome = List();
    if (outcome == Outcome::kRefused) {
      const std::lock_guard<std::mutex> lock(mu_);
      if (!std::exchange(refused_, true)) ++version_;
    }
    int64_t wait_ns = 0;
    if (outcome != Outcome::kOk) {
      node_id_.clear();  // Nomad may have begun anew
      index_ = 0;
      wait_ns = backoff;
      backoff = std::min(2 * backoff, options_.max_backoff_ns);
    } else {
      backoff = options_.min_backoff_ns;
      // What answers at once without news, such as a node without allocations, is asked in turns.
      if (index_ == 0 || index_ == before) wait_ns = options_.min_backoff_ns - (MonotonicNs() - began);
    }
    const int64_t end = MonotonicNs() + wait_ns;
    while (!stopping_ && MonotonicNs() < end) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace skald::agent
