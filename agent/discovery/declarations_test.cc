#include "agent/discovery/declarations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "agent/delivery/push_client.h"
#include "agent/delivery/push_double.h"
#include "agent/testing/test_directory.h"

namespace skald::agent {
namespace {

using Labels = std::map<std::string, std::string>;

TEST(Declarations, NamesAndSelectorsOfServices) {
  const Labels alert = {{"skald.io/alert.a.expr", "1 > 0"}, {"com.df.notify", "true"}, {"other", "x"}};
  const auto with = [&](Labels labels) {
    labels.insert(alert.begin(), alert.end());
    return labels;
  };
  const struct {
    ServiceLabels service;
    const char* name;
    const char* selector;
  } kCases[] = {
      {ServiceOfContainer("web", with({})), "web", R"({container="web"})"},
      {ServiceOfContainer("shop.x_api.1.abc", with({{"com.docker.swarm.service.name", "shop.x_api"}})),
       "shop.x_api", R"({container=~"shop\\.x_api\\..+"})"},
      {ServiceOfContainer("shop-api-1", with({{"com.docker.compose.project", "shop"},
                                              {"com.docker.compose.service", "api"}})),
       "shop_api", R"({compose_project="shop", compose_service="api"})"},
      {ServiceOfPod("prod", "api", alert), "prod/api", R"({namespace="prod", app="api"})"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(test.service.name, test.name);
    EXPECT_EQ(test.service.selector, test.selector);
    EXPECT_EQ(test.service.labels, (Labels{{"skald.io/alert.a.expr", "1 > 0"}, {"com.df.notify", "true"}}));
  }
}

class DeclaringTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // As Docker does: a new file in the place of the old one.
  void Write(const std::string& id, const std::string& name, const std::string& labels) {
    std::filesystem::create_directories(directory_ + "/" + id);
    const std::string path = directory_ + "/" + id + "/config.v2.json";
    std::ofstream(path + ".tmp") << R"({"Name":"/)" << name << R"(","Config":{"Image":"i","Labels":)"
                                 << labels << "}}";
    std::filesystem::rename(path + ".tmp", path);
  }

  static bool Await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return condition();
  }

  const std::string directory_ = TestDirectory("declarations");
};

// Over the wire: at once, at each change, anew after each connection, and when there is nothing any more.
TEST_F(DeclaringTest, TheServerHearsOfEachChange) {
  Write("c1", "web", R"({"skald.io/alert.errors.expr":"vector(1) > 0","maintainer":"me"})");
  Write("c2", "quiet", R"({"maintainer":"me"})");
  Write("c3", "torn", "{");
  auto double_ = std::make_unique<PushDouble>();
  PushClientOptions options;
  options.server = double_->address();
  options.min_backoff_ns = 10 * kNsPerMs;
  options.declarations = std::make_shared<Declarations>(directory_);
  PushClient client(options, "agent-1", [] {});
  const auto last = [&] {
    const auto all = double_->declarations();
    return all.empty() ? skald::push::v1::Declarations() : all.back().second;
  };
  ASSERT_TRUE(Await([&] { return last().services_size() == 1; }));
  EXPECT_EQ(double_->declarations().back().first, "agent-1");
  EXPECT_EQ(last().services(0).name(), "web");
  EXPECT_EQ(last().services(0).selector(), R"({container="web"})");
  EXPECT_EQ(last().services(0).labels_size(), 1);
  EXPECT_EQ(last().services(0).labels().at("skald.io/alert.errors.expr"), "vector(1) > 0");

  Write("c1", "web", R"({"skald.io/alert.errors.expr":"vector(22) > 0"})");
  EXPECT_TRUE(Await([&] {
    return last().services_size() == 1 &&
           last().services(0).labels().at("skald.io/alert.errors.expr") == "vector(22) > 0";
  }));
  // Nothing new is not said again: only what changes, or a new connection.
  const size_t said = double_->declarations().size();
  EXPECT_EQ(said, 2U);
  const int port = double_->port();
  double_->Shutdown();
  double_->Listen(port);
  EXPECT_TRUE(Await([&] { return double_->declarations().size() > said; }));
  EXPECT_EQ(last().services_size(), 1);
  std::filesystem::remove_all(directory_ + "/c1");
  EXPECT_TRUE(Await([&] { return last().services_size() == 0; }));
}

class Pods : public DeclaringDiscovery {
 public:
  std::optional<std::vector<ServiceLabels>> Declared() const override {
    const std::lock_guard<std::mutex> lock(mu_);
    return declared_;
  }
  void Set(std::optional<std::vector<ServiceLabels>> declared) {
    const std::lock_guard<std::mutex> lock(mu_);
    declared_ = std::move(declared);
  }

 private:
  mutable std::mutex mu_;
  std::optional<std::vector<ServiceLabels>> declared_;
};

// What is not known yet is not taken for nothing: that would take rules away at each start.
TEST_F(DeclaringTest, SaysNothingBeforeADiscoveryKnows) {
  Write("c1", "web", R"({"skald.io/alert.errors.expr":"vector(1) > 0"})");
  Declarations declarations(directory_);
  auto pods = std::make_shared<Pods>();
  declarations.SetDiscoveries({pods});
  EXPECT_EQ(declarations.Current(), nullptr);
  pods->Set(
      std::vector<ServiceLabels>{ServiceOfPod("prod", "api", {{"skald.io/alert.a.expr", "vector(1) > 0"}}),
                                 ServiceOfPod("prod", "plain", {{"checksum/config", "1"}})});
  declarations.SetDiscoveries({pods});
  const auto said = declarations.Current();
  ASSERT_NE(said, nullptr);
  ASSERT_EQ(said->declarations().services_size(), 2);
  EXPECT_EQ(said->declarations().services(0).name(), "prod/api");
  EXPECT_EQ(said->declarations().services(1).name(), "web");
  pods->Set(std::nullopt);
  declarations.SetDiscoveries({pods});
  EXPECT_EQ(declarations.Current(), said);
  declarations.SetDiscoveries({});
  EXPECT_EQ(declarations.Current()->declarations().services_size(), 1);
}

}  // namespace
}  // namespace skald::agent
