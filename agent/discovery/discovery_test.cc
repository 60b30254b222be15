// Which labels a log gets from what is discovered, and targets that come, change and go while files are read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/discovery/discovered_labels.h"
#include "agent/tail/file_targets.h"
#include "agent/tail/tailer_fixture.h"

namespace skald::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr char kPod[] = "/var/log/pods/shop_web-5d9c7b8f6c-x2x4z_1234/main/0.log";

// Knows what it is told.
class Told : public LogMetadata {
 public:
  Answer Find(const std::string& path, Labels* meta) const override {
    const auto found = known.find(path);
    if (found == known.end()) return otherwise;
    *meta = found->second;
    return Answer::kFound;
  }
  uint64_t version() const override { return now; }

  std::map<std::string, Labels> known;
  Answer otherwise = Answer::kNotYet;
  uint64_t now = 1;
};

std::shared_ptr<const Relabelling> Steps(std::vector<RelabelConfig> steps) {
  auto made = Relabelling::Make(std::move(steps));
  EXPECT_TRUE(made.ok()) << made.status();
  return std::make_shared<const Relabelling>(std::move(*made));
}
RelabelConfig Copy(const std::string& from, const std::string& to) {
  RelabelConfig step;
  step.source_labels = {from};
  step.target_label = to;
  return step;
}
RelabelConfig Keep(const std::string& label, const std::string& regex, const std::string& action = "keep") {
  RelabelConfig step;
  step.action = action;
  step.source_labels = {label};
  step.regex = regex;
  return step;
}

TEST(DescribeLog, EveryActionOnWhatIsDiscovered) {
  Labels pod;
  pod.Set("__meta_kubernetes_namespace", "Shop");
  pod.Set("__meta_kubernetes_pod_name", "web-1");
  pod.Set("__meta_kubernetes_pod_label_app", "web");
  pod.Set("__meta_kubernetes_pod_label_team_name", "blue");
  pod.Set("__meta_kubernetes_pod_annotation_log", "yes");
  struct Row {
    const char* name;
    std::vector<RelabelConfig> steps;
    const char* want;  // "" = not wanted
  };
  const auto with = [](RelabelConfig step, const char* action) {
    step.action = action;
    return step;
  };
  RelabelConfig labelmap;
  labelmap.action = "labelmap";
  labelmap.regex = "__meta_kubernetes_pod_label_(.+)";
  RelabelConfig hash = with(Copy("__meta_kubernetes_pod_name", "shard"), "hashmod");
  hash.modulus = 1;
  RelabelConfig drop_label;
  drop_label.action = "labeldrop";
  drop_label.regex = "team_.*";
  RelabelConfig keep_label;
  keep_label.action = "labelkeep";
  keep_label.regex = "app|__.*";
  RelabelConfig equal = with(Copy("__meta_kubernetes_pod_label_app", "app"), "keepequal");
  const Row rows[] = {
      {"replace",
       {Copy("__meta_kubernetes_pod_label_app", "app")},
       R"({app="web", filename="/p", stream="stdout"})"},
      {"keep",
       {Copy("__meta_kubernetes_pod_label_app", "app"), Keep("__meta_kubernetes_pod_annotation_log", "no")},
       ""},
      {"drop",
       {Copy("__meta_kubernetes_pod_label_app", "app"),
        Keep("__meta_kubernetes_pod_annotation_log", "yes", "drop")},
       ""},
      {"labelmap", {labelmap}, R"({app="web", filename="/p", stream="stdout", team_name="blue"})"},
      {"labeldrop", {labelmap, drop_label}, R"({app="web", filename="/p", stream="stdout"})"},
      {"labelkeep", {labelmap, keep_label}, R"({app="web", filename="/p", stream="stdout"})"},
      {"hashmod", {hash}, R"({filename="/p", shard="0", stream="stdout"})"},
      {"lowercase",
       {with(Copy("__meta_kubernetes_namespace", "ns"), "lowercase")},
       R"({filename="/p", ns="shop", stream="stdout"})"},
      {"uppercase",
       {with(Copy("__meta_kubernetes_namespace", "ns"), "uppercase")},
       R"({filename="/p", ns="SHOP", stream="stdout"})"},
      {"keepequal",
       {Copy("__meta_kubernetes_pod_label_app", "app"), equal},
       R"({app="web", filename="/p", stream="stdout"})"},
      {"dropequal", {Copy("__meta_kubernetes_pod_label_app", "app"), with(equal, "dropequal")}, ""},
  };
  for (const Row& row : rows) {
    const auto told = std::make_shared<Told>();
    told->known["/p"] = pod;
    Target target;
    target.discovery = Discovery::kKubernetes;
    target.metadata = told;
    target.relabelling = Steps(row.steps);
    const LogLabels labels = DescribeLog(target, "/p", "n1");
    if (*row.want == '\0') {
      EXPECT_EQ(labels.kind, LogLabels::Kind::kUnwanted) << row.name;
    } else {
      EXPECT_EQ(labels.kind, LogLabels::Kind::kTaken) << row.name;
      EXPECT_EQ(labels.of[1].ToString(), row.want) << row.name;
    }
  }
}

TEST(DescribeLog, PathsDoWhereNobodyKnows) {
  Target target;
  target.discovery = Discovery::kKubernetes;
  target.relabelling = Steps({Copy("__meta_kubernetes_namespace", "namespace"),
                              Copy("__meta_kubernetes_pod_controller_name", "app"),
                              Copy("__meta_kubernetes_pod_node_name", "node_name")});
  EXPECT_EQ(DescribeLog(target, kPod, "n1").of[2].ToString(),
            std::string(R"({app="web", filename=")") + kPod +
                R"(", namespace="shop", node_name="n1", stream="stderr"})");
  // Without relabelling, the default labels; with a known pod, its own idea of its name.
  target.relabelling = nullptr;
  EXPECT_EQ(DescribeLog(target, kPod, "n1").of[1].Get("app"), "web");
  const auto told = std::make_shared<Told>();
  told->known[kPod].Set("__meta_kubernetes_pod_label_app_kubernetes_io_name", "storefront");
  target.metadata = told;
  EXPECT_EQ(DescribeLog(target, kPod, "n1").of[1].Get("app"), "storefront");
  EXPECT_EQ(DescribeLog(target, kPod, "n1").of[1].Get("job"), "shop/storefront");
}

TEST(DescribeLog, DockerFromItsFiles) {
  const std::string root = testing::TempDir() + "/skald_docker_labels";
  const std::string id(64, 'b');
  const std::string directory = root + "/" + id;
  fs::create_directories(directory);
  std::ofstream(directory + "/config.v2.json")
      << R"({"Name":"/web","Config":{"Image":"i","Labels":{"com.docker.compose.project":"p","a.b":"c"}},)"
      << R"("NetworkSettings":{"Networks":{"z":{"NetworkID":"1"},"a":{"NetworkID":"2","IPAddress":"10.0.0.2"}}}})";
  std::ofstream(directory + "/hostconfig.json") << R"({"NetworkMode":"bridge"})";
  const std::string path = directory + "/" + id + "-json.log";
  const Labels meta = DockerMetaOfPath(path);
  EXPECT_EQ(meta.Get("__meta_docker_container_name"), "/web");
  EXPECT_EQ(meta.Get("__meta_docker_container_label_a_b"), "c");
  EXPECT_EQ(meta.Get("__meta_docker_network_name"), "a");
  EXPECT_EQ(meta.Get("__meta_docker_network_ip"), "10.0.0.2");
  EXPECT_EQ(meta.Get("__meta_docker_container_network_mode"), "bridge");
  Target target;
  target.discovery = Discovery::kDocker;
  RelabelConfig name = Copy("__meta_docker_container_name", "container");
  name.regex = "/(.*)";
  target.relabelling = Steps({name, Copy("__meta_docker_container_log_stream", "logstream"),
                              Keep("__meta_docker_container_log_stream", "|stderr")});
  const LogLabels labels = DescribeLog(target, path, "n1");
  EXPECT_EQ(labels.of[2].ToString(), R"({container="web", logstream="stderr"})");
  EXPECT_TRUE(labels.dropped[1]);
  fs::remove_all(root);
}

TEST(DescribeLog, Nomad) {
  const std::string path = "/opt/nomad/data/alloc/1b-2c/alloc/logs/web.api.stderr.3";
  const auto task = ParseNomadPath(path);
  ASSERT_TRUE(task.has_value());
  EXPECT_EQ(task->task, "web.api");
  Target target;
  target.job = "nomad";
  target.discovery = Discovery::kNomad;
  EXPECT_EQ(DescribeLog(target, path, "n1").of[0].ToString(),
            R"({alloc_id="1b-2c", job="nomad", node_name="n1", stream="stderr", task="web.api"})");
  for (const char* other : {"/opt/nomad/data/alloc/x/alloc/logs/.web.stdout.fifo", "/a/alloc/logs/x.log",
                            "/logs/a.stdout.1", "/x/alloc/logs/web.other.0"})
    EXPECT_FALSE(ParseNomadPath(other)) << other;
  const auto globs = GlobPattern::ParseAll(NomadFiles(kNomadDirectory));
  EXPECT_TRUE(
      std::any_of(globs->begin(), globs->end(), [&](const GlobPattern& glob) { return glob.Matches(path); }));
}

class DiscoveryTest : public TailerTest {
 protected:
  void SetUp() override {
    TailerTest::SetUp();
    told_ = std::make_shared<Told>();
    options_.metadata_wait_ns = 100 * kNsPerSecond;
    AddTarget("logs/*.log");
    options_.targets[0].discovery = Discovery::kKubernetes;
    options_.targets[0].metadata = told_;
    options_.targets[0].relabelling = Steps({Copy("__meta_kubernetes_pod_label_app", "app"),
                                             Keep("__meta_kubernetes_pod_annotation_log", "no", "drop"),
                                             Copy("__meta_kubernetes_pod_name", "pod")});
  }
  void Tell(const std::string& name, const std::string& app, const std::string& log = "") {
    Labels& labels = told_->known[Path(name)];
    labels.Set("__meta_kubernetes_pod_label_app", app);
    if (!log.empty()) labels.Set("__meta_kubernetes_pod_annotation_log", log);
    ++told_->now;
  }
  std::string AppOf(const Line& line) {
    const size_t begin = line.labels.find("app=\"");
    return begin == std::string::npos
               ? ""
               : line.labels.substr(begin + 5, line.labels.find('"', begin + 5) - begin - 5);
  }
  std::shared_ptr<Told> told_;
};

TEST_F(DiscoveryTest, WaitsForLabelsAndKeepsTheFile) {
  Start();
  Append("a.log", "one\n");
  Append("b.log", "two\n");
  Append("c.log", "three\n");
  TurnFor(5 * kShortNs);
  EXPECT_TRUE(Take().empty());
  // A pod that is gone before anything is known of it.
  fs::remove(Path("a.log"));
  TurnFor(kShortNs);
  Tell("a.log", "first");
  Tell("b.log", "second", "no");
  EXPECT_THAT(Await(1), ElementsAre("one"));
  EXPECT_EQ(AppOf(taken_[0]), "first");
  EXPECT_TRUE(TurnAndTake().empty());
  // Nor after a restart.
  Drop();
  Start();
  TurnFor(3 * kShortNs);
  EXPECT_TRUE(Take().empty());
  // Wanted after all: from its beginning.
  Tell("b.log", "second", "yes");
  EXPECT_THAT(Await(1), ElementsAre("two"));
  // Other labels, from the next line on.
  Tell("b.log", "third", "yes");
  Turn();
  Append("b.log", "four\n");
  EXPECT_THAT(Await(1), ElementsAre("four"));
  EXPECT_EQ(AppOf(taken_.back()), "third");
}

TEST_F(DiscoveryTest, GoesOnWithThePathAfterTheWait) {
  options_.metadata_wait_ns = kShortNs;
  Start();
  Append("a.log", "one\n");
  options_.targets[0].relabelling = nullptr;
  // "pod" and "app" are not known, and the relabelling leaves nothing: not without knowing.
  TurnFor(5 * kShortNs);
  EXPECT_TRUE(Take().empty());
  Drop();
  fs::remove_all(root_ + "/state");
  Start();
  EXPECT_THAT(Await(1), ElementsAre("one"));
  EXPECT_THAT(taken_[0].labels, HasSubstr("job"));
}

TEST_F(DiscoveryTest, TheFirstTargetThatWantsIt) {
  auto second = options_.targets[0];
  second.labels.Set("second", "yes");
  options_.targets[0].relabelling =
      Steps({Keep("__meta_kubernetes_pod_label_app", "a"), Copy("__meta_kubernetes_pod_label_app", "app")});
  options_.targets.push_back(second);
  Tell("a.log", "a");
  Tell("b.log", "b");
  Append("a.log", "one\n");
  Append("b.log", "two\n");
  Start();
  EXPECT_THAT(Await(2), UnorderedElementsAre("one", "two"));
  for (const Line& line : taken_)
    EXPECT_EQ(line.labels.find("second") != std::string::npos, line.text == "two") << line.labels;
}

TEST_F(DiscoveryTest, TargetsComeAndGo) {
  options_.targets.clear();
  AddTarget("logs/a.log");
  const std::vector<Target> only_a = options_.targets;
  AddTarget("logs/b.log");
  const std::vector<Target> both = options_.targets;
  options_.targets = only_a;
  Append("a.log", "a1\n");
  Append("b.log", "b1\n");
  Start();
  EXPECT_THAT(Await(1), ElementsAre("a1"));
  tailer_->SetTargets(both);
  EXPECT_THAT(Await(1), ElementsAre("b1"));
  Append("a.log", "a2\n");
  // Not wanted any more: what is there is still read.
  tailer_->SetTargets({both[1]});
  EXPECT_THAT(Await(1), ElementsAre("a2"));
  TurnFor(3 * kShortNs);
  EXPECT_EQ(tailer_->GetStats().files, 1u);
  Append("a.log", "a3\n");
  Append("b.log", "b2\n");
  EXPECT_THAT(Await(1), ElementsAre("b2"));
  EXPECT_TRUE(TurnAndTake().empty());
  // Wanted again: it goes on.
  tailer_->SetTargets(both);
  EXPECT_THAT(Await(1), ElementsAre("a3"));
  Append("b.log", "b3\n");
  EXPECT_THAT(Await(1), ElementsAre("b3"));
}

class FileTargetsTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "/skald_file_targets";
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(root_ + "/" + name + ".new") << text;
    fs::rename(root_ + "/" + name + ".new", root_ + "/" + name);
  }
  static std::vector<std::string> LabelsOf(const FileTargets& files) {
    std::vector<std::string> labels;
    for (const Target& target : files.targets()) labels.push_back(target.labels.ToString());
    return labels;
  }
  std::string root_;
};

TEST_F(FileTargetsTest, FollowsItsFiles) {
  FileTargets files({.job = "j",
                     .files = {root_ + "/*.json", root_ + "/one.yml"},
                     .relabelling = Steps({Copy("__meta_filepath", "from"), Keep("env", "test", "drop")})});
  EXPECT_FALSE(files.Poll(0));
  Write("a.json", R"([{"targets":["x","y"],"labels":{"app":"a","__path__":"/a/*.log"}}])");
  Write("one.yml", "- labels: {app: b, __path__: /b.log}\n- labels: {env: test, __path__: /c.log}\n");
  Write("two.yml", "- labels: {app: no, __path__: /d.log}\n");
  EXPECT_TRUE(files.Poll(1));
  EXPECT_FALSE(files.Poll(2));
  EXPECT_THAT(LabelsOf(files), ElementsAre(R"({app="a", from=")" + root_ + R"(/a.json"})",
                                           R"({app="b", from=")" + root_ + R"(/one.yml"})"));
  // Not understood: what it said stays.
  Write("a.json", "[{");
  EXPECT_FALSE(files.Poll(3));
  EXPECT_THAT(files.problems(), testing::Contains(HasSubstr("a.json")));
  EXPECT_EQ(files.targets().size(), 2u);
  Write("a.json", "[]");
  EXPECT_TRUE(files.Poll(4));
  fs::remove(root_ + "/one.yml");
  EXPECT_TRUE(files.Poll(5));
  EXPECT_TRUE(files.targets().empty());
}

}  // namespace
}  // namespace skald::agent
