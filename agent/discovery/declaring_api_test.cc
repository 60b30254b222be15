// What services declare, asked of programs that speak the real protocols: Docker's API on a Unix socket,
// Nomad's over HTTP.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <yaml-cpp/yaml.h>

#include "agent/discovery/discovery_config.h"
#include "agent/discovery/nomad_watch.h"
#include "agent/discovery/swarm_services.h"
#include "agent/testing/script.h"
#include "base/log.h"

namespace skald::agent {
namespace {

namespace fs = std::filesystem;
using Answer = LogMetadata::Answer;

class DeclaringApiTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    root_ = testing::TempDir() + "/skald_declaring_" + std::to_string(::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void Tell(const std::string& state) {
    std::ofstream(root_ + "/state.new") << state;
    fs::rename(root_ + "/state.new", root_ + "/state");
  }
  std::string root_;
};

// "name=expression ..." of what is declared, "unknown" before it is known.
std::string Said(const DeclaringDiscovery& discovery) {
  const auto services = discovery.Declared();
  if (!services) return "unknown";
  std::string out;
  for (const ServiceLabels& service : *services) {
    const auto expr = service.labels.find("skald.io/alert.a.expr");
    out += service.name + "=" + (expr == service.labels.end() ? "" : expr->second) + " ";
  }
  return out;
}

testing::AssertionResult Comes(const DeclaringDiscovery& discovery, const std::string& want) {
  if (Await([&] { return Said(discovery) == want; })) return testing::AssertionSuccess();
  return testing::AssertionFailure() << Said(discovery) << " is not " << want;
}

class SwarmTest : public DeclaringApiTest {
 protected:
  SwarmOptions Options() {
    SwarmOptions options;
    options.socket = root_ + "/docker.sock";
    options.retry_ns = 20 * kNsPerMs;
    return options;
  }
  static std::string Service(const std::string& name, const std::string& expr) {
    return fmt::format(
        R"({{"ID":"id-{0}","Spec":{{"Name":"{0}","Labels":{{"com.docker.stack.namespace":"shop","skald.io/alert.a.expr":"{1}"}},)"
        R"("TaskTemplate":{{"ContainerSpec":{{"Image":"i"}}}}}}}})",
        name, expr);
  }
  Script Docker() { return Script("docker_double.py", {root_ + "/docker.sock", root_ + "/state"}); }
};

TEST_F(SwarmTest, ServicesOfAManager) {
  Tell(fmt::format(
      R"({{"containers":[],"services":[{},{{"ID":"x","Spec":{{"Name":"plain","Labels":{{"a":"b"}}}}}}]}})",
      Service("shop_api", "1")));
  {
    const Script docker = Docker();
    ASSERT_TRUE(Await([&] { return fs::exists(root_ + "/docker.sock"); }));
    SwarmServices swarm(Options());
    swarm.Start();
    ASSERT_TRUE(Comes(swarm, "shop_api=1 "));
    EXPECT_EQ(swarm.Declared()->front().selector, R"({container=~"shop_api\\..+"})");
    EXPECT_EQ(swarm.Declared()->front().labels.size(), 1u);
    // By events, long before the next list is due.
    Tell(fmt::format(R"({{"containers":[],"services":[{},{}]}})", Service("shop_api", "2"),
                     Service("shop_web", "3")));
    EXPECT_TRUE(Comes(swarm, "shop_api=2 shop_web=3 "));
    // A manager without its leader knows no less than before.
    Tell(R"({"containers":[],"services":[],"services_status":500})");
    Tell(R"({"containers":[],"down":true})");
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(Said(swarm), "shop_api=2 shop_web=3 ");
    Tell(fmt::format(R"({{"containers":[],"services":[{}]}})", Service("shop_web", "3")));
    EXPECT_TRUE(Comes(swarm, "shop_web=3 "));
    // A worker has no say.
    Tell(R"({"containers":[]})");
    EXPECT_TRUE(Comes(swarm, ""));
  }
}

TEST_F(SwarmTest, SaysNothingBeforeItKnows) {
  Tell(R"({"containers":[],"services_status":500})");
  const Script docker = Docker();
  ASSERT_TRUE(Await([&] { return fs::exists(root_ + "/docker.sock"); }));
  SwarmServices swarm(Options());
  EXPECT_EQ(Said(swarm), "");  // nobody asks
  swarm.Start();
  EXPECT_EQ(Said(swarm), "unknown");
  Tell(fmt::format(R"({{"containers":[],"services":[{}]}})", Service("shop_api", "1")));
  EXPECT_TRUE(Comes(swarm, "shop_api=1 "));
  // Patience ends where a socket never answers.
  Tell(R"({"containers":[],"services_status":500})");
  SwarmOptions options = Options();
  options.patience_ns = 100 * kNsPerMs;
  SwarmServices impatient(options);
  impatient.Start();
  EXPECT_TRUE(Comes(impatient, ""));
}

TEST_F(SwarmTest, WithoutASocketThereIsNoSwarm) {
  SwarmServices swarm(Options());
  swarm.Start();
  EXPECT_EQ(Said(swarm), "");
  Tell(fmt::format(R"({{"containers":[],"services":[{}]}})", Service("shop_api", "1")));
  const Script docker = Docker();  // comes later
  EXPECT_TRUE(Comes(swarm, "shop_api=1 "));
}

class NomadTest : public DeclaringApiTest {
 protected:
  void SetUp() override {
    DeclaringApiTest::SetUp();
    options_.node_name = "n1";
    options_.min_backoff_ns = 20 * kNsPerMs;
    options_.max_backoff_ns = 100 * kNsPerMs;
  }
  void Start(const std::string& at = "0") {
    nomad_ = std::make_unique<Script>("nomad_double.py", std::vector<std::string>{root_ + "/state", at});
    if (at != "0") {
      ASSERT_TRUE(Await([&] { return fs::exists(at); }));
      ASSERT_TRUE(UseNomadAddress("unix://" + at, &options_.server));
      return;
    }
    const std::string port = nomad_->ReadLine();
    ASSERT_FALSE(port.empty());
    ASSERT_TRUE(UseNomadAddress("http://127.0.0.1:" + port + "/", &options_.server));
  }
  static std::string Allocation(const std::string& id, int index, const std::string& expr,
                                const std::string& desired = "run", const std::string& client = "running",
                                const std::string& namespace_name = "default") {
    const std::string meta =
        expr.empty() ? R"({"owner":"me"})" : R"({"skald.io/alert.a.expr":")" + expr + "\"}";
    return fmt::format(
        R"({{"ID":"{}","ModifyIndex":{},"Namespace":"{}","JobID":"shop","TaskGroup":"web","NodeID":"node-1","DesiredStatus":"{}",)"
        R"("ClientStatus":"{}","Job":{{"ID":"shop","Meta":{},"TaskGroups":[)"
        R"({{"Name":"other","Meta":{{"skald.io/alert.a.expr":"of another group"}},"Tasks":[]}},)"
        R"({{"Name":"web","Meta":null,"Tasks":[{{"Name":"api","Meta":{{"com.df.notify":"true"}}}},{{"Name":"side","Meta":null}}]}}]}}}})",
        id, index, namespace_name, desired, client, meta);
  }
  void TellAllocations(const std::string& allocations, const std::string& more = "") {
    Tell(R"({"node":"node-1",)" + more + R"("allocations":[)" + allocations + "]}");
  }

  NomadOptions options_;
  std::unique_ptr<Script> nomad_;
};

TEST_F(NomadTest, JobsGroupsAndTasksDeclare) {
  TellAllocations(Allocation("a1", 5, "1"));
  Start();
  NomadWatch watch(options_);
  EXPECT_EQ(Said(watch), "unknown");
  watch.Start();
  ASSERT_TRUE(Comes(watch, "shop=1 shop_web_api= "));
  const auto declared = *watch.Declared();
  EXPECT_EQ(declared[0].selector, R"({nomad_job="shop", namespace="default"})");
  EXPECT_EQ(declared[1].selector,
            R"({nomad_job="shop", namespace="default", nomad_group="web", task="api"})");
  // Told by the request that waits.
  TellAllocations(Allocation("a1", 6, "2"));
  EXPECT_TRUE(Comes(watch, "shop=2 shop_web_api= "));
  TellAllocations(Allocation("a1", 6, "2") + "," + Allocation("a2", 7, "3", "run", "running", "prod"));
  EXPECT_TRUE(Comes(watch, "shop=2 shop_web_api= prod/shop=3 prod/shop_web_api= "));
  // Crashed, and to run again; stopped; done.
  TellAllocations(Allocation("a1", 8, "2", "run", "failed"));
  EXPECT_TRUE(Comes(watch, "shop=2 shop_web_api= "));
  TellAllocations(Allocation("a1", 9, "2", "stop", "running"));
  EXPECT_TRUE(Comes(watch, ""));
  TellAllocations(Allocation("a1", 10, "2"));
  EXPECT_TRUE(Comes(watch, "shop=2 shop_web_api= "));
  TellAllocations(Allocation("a1", 11, "2", "run", "complete"));
  EXPECT_TRUE(Comes(watch, ""));
  TellAllocations("");
  TellAllocations(Allocation("a3", 12, "4"));
  EXPECT_TRUE(Comes(watch, "shop=4 shop_web_api= "));
  // While Nomad is away, what is known stays.
  nomad_ = nullptr;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(Said(watch), "shop=4 shop_web_api= ");
}

TEST_F(NomadTest, LogsKnowTheirJob) {
  const auto path = [](const std::string& id) {
    return "/opt/nomad/alloc/" + id + "/alloc/logs/api.stdout.0";
  };
  TellAllocations(Allocation("a1", 5, ""));
  Start(root_ + "/nomad.sock");
  NomadWatch watch(options_);
  Labels meta;
  EXPECT_EQ(watch.Find(path("a1"), &meta), Answer::kNone);
  watch.Start();
  ASSERT_TRUE(Await([&] { return watch.Find(path("a1"), &meta) == Answer::kFound; }));
  const std::pair<const char*, const char*> want[] = {
      {"__meta_nomad_job", "shop"},          {"__meta_nomad_group", "web"},
      {"__meta_nomad_task", "api"},          {"__meta_nomad_stream", "stdout"},
      {"__meta_nomad_namespace", "default"}, {"__meta_nomad_alloc_id", "a1"},
      {"__meta_nomad_node_id", "node-1"}};
  for (const auto& [name, value] : want) EXPECT_EQ(meta.Get(name), value) << name;
  EXPECT_EQ(watch.Find(path("a2"), &meta), Answer::kNotYet);
  EXPECT_EQ(watch.Find("/var/log/syslog", &meta), Answer::kNone);
  absl::StatusOr<Target> target =
      MakeTarget("nomad", {NomadFiles("/opt/nomad/alloc")}, {}, {}, LogFormat::kAuto);
  ASSERT_TRUE(target.ok());
  target->discovery = Discovery::kNomad;
  target->metadata = std::shared_ptr<const LogMetadata>(&watch, [](const LogMetadata*) {});
  const LogLabels labels = DescribeLog(*target, path("a1"), "n1");
  EXPECT_EQ(
      labels.of[0].ToString(),
      R"({alloc_id="a1", job="nomad", namespace="default", node_name="n1", nomad_group="web", nomad_job="shop", stream="stdout", task="api"})");
  // Its last lines may still be read.
  const uint64_t before = watch.version();
  TellAllocations(Allocation("a2", 6, ""));
  ASSERT_TRUE(Await([&] { return watch.Find(path("a2"), &meta) == Answer::kFound; }));
  EXPECT_GT(watch.version(), before);
  EXPECT_EQ(watch.Find(path("a1"), &meta), Answer::kFound);
}

TEST_F(NomadTest, TokensAndNodes) {
  TellAllocations(Allocation("a1", 5, "1"), R"("token":"t1","hides_itself":true,)");
  Start();
  Labels meta;
  {
    NomadWatch watch(options_);
    watch.Start();
    EXPECT_TRUE(
        Await([&] { return watch.Find("/alloc/a1/alloc/logs/api.stdout.0", &meta) == Answer::kNone; }));
    EXPECT_EQ(Said(watch), "unknown");  // a token that was forgotten takes no rule away
  }
  std::ofstream(root_ + "/token") << "t1\n";
  NomadOptions by_file = options_;
  by_file.server.credentials_file = root_ + "/token";
  NomadWatch watch(by_file);  // of the node named n1
  watch.Start();
  EXPECT_TRUE(Comes(watch, "shop=1 shop_web_api= "));
}

TEST(NomadConfig, KeysOfPrometheusAndOurs) {
  const auto read = [](const std::string& text, NomadOptions* options, std::string* directory,
                       std::vector<std::string>* warnings) {
    return ReadNomadSd(YAML::Load(text), "agent.yaml", options, directory, warnings);
  };
  NomadOptions options;
  std::string directory = "/opt/nomad/data/alloc";
  std::vector<std::string> warnings;
  EXPECT_TRUE(read("{}", &options, &directory, &warnings).ok());
  EXPECT_EQ(options.server.url, "");
  EXPECT_TRUE(read("{server: 'https://nomad:4646', alloc_dir: /alloc, namespace: prod,\n"
                   " authorization: {credentials_file: /token}, tls_config: {ca_file: /ca}}",
                   &options, &directory, &warnings)
                  .ok());
  EXPECT_EQ(options.server.url, "https://nomad:4646");
  EXPECT_EQ(options.server.credentials_file, "/token");
  EXPECT_EQ(options.server.ca_file, "/ca");
  EXPECT_EQ(directory, "/alloc");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with("agent.yaml:1:")) << warnings[0];
  EXPECT_NE(warnings[0].find("namespace has no effect"), std::string::npos) << warnings[0];
  const absl::Status bad = read("{server: 'nomad:4646'}", &options, &directory, &warnings);
  EXPECT_NE(std::string(bad.message()).find("http://127.0.0.1:4646"), std::string::npos) << bad;
}

TEST_F(NomadTest, SettingsOfItsOwnTools) {
  const auto set = [](const char* name, const char* value) { ::setenv(name, value, 1); };
  HttpTarget server;
  EXPECT_FALSE(UseNomadEnvironment(&server));
  set("NOMAD_ADDR", "https://nomad.example:4646/");
  set("NOMAD_TOKEN", "t1");
  set("NOMAD_CACERT", "/ca.pem");
  set("NOMAD_TLS_SERVER_NAME", "server.global.nomad");
  set("NOMAD_SKIP_VERIFY", "true");
  EXPECT_TRUE(UseNomadEnvironment(&server));
  EXPECT_EQ(server.url, "https://nomad.example:4646");
  EXPECT_EQ(server.headers, (std::vector<std::pair<std::string, std::string>>{{"X-Nomad-Token", "t1"}}));
  EXPECT_EQ(server.ca_file, "/ca.pem");
  EXPECT_EQ(server.server_name, "server.global.nomad");
  EXPECT_TRUE(server.insecure_skip_verify);
  for (const char* name :
       {"NOMAD_ADDR", "NOMAD_TOKEN", "NOMAD_CACERT", "NOMAD_TLS_SERVER_NAME", "NOMAD_SKIP_VERIFY"})
    ::unsetenv(name);
  EXPECT_FALSE(UseNomadAddress("nomad:4646", &server));
  EXPECT_TRUE(UseNomadAddress("unix:///secrets/api.sock", &server));
  EXPECT_EQ(server.unix_socket, "/secrets/api.sock");
}

}  // namespace
}  // namespace skald::agent
