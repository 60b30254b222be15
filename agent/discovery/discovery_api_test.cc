// Discovery against programs that speak the real protocols: Docker's API on a Unix socket, a Kubernetes API
// server over HTTPS, with faults.
#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/discovery/docker_discovery.h"
#include "agent/discovery/http_client_config.h"
#include "agent/discovery/kubernetes_watch.h"
#include "agent/testing/script.h"
#include "base/clock.h"
#include "base/log.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;
using Answer = LogMetadata::Answer;

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    root_ = testing::TempDir() + "/skald_api_" + std::to_string(::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string root_;
};

std::string Id(char c) { return std::string(64, c); }
std::string LogOf(char c, const std::string& root = "/data") {
  return root + "/containers/" + Id(c) + "/" + Id(c) + "-json.log";
}

class DockerTest : public ApiTest {
 protected:
  void Tell(const std::string& state) {
    std::ofstream(root_ + "/state.new") << state;
    fs::rename(root_ + "/state.new", root_ + "/state");
  }
  static std::string Container(char c, const std::string& name) {
    return fmt::format(
        R"({{"Id":"{}","Names":["/{}"],"Labels":{{"com.docker.compose.project":"p"}},"HostConfig":{{"NetworkMode":"bridge"}},)"
        R"("NetworkSettings":{{"Networks":{{"net":{{"NetworkID":"n","IPAddress":"10.0.0.1"}}}}}},)"
        R"("Ports":[{{"PrivatePort":80,"PublicPort":8080,"IP":"0.0.0.0"}}],"LogPath":"{}"}})",
        Id(c), name, LogOf(c));
  }
  DockerOptions Options() {
    DockerOptions options;
    options.socket = root_ + "/docker.sock";
    options.retry_ns = 50 * kNsPerMs;
    return options;
  }
};

TEST_F(DockerTest, ListsAndFollowsEvents) {
  Tell(fmt::format(R"({{"containers":[{}]}})", Container('a', "web")));
  const Script docker("docker_double.py", {root_ + "/docker.sock", root_ + "/state"});
  ASSERT_TRUE(Await([&] { return fs::exists(root_ + "/docker.sock"); }));
  DockerDiscovery discovery(Options());
  Labels meta;
  EXPECT_EQ(discovery.Find(LogOf('a'), &meta), Answer::kNone);  // not started
  discovery.Start();
  ASSERT_TRUE(Await([&] { return discovery.Find(LogOf('a'), &meta) == Answer::kFound; }));
  const std::pair<const char*, std::string> want[] = {
      {"__meta_docker_container_id", Id('a')},
      {"__meta_docker_container_name", "/web"},
      {"__meta_docker_container_network_mode", "bridge"},
      {"__meta_docker_container_label_com_docker_compose_project", "p"},
      {"__meta_docker_network_name", "net"},
      {"__meta_docker_network_ip", "10.0.0.1"},
      {"__meta_docker_port_private", "80"},
      {"__meta_docker_port_public", "8080"}};
  for (const auto& [name, value] : want) EXPECT_EQ(meta.Get(name), value) << name;
  EXPECT_EQ(discovery.Patterns(), std::vector<std::string>{"/data/containers/*/*-json.log"});
  EXPECT_EQ(discovery.Find(LogOf('b'), &meta), Answer::kNotYet);
  EXPECT_EQ(discovery.Find("/var/log/syslog", &meta), Answer::kNone);
  // Told by an event, long before the next list is due.
  Tell(fmt::format(R"({{"containers":[{},{}]}})", Container('a', "web"), Container('b', "db")));
  const uint64_t before = discovery.version();
  ASSERT_TRUE(Await([&] { return discovery.Find(LogOf('b'), &meta) == Answer::kFound; }));
  EXPECT_GT(discovery.version(), before);
  // A daemon that restarts takes nothing away.
  Tell(R"({"containers":[],"down":true})");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(discovery.Find(LogOf('b'), &meta), Answer::kFound);
  Tell(fmt::format(R"({{"containers":[{}]}})", Container('c', "new")));
  ASSERT_TRUE(Await([&] { return discovery.Find(LogOf('c'), &meta) == Answer::kFound; }));
}

TEST_F(DockerTest, Filters) {
  Tell(fmt::format(R"({{"containers":[{},{}],"filtered":["{}"]}})", Container('a', "web"),
                   Container('b', "db"), Id('b')));
  const Script docker("docker_double.py", {root_ + "/docker.sock", root_ + "/state"});
  ASSERT_TRUE(Await([&] { return fs::exists(root_ + "/docker.sock"); }));
  DockerOptions options = Options();
  options.filters = R"({"label":["logs=yes"]})";
  DockerDiscovery discovery(options);
  discovery.Start();
  Labels meta;
  ASSERT_TRUE(Await([&] { return discovery.Find(LogOf('b'), &meta) == Answer::kFound; }));
  EXPECT_EQ(discovery.Find(LogOf('a'), &meta), Answer::kNotOurs);
}

TEST_F(DockerTest, WithoutTheSocketFilesMustDo) {
  DockerDiscovery discovery(Options());
  discovery.Start();
  Labels meta;
  ASSERT_TRUE(Await([&] { return discovery.Find(LogOf('a'), &meta) == Answer::kNone; }));
}

class KubernetesTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    api_ = std::make_unique<Script>("kubernetes_double.py", std::vector<std::string>{root_});
    port_ = api_->ReadLine();
    ASSERT_FALSE(port_.empty());
    std::ofstream(root_ + "/token") << "t1\n";
    options_.server.url = "https://127.0.0.1:" + port_;
    options_.server.ca_file = root_ + "/ca.crt";
    options_.server.credentials_file = root_ + "/token";
    options_.node_name = "n1";
    options_.cache_file = root_ + "/cache/pods";
    options_.min_backoff_ns = 20 * kNsPerMs;
    options_.max_backoff_ns = 100 * kNsPerMs;
    HttpTarget control;
    control.url = options_.server.url + "/control";
    control.ca_file = options_.server.ca_file;
    control_ = std::make_unique<HttpPoster>(control);
  }
  void Control(const std::string& command) { ASSERT_TRUE(control_->Post(command, {}).ok()) << command; }
  static std::string Pod(const std::string& uid, const std::string& name, const std::string& app,
                         const std::string& node = "n1", const std::string& annotations = "{}") {
    return fmt::format(
        R"({{"put":{{"metadata":{{"uid":"{}","name":"{}","namespace":"shop","labels":{{"app":"{}"}},"annotations":{},)"
        R"("ownerReferences":[{{"kind":"ReplicaSet","name":"web-5d9c7b8f6c","controller":true}}]}},)"
        R"("spec":{{"nodeName":"{}","containers":[{{"name":"main","image":"i:1","ports":[{{"containerPort":80,"name":"http"}}]}}],)"
        R"("initContainers":[{{"name":"setup","image":"s:1"}}]}},"status":{{"podIP":"10.1.1.1","hostIP":"10.0.0.1","phase":"Running",)"
        R"("conditions":[{{"type":"Ready","status":"True"}}],"containerStatuses":[{{"name":"main","containerID":"containerd://77"}}]}}}}}})",
        uid, name, app, annotations, node);
  }
  static std::string Path(const std::string& uid, const std::string& name = "web",
                          const std::string& container = "main") {
    return "/var/log/pods/shop_" + name + "_" + uid + "/" + container + "/0.log";
  }
  std::string AppOf(const KubernetesWatch& watch, const std::string& uid) {
    Labels meta;
    const Answer answer = watch.Find(Path(uid), &meta);
    return answer == Answer::kFound ? std::string(meta.Get("__meta_kubernetes_pod_label_app")) : "";
  }
  void AwaitApp(const KubernetesWatch& watch, const std::string& uid, const std::string& app) {
    EXPECT_TRUE(Await([&] { return AppOf(watch, uid) == app; }))
        << uid << " is " << AppOf(watch, uid) << ", not " << app;
  }

  std::unique_ptr<Script> api_;
  std::string port_;
  KubernetesOptions options_;
  std::unique_ptr<HttpPoster> control_;
};

TEST_F(KubernetesTest, IsAskedAsAKubeconfigSays) {
  Control(Pod("u1", "web", "one"));
  const absl::StatusOr<std::string> ca = ReadWholeFile(options_.server.ca_file);
  ASSERT_TRUE(ca.ok()) << ca.status();
  std::ofstream(root_ + "/kubeconfig") << fmt::format(
      "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
      "clusters: [{{name: c, cluster: {{server: '{}', certificate-authority-data: {}}}}}]\n"
      "users: [{{name: u, user: {{token: t1}}}}]\n",
      options_.server.url, absl::Base64Escape(*ca));
  KubernetesOptions options = options_;
  options.server = {};
  ASSERT_TRUE(ReadKubeconfig(root_ + "/kubeconfig", &options.server).ok());
  KubernetesWatch watch(options);
  watch.Start();
  AwaitApp(watch, "u1", "one");
}

TEST_F(KubernetesTest, ListsWatchesAndKeepsToItsNode) {
  Control(Pod("u1", "web", "one"));
  Control(Pod("u2", "web", "two", "n2"));
  Control(Pod("u3", "static", "three", "n1", R"({"kubernetes.io/config.hash":"h3"})"));
  KubernetesWatch watch(options_);
  watch.Start();
  AwaitApp(watch, "u1", "one");
  Labels meta;
  ASSERT_EQ(watch.Find(Path("u1"), &meta), Answer::kFound);
  const std::pair<const char*, const char*> want[] = {
      {"__meta_kubernetes_namespace", "shop"},
      {"__meta_kubernetes_pod_name", "web"},
      {"__meta_kubernetes_pod_uid", "u1"},
      {"__meta_kubernetes_pod_node_name", "n1"},
      {"__meta_kubernetes_pod_ip", "10.1.1.1"},
      {"__meta_kubernetes_pod_host_ip", "10.0.0.1"},
      {"__meta_kubernetes_pod_phase", "Running"},
      {"__meta_kubernetes_pod_ready", "true"},
      {"__meta_kubernetes_pod_controller_kind", "ReplicaSet"},
      {"__meta_kubernetes_pod_controller_name", "web-5d9c7b8f6c"},
      {"__meta_kubernetes_pod_labelpresent_app", "true"},
      {"__meta_kubernetes_pod_container_name", "main"},
      {"__meta_kubernetes_pod_container_id", "containerd://77"},
      {"__meta_kubernetes_pod_container_image", "i:1"},
      {"__meta_kubernetes_pod_container_init", "false"},
      {"__meta_kubernetes_pod_container_port_number", "80"},
      {"__meta_kubernetes_pod_container_port_name", "http"}};
  for (const auto& [name, value] : want) EXPECT_EQ(meta.Get(name), value) << name;
  ASSERT_EQ(watch.Find(Path("u1", "web", "setup"), &meta), Answer::kFound);
  EXPECT_EQ(meta.Get("__meta_kubernetes_pod_container_init"), "true");
  EXPECT_EQ(AppOf(watch, "h3"), "three");  // a static pod's directory has its configuration's hash
  ASSERT_EQ(watch.Find("/var/log/containers/web_shop_main-" + Id('1') + ".log", &meta), Answer::kFound);
  EXPECT_EQ(watch.Find(Path("u2"), &meta), Answer::kNotYet);
  EXPECT_EQ(watch.Find("/var/log/syslog", &meta), Answer::kNone);
  // Events.
  Control(Pod("u4", "web", "four"));
  AwaitApp(watch, "u4", "four");
  Control(Pod("u1", "web", "changed"));
  AwaitApp(watch, "u1", "changed");
  const uint64_t before = watch.version();
  Control(R"({"delete":"u4"})");
  EXPECT_TRUE(Await([&] { return watch.version() > before; }));
  EXPECT_EQ(AppOf(watch, "u4"), "four");  // its last lines may still be read
  EXPECT_EQ(watch.stats().lists, 1u);
  EXPECT_EQ(watch.stats().failures, 0u);
}

// What pods declare is known as long as they are there, and not before the server has told of all of them.
TEST_F(KubernetesTest, AnnotationsDeclareAlerts) {
  const auto declared = [](const KubernetesWatch& watch, const std::string& expr) {
    const auto services = watch.Declared();
    return services && services->size() == 1 &&
           services->front().labels.at("skald.io/alert.errors.expr") == expr;
  };
  const auto annotated = [](const std::string& expr) {
    return Pod("u1", "web", "api", "n1",
               R"({"skald.io/alert.errors.expr":")" + expr + R"(","checksum/config":"1"})");
  };
  Control(annotated("vector(1) > 0"));
  Control(Pod("u2", "web", "plain"));
  {
    KubernetesWatch watch(options_);
    EXPECT_FALSE(watch.Declared().has_value());
    watch.Start();
    ASSERT_TRUE(Await([&] { return declared(watch, "vector(1) > 0"); }));
    const ServiceLabels service = watch.Declared()->front();
    EXPECT_EQ(service.name, "shop/api");
    EXPECT_EQ(service.selector, R"({namespace="shop", app="api"})");
    EXPECT_EQ(service.labels.size(), 1u);
    Control(annotated("vector(2) > 0"));
    EXPECT_TRUE(Await([&] { return declared(watch, "vector(2) > 0"); }));
  }
  KubernetesWatch watch(options_);
  watch.Start();
  ASSERT_TRUE(Await([&] { return declared(watch, "vector(2) > 0"); }));
  Control(R"({"delete":"u1"})");
  EXPECT_TRUE(Await([&] { return watch.Declared() && watch.Declared()->empty(); }));
  // Pods out of the cache say nothing about what others there are.
  api_ = nullptr;
  KubernetesWatch blind(options_);
  blind.Start();
  ASSERT_TRUE(Await([&] { return blind.stats().failures > 0; }));
  EXPECT_FALSE(blind.Declared().has_value());
}

// An annotation that comes and goes switches a pod's log off and on.
TEST_F(KubernetesTest, AnnotationsSwitchLogs) {
  const auto annotated = [](const std::string& annotations) {
    return Pod("u1", "web", "api", "n1", annotations);
  };
  Control(annotated(R"({"logs.skald.io/exclude":"true"})"));
  auto watch = std::make_shared<KubernetesWatch>(options_);
  watch->Start();
  auto target = MakeTarget("pods", {PodFiles(kPodsDirectory)}, {}, {}, LogFormat::kAuto);
  ASSERT_TRUE(target.ok());
  target->discovery = Discovery::kKubernetes;
  target->metadata = watch;
  const auto kind = [&] { return DescribeLog(*target, Path("u1"), "n1").kind; };
  AwaitApp(*watch, "u1", "api");
  EXPECT_EQ(kind(), LogLabels::Kind::kTaken);  // nobody allowed it
  target->switches = *LogSwitches::Make("exclude,include-containers,tenant", {});
  EXPECT_EQ(kind(), LogLabels::Kind::kUnwanted);
  EXPECT_TRUE(DescribeLog(*target, Path("u1"), "n1").switched_off);
  Control(annotated(R"({"logs.skald.io/include-containers":"main","logs.skald.io/tenant":"blue"})"));
  EXPECT_TRUE(Await([&] { return kind() == LogLabels::Kind::kTaken; }));
  EXPECT_EQ(DescribeLog(*target, Path("u1"), "n1").of[1].Get("__tenant_id__"), "blue");
  EXPECT_EQ(DescribeLog(*target, Path("u1", "web", "setup"), "n1").kind, LogLabels::Kind::kUnwanted);
}

TEST_F(KubernetesTest, GoesOnFromItsBookmark) {
  Control(Pod("u1", "web", "one"));
  KubernetesWatch watch(options_);
  watch.Start();
  AwaitApp(watch, "u1", "one");
  // Nothing but the bookmark tells the version that is still there after this.
  Control(R"({"bookmark":true})");
  EXPECT_TRUE(Await([&] { return watch.stats().watches >= 1; }));
  Control(Pod("u2", "web", "two"));
  AwaitApp(watch, "u2", "two");
  for (int i = 0; i < 3; ++i) {
    // Again and again: the watch may not have come to the server yet.
    const uint64_t watches = watch.stats().watches;
    ASSERT_TRUE(Await([&] {
      Control(R"({"close":true})");
      return watch.stats().watches > watches;
    }));
  }
  Control(Pod("u3", "web", "three"));
  AwaitApp(watch, "u3", "three");
  EXPECT_EQ(watch.stats().lists, 1u);
  EXPECT_EQ(watch.stats().expired, 0u);
}

TEST_F(KubernetesTest, TheKubeletKnowsWhileTheServerIsAway) {
  options_.kubelet = options_.server;
  options_.kubelet_ns = 20 * kNsPerMs;
  Control(Pod("u1", "web", "one"));
  for (const char* fault : {"reset", "refuse", "error"}) {
    Control(fmt::format(R"({{"fault":"{}"}})", fault));
    KubernetesWatch watch(options_);
    watch.Start();
    // Pods of other nodes are other kubelets'.
    AwaitApp(watch, "u1", "one");
    Control(Pod("u2", "web", fault));
    Control(Pod("u3", "web", "three", "n2"));
    AwaitApp(watch, "u2", fault);
    EXPECT_EQ(AppOf(watch, "u3"), "");
    EXPECT_FALSE(watch.Declared().has_value());  // it is not known what else there is
    EXPECT_GE(watch.stats().kubelet_lists, 1u);
    // The server is back: it tells, and alone.
    Control(R"({"fault":""})");
    EXPECT_TRUE(Await([&] { return watch.stats().synced; }));
    Control(Pod("u2", "web", "back"));
    AwaitApp(watch, "u2", "back");
    const uint64_t asked = watch.stats().kubelet_lists;
    Control(Pod("u2", "web", "again"));
    AwaitApp(watch, "u2", "again");
    EXPECT_EQ(watch.stats().kubelet_lists, asked);
    fs::remove_all(root_ + "/cache");
  }
  // It cannot select.
  options_.label_selector = "app=one";
  Control(R"({"fault":"error"})");
  KubernetesWatch watch(options_);
  watch.Start();
  EXPECT_TRUE(Await([&] { return watch.stats().failures >= 3; }));
  EXPECT_EQ(watch.stats().kubelet_lists, 0u);
}

TEST_F(KubernetesTest, ListsAnewAfter410) {
  Control(Pod("u1", "web", "one"));
  KubernetesWatch watch(options_);
  watch.Start();
  AwaitApp(watch, "u1", "one");
  // While the watch runs: as an event. Deleted pods are found out by the list.
  Control(R"({"fault":"error"})");
  Control(R"({"close":true})");
  ASSERT_TRUE(Await([&] { return watch.stats().failures > 0; }));
  Control(Pod("u2", "web", "two"));
  Control(R"({"delete":"u1"})");
  Control(R"({"compact":true})");
  Control(R"({"fault":""})");
  AwaitApp(watch, "u2", "two");
  EXPECT_GE(watch.stats().expired, 1u);
  EXPECT_EQ(watch.stats().lists, 2u);
}

TEST_F(KubernetesTest, WorksThroughOutages) {
  Control(Pod("u1", "web", "one"));
  options_.watch_ns = kNsPerSecond;
  options_.grace_ns = kNsPerSecond / 2;
  options_.list_ns = kNsPerSecond / 2;
  KubernetesWatch watch(options_);
  watch.Start();
  AwaitApp(watch, "u1", "one");
  int i = 0;
  for (const char* fault : {"reset", "error", "hang", "refuse"}) {
    Control(fmt::format(R"({{"fault":"{}"}})", fault));
    Control(R"({"close":true})");
    const uint64_t failures = watch.stats().failures;
    ASSERT_TRUE(Await([&] { return watch.stats().failures > failures + 1; })) << fault;
    EXPECT_EQ(AppOf(watch, "u1"), "one") << fault;  // what is known stays known
    const std::string uid = "new" + std::to_string(++i);
    Control(Pod(uid, "web", fault));
    Control(R"({"fault":""})");
    AwaitApp(watch, uid, fault);
  }
}

TEST_F(KubernetesTest, RemembersPodsOverARestartWithoutTheApi) {
  Control(Pod("u1", "web", "one", "n1", R"({"kubernetes.io/config.hash":"h1"})"));
  {
    KubernetesWatch watch(options_);
    watch.Start();
    AwaitApp(watch, "u1", "one");
  }
  Control(R"({"fault":"reset"})");
  KubernetesWatch watch(options_);
  watch.Start();
  EXPECT_EQ(AppOf(watch, "u1"), "one");
  EXPECT_EQ(AppOf(watch, "h1"), "one");
}

TEST_F(KubernetesTest, RefusedMeansPathsMustDo) {
  std::ofstream(root_ + "/token") << "wrong";
  KubernetesWatch watch(options_);
  watch.Start();
  Labels meta;
  EXPECT_TRUE(Await([&] { return watch.Find(Path("u1"), &meta) == Answer::kNone; }));
  // Tokens rotate, and rights are given.
  Control(Pod("u1", "web", "one"));
  std::ofstream(root_ + "/token") << "t1";
  AwaitApp(watch, "u1", "one");
}

TEST_F(KubernetesTest, SelectorsAndNamespacesDecide) {
  options_.namespaces = {"other"};
  KubernetesWatch watch(options_);
  watch.Start();
  Labels meta;
  EXPECT_EQ(watch.Find(Path("u1"), &meta), Answer::kNotOurs);
  options_.namespaces.clear();
  options_.label_selector = "app=web";
  KubernetesWatch selecting(options_);
  selecting.Start();
  EXPECT_EQ(selecting.Find(Path("u1"), &meta), Answer::kUndecided);
}

}  // namespace
}  // namespace skald::agent
