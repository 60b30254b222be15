#include "agent/discovery/kubernetes_path.h"

#include <gtest/gtest.h>

namespace skald::agent {
namespace {

constexpr char kId[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(KubernetesPath, Parses) {
  auto path = ParseKubernetesPath("/var/log/pods/shop_cart-7d9c5b8f6d-x2x4z_1b-2c/app/3.log");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->namespace_name, "shop");
  EXPECT_EQ(path->pod, "cart-7d9c5b8f6d-x2x4z");
  EXPECT_EQ(path->uid, "1b-2c");
  EXPECT_EQ(path->container, "app");
  EXPECT_EQ(path->restart, "3");
  path = ParseKubernetesPath("/var/log/pods/shop_cart_u/app/0.log.20250101-101010");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->restart, "0");
  path = ParseKubernetesPath(std::string("/var/log/containers/cart-0_shop_my-app-") + kId + ".log");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->namespace_name, "shop");
  EXPECT_EQ(path->pod, "cart-0");
  EXPECT_EQ(path->container, "my-app");
  EXPECT_EQ(path->container_id, kId);
  for (const char* other : {"/var/log/syslog", "/var/log/app_x_y/0.log", "/a_b_c/app/x.log",
                            "/var/log/a_b_c-12.log", "", "/", "0.log"}) {
    EXPECT_FALSE(ParseKubernetesPath(other)) << other;
  }
}

TEST(KubernetesPath, AppOfPod) {
  struct Row {
    const char* pod;
    const char* want;
  };
  const Row rows[] = {
      {"cart-7d9c5b8f6d-x2x4z", "cart"},
      {"my-cart-5d4f9c-x2x4z", "my-cart"},
      {"fluent-x2x4z", "fluent"},
      {"redis-0", "redis"},
      {"redis-12", "redis"},
      {"backup-28371234-bcdfg", "backup"},
      {"backup-28371230-bcdfg", "backup"},
      {"single", "single"},
      {"my-nginx", "my-nginx"},
      {"kube-proxy", "kube-proxy"},
      {"kube-apiserver-node-1", "kube-apiserver"},
      {"-x", "-x"},
  };
  for (const Row& row : rows) EXPECT_EQ(AppOfPod(row.pod, "node-1"), row.want) << row.pod;
}

TEST(KubernetesPath, Docker) {
  const std::string id = kId;
  EXPECT_EQ(ParseDockerPath("/var/lib/docker/containers/" + id + "/" + id + "-json.log"), id);
  EXPECT_EQ(ParseDockerPath("/var/lib/docker/containers/" + id + "/" + id + "-json.log.1"), id);
  EXPECT_FALSE(ParseDockerPath("/var/lib/docker/containers/x/x-json.log"));
  const auto config = ParseDockerConfig(
      R"({"Name":"/web","Config":{"Image":"nginx:1","Labels":{"com.docker.compose.project":"p","com.docker.compose.service":"s"}}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->name, "web");
  EXPECT_EQ(config->image, "nginx:1");
  EXPECT_EQ(config->compose_project(), "p");
  EXPECT_EQ(config->compose_service(), "s");
  EXPECT_FALSE(ParseDockerConfig("{"));
  EXPECT_FALSE(ParseDockerConfig(""));
}

}  // namespace
}  // namespace skald::agent
