#include "agent/discovery/kubernetes_watch.h"

#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>

#include "agent/discovery/discovered_labels.h"
#include "agent/discovery/json_fields.h"
#include "agent/discovery/kubernetes_path.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/url_encode.h"

namespace skald::agent {
namespace {

constexpr char kAccount[] = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr size_t kMaxEvent = size_t{16} << 20;
constexpr size_t kMaxList = size_t{256} << 20;
constexpr int kGone = 410;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

void SetAll(simdjson::simdjson_result<simdjson::dom::element> map, std::string_view kind, Labels* meta) {
  simdjson::dom::object object;
  if (map.get(object) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : object) {
    meta->Set(MetaName("__meta_kubernetes_pod_" + std::string(kind) + "_", key), TextOf(value));
    meta->Set(MetaName("__meta_kubernetes_pod_" + std::string(kind) + "present_", key), "true");
  }
}

void SetContainers(const simdjson::dom::element& pod, const char* list, const char* statuses, bool init,
                   std::map<std::string, Labels>* out) {
  simdjson::dom::array containers;
  if (pod["spec"][list].get(containers) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element container : containers) {
    Labels& labels = (*out)[TextOf(container["name"])];
    labels.Set("__meta_kubernetes_pod_container_init", init ? "true" : "false");
    labels.Set("__meta_kubernetes_pod_container_name", TextOf(container["name"]));
    labels.Set("__meta_kubernetes_pod_container_image", TextOf(container["image"]));
    // A container is one target, however many ports it has: the first one's.
    simdjson::dom::array ports;
    if (container["ports"].get(ports) != simdjson::SUCCESS || ports.size() == 0) continue;
    const auto port = ports.at(0);
    int64_t number = 0;
    if (port["containerPort"].get(number) == simdjson::SUCCESS)
      labels.Set("__meta_kubernetes_pod_container_port_number", std::to_string(number));
    labels.Set("__meta_kubernetes_pod_container_port_name", TextOf(port["name"]));
    labels.Set("__meta_kubernetes_pod_container_port_protocol", TextOf(port["protocol"]));
  }
  simdjson::dom::array states;
  if (pod["status"][statuses].get(states) != simdjson::SUCCESS) return;
  for (const simdjson::dom::element state : states) {
    const auto found = out->find(TextOf(state["name"]));
    if (found != out->end())
      found->second.Set("__meta_kubernetes_pod_container_id", TextOf(state["containerID"]));
  }
}

void WriteLabels(const Labels& labels, JsonWriter* json) {
  json->BeginObject();
  for (const auto& [name, value] : labels) json->Key(name).String(value);
  json->EndObject();
}

template <typename Json>
Labels LabelsOf(const Json& map) {
  Labels labels;
  simdjson::dom::object object;
  if (map.get(object) != simdjson::SUCCESS) return labels;
  for (const auto& [name, value] : object) labels.Set(name, TextOf(value));
  return labels;
}

std::string NameKey(const Labels& meta) {
  return std::string(meta.Get("__meta_kubernetes_namespace")) + "/" +
         std::string(meta.Get("__meta_kubernetes_pod_name"));
}

}  // namespace

bool UseServiceAccount(KubernetesOptions* options) {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  // A pod may be without an account.
  if (host == nullptr || *host == '\0' || !FileExists(std::string(kAccount) + "/token")) return false;
  std::string name = host;
  if (name.find(':') != std::string::npos) name = "[" + name + "]";
  options->server.url = "https://" + name + ":" + (port == nullptr || *port == '\0' ? "443" : port);
  options->server.credentials_file = std::string(kAccount) + "/token";
  options->server.ca_file = std::string(kAccount) + "/ca.crt";
  return true;
}

void UseKubelet(const HttpTarget& kubelet, KubernetesOptions* options) {
  options->kubelet = kubelet;
  while (options->kubelet.url.ends_with('/')) options->kubelet.url.pop_back();
  options->kubelet.authorization_type = options->server.authorization_type;
  options->kubelet.credentials = options->server.credentials;
  options->kubelet.credentials_file = options->server.credentials_file;
}

// One namespace, or all of them: a thread that lists and watches.
class KubernetesWatch::Scope {
 public:
  Scope(KubernetesWatch* owner, size_t index, std::string name)
      : owner_(owner), index_(index), namespace_(std::move(name)), http_(owner->options_.server) {
    const KubernetesOptions& options = owner->options_;
    if (!options.kubelet.url.empty() && options.label_selector.empty() && options.field_selector.empty())
      kubelet_ = std::make_unique<HttpPoster>(options.kubelet);
  }
  ~Scope() {
    if (thread_.joinable()) thread_.join();
  }
  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

 private:
  enum class Outcome { kOk, kExpired, kRefused, kFailed };

  void Run() {
    const KubernetesOptions& options = owner_->options_;
    std::mt19937_64 random(std::random_device{}());
    int64_t backoff = options.min_backoff_ns;
    bool fresh = false;  // the next list asks the store behind the server, not the server's memory
    while (!owner_->Stopping()) {
      const int64_t began = MonotonicNs();
      Outcome outcome = Outcome::kOk;
      if (version_.empty()) outcome = List(fresh);
      if (outcome == Outcome::kOk) outcome = Watch();
      if (outcome == Outcome::kExpired) {
        version_.clear();
        fresh = true;
        Count(&Stats::expired);
      }
      if (outcome == Outcome::kOk && MonotonicNs() - began > options.min_backoff_ns) {
        backoff = options.min_backoff_ns;
        continue;
      }
      if (outcome != Outcome::kOk && outcome != Outcome::kExpired) Count(&Stats::failures);
      // Half of it at random, so that the agents of all nodes do not come at once.
      const int64_t wait =
          backoff / 2 + static_cast<int64_t>(random() % static_cast<uint64_t>(backoff / 2 + 1));
      if ((outcome == Outcome::kFailed || outcome == Outcome::kRefused) && kubelet_ != nullptr) {
        WaitWithKubelet(wait);
      } else {
        owner_->WaitFor(wait);
      }
      backoff = outcome == Outcome::kExpired ? options.min_backoff_ns
                                             : std::min(backoff * 2, options.max_backoff_ns);
    }
  }

  std::string Path(const std::string& more) const {
    const KubernetesOptions& options = owner_->options_;
    std::string field = options.node_name.empty() ? "" : "spec.nodeName=" + options.node_name;
    if (!options.field_selector.empty()) field += (field.empty() ? "" : ",") + options.field_selector;
    std::string path =
        namespace_.empty() ? "/api/v1/pods?" : "/api/v1/namespaces/" + UrlEncode(namespace_) + "/pods?";
    if (!field.empty()) path += "fieldSelector=" + UrlEncode(field) + "&";
    if (!options.label_selector.empty()) path += "labelSelector=" + UrlEncode(options.label_selector) + "&";
    return path + more;
  }

  Outcome OutcomeOf(const HttpResult& result, std::string_view what) {
    if (result.status == kGone) return Outcome::kExpired;
    if (result.ok()) {
      told_ = false;
      return Outcome::kOk;
    }
    const bool refused = result.status == 401 || result.status == 403;
    if (!told_ && !owner_->Stopping()) {
      told_ = true;
      LogWarn(refused ? "the Kubernetes API refuses: pods are known by their paths (the service account "
                        "needs get, list and "
                        "watch on pods)"
                      : "the Kubernetes API does not answer: new pods are known by their paths",
              "server={} request={} err=\"{}\"", PublicUrl(owner_->options_.server.url), what, result.Text());
    }
    if (refused && !refused_) {
      refused_ = true;
      const std::lock_guard<std::mutex> lock(owner_->mu_);
      ++owner_->refused_scopes_;
      ++owner_->version_;
    }
    return refused ? Outcome::kRefused : Outcome::kFailed;
  }

  void WaitWithKubelet(int64_t ns) {
    const int64_t end = MonotonicNs() + ns;
    while (!owner_->Stopping() && MonotonicNs() < end) {
      if (MonotonicNs() >= kubelet_at_ns_) {
        AskKubelet();
        kubelet_at_ns_ = MonotonicNs() + owner_->options_.kubelet_ns;
      }
      owner_->WaitFor(std::min(end, kubelet_at_ns_) - MonotonicNs());
    }
  }

  // Adds what is there. What is not may be on its way to the kubelet: only the server says that a pod is
  // gone.
  void AskKubelet() {
    std::string body;
    const HttpResult result = kubelet_->Get(
        "/pods",
        [&body](std::string_view piece) {
          body += piece;
          return body.size() <= kMaxList;
        },
        [this] { return owner_->Stopping(); }, owner_->options_.list_ns / kNsPerMs);
    simdjson::dom::element root;
    simdjson::dom::array items;
    if (!result.ok() || parser_.parse(body).get(root) != simdjson::SUCCESS ||
        root["items"].get(items) != simdjson::SUCCESS) {
      if (!kubelet_told_ && !owner_->Stopping())
        LogWarn("the kubelet does not tell of its pods, either", "url={} err=\"{}\"",
                PublicUrl(owner_->options_.kubelet.url), result.Text());
      kubelet_told_ = true;
      return;
    }
    kubelet_told_ = false;
    for (const simdjson::dom::element item : items) {
      if (namespace_.empty() || TextOf(item["metadata"]["namespace"]) == namespace_) PutPod(item);
    }
    owner_->SweepDeleted();
    owner_->WriteCache();
    const std::lock_guard<std::mutex> lock(owner_->mu_);
    ++owner_->stats_.kubelet_lists;
    ++owner_->version_;
  }

  void Count(uint64_t Stats::*counter) {
    const std::lock_guard<std::mutex> lock(owner_->mu_);
    ++(owner_->stats_.*counter);
  }

  Outcome List(bool fresh) {
    Count(&Stats::lists);
    std::string body;
    const HttpResult result = http_.Get(
        Path(fresh ? "" : "resourceVersion=0"),
        [&body](std::string_view piece) {
          body += piece;
          return body.size() <= kMaxList;
        },
        [this] { return owner_->Stopping(); }, owner_->options_.list_ns / kNsPerMs);
    if (const Outcome outcome = OutcomeOf(result, "list"); outcome != Outcome::kOk) return outcome;
    simdjson::dom::element root;
    simdjson::dom::array items;
    if (parser_.parse(body).get(root) != simdjson::SUCCESS) return Outcome::kFailed;
    version_ = TextOf(root["metadata"]["resourceVersion"]);
    if (version_.empty()) return Outcome::kFailed;
    std::set<std::string> listed;
    if (root["items"].get(items) == simdjson::SUCCESS) {
      for (const simdjson::dom::element item : items) listed.insert(PutPod(item));
    }
    const std::lock_guard<std::mutex> lock(owner_->mu_);
    for (auto& [uid, pod] : owner_->pods_) {
      if (pod.scope == index_ && pod.deleted_ns == 0 && !listed.contains(uid)) pod.deleted_ns = MonotonicNs();
    }
    if (!synced_) ++owner_->synced_scopes_;
    if (refused_) --owner_->refused_scopes_;
    synced_ = true;
    refused_ = false;
    ++owner_->version_;
    return Outcome::kOk;
  }

  Outcome Watch() {
    Count(&Stats::watches);
    const KubernetesOptions& options = owner_->options_;
    buffer_.clear();
    bool expired = false;
    const int64_t seconds = std::max<int64_t>(options.watch_ns / kNsPerSecond, 1);
    const HttpResult result = http_.Get(
        Path("watch=1&allowWatchBookmarks=true&resourceVersion=" + UrlEncode(version_) +
             "&timeoutSeconds=" + std::to_string(seconds)),
        [&](std::string_view piece) {
          buffer_ += piece;
          size_t begin = 0;
          for (size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', begin)) {
            expired |= !OnEvent(std::string_view(buffer_).substr(begin, end - begin));
            begin = end + 1;
          }
          buffer_.erase(0, begin);
          return !expired && buffer_.size() <= kMaxEvent;
        },
        [this] {
          owner_->SweepDeleted();
          owner_->WriteCache();
          return owner_->Stopping();
        },
        (options.watch_ns + options.grace_ns) / kNsPerMs);
    if (expired) return Outcome::kExpired;
    return OutcomeOf(result, "watch");
  }

  // False: the server cannot go on from here.
  bool OnEvent(std::string_view line) {
    if (line.empty()) return true;
    simdjson::dom::element event;
    if (parser_.parse(line.data(), line.size()).get(event) != simdjson::SUCCESS) return true;
    const std::string type = TextOf(event["type"]);
    if (type == "ERROR") return false;
    simdjson::dom::element object;
    if (event["object"].get(object) != simdjson::SUCCESS) return true;
    if (const std::string version = TextOf(object["metadata"]["resourceVersion"]); !version.empty())
      version_ = version;
    if (type == "BOOKMARK") return true;
    const std::string uid = PutPod(object);
    const std::lock_guard<std::mutex> lock(owner_->mu_);
    ++owner_->stats_.events;
    if (type == "DELETED") owner_->pods_[uid].deleted_ns = MonotonicNs();
    ++owner_->version_;
    return true;
  }

  std::string PutPod(const simdjson::dom::element& object) {
    Pod pod;
    pod.scope = index_;
    const auto metadata = object["metadata"];
    const std::string uid = TextOf(metadata["uid"]);
    Labels& meta = pod.meta;
    meta.Set("__meta_kubernetes_namespace", TextOf(metadata["namespace"]));
    meta.Set("__meta_kubernetes_pod_name", TextOf(metadata["name"]));
    meta.Set("__meta_kubernetes_pod_uid", uid);
    meta.Set("__meta_kubernetes_pod_node_name", TextOf(object["spec"]["nodeName"]));
    const auto status = object["status"];
    meta.Set("__meta_kubernetes_pod_ip", TextOf(status["podIP"]));
    meta.Set("__meta_kubernetes_pod_host_ip", TextOf(status["hostIP"]));
    meta.Set("__meta_kubernetes_pod_phase", TextOf(status["phase"]));
    meta.Set("__address__", TextOf(status["podIP"]));
    simdjson::dom::array conditions;
    if (status["conditions"].get(conditions) == simdjson::SUCCESS) {
      for (const simdjson::dom::element condition : conditions) {
        if (TextOf(condition["type"]) == "Ready")
          meta.Set("__meta_kubernetes_pod_ready", Lower(TextOf(condition["status"])));
      }
    }
    simdjson::dom::array owners;
    if (metadata["ownerReferences"].get(owners) == simdjson::SUCCESS) {
      for (const simdjson::dom::element owner : owners) {
        bool controller = false;
        if (owner["controller"].get(controller) != simdjson::SUCCESS || !controller) continue;
        meta.Set("__meta_kubernetes_pod_controller_kind", TextOf(owner["kind"]));
        meta.Set("__meta_kubernetes_pod_controller_name", TextOf(owner["name"]));
      }
    }
    SetAll(metadata["labels"], "label", &meta);
    SetAll(metadata["annotations"], "annotation", &meta);
    pod.hash = TextOf(metadata["annotations"]["kubernetes.io/config.hash"]);
    simdjson::dom::object annotations;
    if (metadata["annotations"].get(annotations) == simdjson::SUCCESS) {
      for (const auto& [key, value] : annotations) {
        if (IsDeclaringKey(key)) pod.declared[std::string(key)] = TextOf(value);
      }
    }
    SetContainers(object, "initContainers", "initContainerStatuses", true, &pod.containers);
    SetContainers(object, "containers", "containerStatuses", false, &pod.containers);
    SetContainers(object, "ephemeralContainers", "ephemeralContainerStatuses", false, &pod.containers);
    owner_->Put(uid, std::move(pod));
    return uid;
  }

  KubernetesWatch* const owner_;
  const size_t index_;
  const std::string namespace_;
  HttpPoster http_;
  std::unique_ptr<HttpPoster> kubelet_;  // nullptr = there is none to ask
  int64_t kubelet_at_ns_ = 0;            // monotonic; when it is asked again
  bool kubelet_told_ = false;
  simdjson::dom::parser parser_;
  std::string version_;  // where the next watch begins; "" = list first
  std::string buffer_;
  bool told_ = false;
  bool synced_ = false;
  bool refused_ = false;
  std::thread thread_;
};

KubernetesWatch::KubernetesWatch(KubernetesOptions options) : options_(std::move(options)) {}

KubernetesWatch::~KubernetesWatch() {
  stopping_ = true;
  scopes_.clear();
  WriteCache();
}

void KubernetesWatch::Start() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (started_) return;
    started_ = true;
  }
  ReadCache();
  std::vector<std::string> names = options_.namespaces;
  if (names.empty()) names.emplace_back();
  {
    const std::lock_guard<std::mutex> lock(mu_);
    for (size_t i = 0; i < names.size(); ++i) scopes_.push_back(std::make_unique<Scope>(this, i, names[i]));
  }
  for (const auto& scope : scopes_) scope->Start();
}

void KubernetesWatch::WaitFor(int64_t ns) const {
  const int64_t end = MonotonicNs() + ns;
  while (!Stopping() && MonotonicNs() < end)
    std::this_thread::sleep_for(
        std::chrono::nanoseconds(std::min<int64_t>(end - MonotonicNs(), 50 * kNsPerMs)));
}

void KubernetesWatch::Put(const std::string& uid, Pod pod) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!pod.hash.empty()) by_hash_[pod.hash] = uid;
  by_name_[NameKey(pod.meta)] = uid;
  pods_[uid] = std::move(pod);
  cache_dirty_ = true;
}

void KubernetesWatch::SweepDeleted() {
  const std::lock_guard<std::mutex> lock(mu_);
  const int64_t now = MonotonicNs();
  for (auto pod = pods_.begin(); pod != pods_.end();) {
    if (pod->second.deleted_ns == 0 || now - pod->second.deleted_ns < options_.keep_deleted_ns) {
      ++pod;
      continue;
    }
    const auto forget = [&](std::map<std::string, std::string>* map, const std::string& key) {
      const auto found = map->find(key);
      if (found != map->end() && found->second == pod->first) map->erase(found);
    };
    forget(&by_hash_, pod->second.hash);
    forget(&by_name_, NameKey(pod->second.meta));
    pod = pods_.erase(pod);
    cache_dirty_ = true;
  }
}

LogMetadata::Answer KubernetesWatch::Find(const std::string& path, Labels* meta) const {
  const std::optional<KubernetesPath> log = ParseKubernetesPath(path);
  const std::lock_guard<std::mutex> lock(mu_);
  if (!started_ || !log) return Answer::kNone;
  if (!options_.namespaces.empty() && std::find(options_.namespaces.begin(), options_.namespaces.end(),
                                                log->namespace_name) == options_.namespaces.end()) {
    return Answer::kNotOurs;
  }
  auto pod = pods_.find(log->uid);
  if (pod == pods_.end() && !log->uid.empty()) {
    const auto named = by_hash_.find(log->uid);
    if (named != by_hash_.end()) pod = pods_.find(named->second);
  }
  if (pod == pods_.end() && log->uid.empty()) {
    const auto named = by_name_.find(log->namespace_name + "/" + log->pod);
    if (named != by_name_.end()) pod = pods_.find(named->second);
  }
  if (pod == pods_.end()) {
    if (refused_scopes_ == scopes_.size()) return Answer::kNone;
    const bool selects = !options_.label_selector.empty() || !options_.field_selector.empty();
    return selects ? Answer::kUndecided : Answer::kNotYet;
  }
  *meta = pod->second.meta;
  const auto container = pod->second.containers.find(log->container);
  if (container != pod->second.containers.end()) {
    for (const auto& [name, value] : container->second) meta->Set(name, value);
  } else {
    meta->Set("__meta_kubernetes_pod_container_name", log->container);
  }
  return Answer::kFound;
}

std::optional<std::vector<ServiceLabels>> KubernetesWatch::Declared() const {
  const std::lock_guard<std::mutex> lock(mu_);
  if (scopes_.empty() || synced_scopes_ != scopes_.size()) return std::nullopt;
  std::vector<ServiceLabels> out;
  for (const auto& [uid, pod] : pods_) {
    if (pod.deleted_ns != 0 || pod.declared.empty()) continue;
    std::string app = AppOfMeta(pod.meta);
    if (app.empty()) app = std::string(pod.meta.Get("__meta_kubernetes_pod_name"));
    out.push_back(ServiceOfPod(std::string(pod.meta.Get("__meta_kubernetes_namespace")), app, pod.declared));
  }
  return out;
}

KubernetesWatch::Stats KubernetesWatch::stats() const {
  const std::lock_guard<std::mutex> lock(mu_);
  Stats stats = stats_;
  stats.pods = pods_.size();
  stats.synced = !scopes_.empty() && synced_scopes_ == scopes_.size();
  return stats;
}

void KubernetesWatch::WriteCache() {
  std::string text;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!cache_dirty_ || options_.cache_file.empty()) return;
    cache_dirty_ = false;
    JsonWriter json(&text);
    json.BeginObject().Key("pods").BeginArray();
    for (const auto& [uid, pod] : pods_) {
      json.BeginObject().Key("uid").String(uid).Key("hash").String(pod.hash).Key("meta");
      WriteLabels(pod.meta, &json);
      json.Key("containers").BeginObject();
      for (const auto& [name, labels] : pod.containers) {
        json.Key(name);
        WriteLabels(labels, &json);
      }
      json.EndObject().EndObject();
    }
    json.EndArray().EndObject();
  }
  const size_t slash = options_.cache_file.rfind('/');
  if (!CreateDirectories(options_.cache_file.substr(0, slash)).ok() ||
      !WriteFileAtomically(options_.cache_file, text).ok()) {
    LogWarn("pods cannot be saved: without the API, the next start knows them by their paths", "file={}",
            options_.cache_file);
  }
}

void KubernetesWatch::ReadCache() {
  if (options_.cache_file.empty()) return;
  const absl::StatusOr<std::string> text = ReadWholeFile(options_.cache_file);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array pods;
  if (!text.ok() || parser.parse(*text).get(root) != simdjson::SUCCESS ||
      root["pods"].get(pods) != simdjson::SUCCESS) {
    return;
  }
  for (const simdjson::dom::element saved : pods) {
    Pod pod;
    pod.hash = TextOf(saved["hash"]);
    pod.meta = LabelsOf(saved["meta"]);
    simdjson::dom::object containers;
    if (saved["containers"].get(containers) == simdjson::SUCCESS) {
      for (const auto& [name, labels] : containers) pod.containers[std::string(name)] = LabelsOf(labels);
    }
    Put(TextOf(saved["uid"]), std::move(pod));
  }
  const std::lock_guard<std::mutex> lock(mu_);
  cache_dirty_ = false;
  ++version_;
}

}  // namespace skald::agent
