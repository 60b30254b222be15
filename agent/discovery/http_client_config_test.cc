// How HTTP is spoken to others: tokens of OAuth 2.0 against a server that gives them out, and kubeconfigs.
#include "agent/discovery/http_client_config.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <yaml-cpp/yaml.h>

#include "agent/testing/script.h"
#include "base/error.h"
#include "base/oauth2.h"
#include "base/testing/temp_dir.h"

namespace skald::agent {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class OAuth2Test : public testing::Test {
 protected:
  void SetUp() override {
    Tell("header", 3600, "t1");
    double_ = std::make_unique<Script>("token_double.py", std::vector<std::string>{State()});
    url_ = "http://127.0.0.1:" + double_->ReadLine();
  }
  std::string State() const { return directory_.path() + "/state"; }
  void Tell(const std::string& place, int lasts, const std::string& token) {
    std::ofstream(State() + ".new") << fmt::format(
        R"({{"secret":"s/ecret","place":"{}","lasts":{},"valid":"{}"}})", place, lasts, token);
    std::filesystem::rename(State() + ".new", State());
  }
  // A sender as the configuration makes it.
  HttpPoster Poster(const std::string& yaml) {
    HttpTarget target;
    const YAML::Node map = YAML::Load(fmt::format("oauth2: {{token_url: {}/token, {}}}", url_, yaml));
    for (const auto& item : map) {
      const auto read = ReadHttpClientKey(item.first, item.second, "test", &target, &warnings_);
      EXPECT_TRUE(read.ok() && *read) << read.status();
    }
    target.url = url_ + "/push";
    return HttpPoster(target);
  }
  // How often, and with what, a token was asked for.
  YAML::Node Asked() {
    HttpTarget target;
    target.url = url_;
    std::string body;
    HttpPoster(target).Get(
        "/log",
        [&body](std::string_view piece) {
          body += piece;
          return true;
        },
        [] { return false; }, 10'000);
    return YAML::Load(body);
  }

  TempDir directory_;
  std::unique_ptr<Script> double_;
  std::string url_;
  std::vector<std::string> warnings_;
};

TEST_F(OAuth2Test, ATokenIsKeptUntilShortlyBeforeItEnds) {
  HttpPoster poster =
      Poster("client_id: id, client_secret: s/ecret, scopes: [a, b c], endpoint_params: {x: y}");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poster.Post("line", {}).status, 200);
  const YAML::Node asked = Asked();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0]["grant_type"][0].Scalar(), "client_credentials");
  EXPECT_EQ(asked[0]["scope"][0].Scalar(), "a b c");
  EXPECT_EQ(asked[0]["x"][0].Scalar(), "y");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(OAuth2Test, AnotherOneIsAskedForInTime) {
  // Ten seconds before its end it is replaced; one that is shorter lasts a second.
  Tell("header", 5, "short");
  HttpPoster poster = Poster("client_id: id, client_secret: s/ecret");
  EXPECT_EQ(poster.Post("line", {}).status, 200);
  EXPECT_TRUE(Await([&] {
    EXPECT_EQ(poster.Post("line", {}).status, 200);
    return Asked().size() > 1;
  }));
}

TEST_F(OAuth2Test, ATokenThatIsTakenBackIsReplacedAtOnce) {
  HttpPoster poster = Poster("client_id: id, client_secret: s/ecret");
  EXPECT_EQ(poster.Post("line", {}).status, 200);
  // Tokens may be long.
  Tell("header", 3600, std::string(5000, 'x'));
  EXPECT_EQ(poster.Post("line", {}).status, 200);
  EXPECT_THAT(Asked(), SizeIs(2));
}

TEST_F(OAuth2Test, TheSecretStandsInAFileAndGoesWhereTheServerLooksForIt) {
  Tell("body", 3600, "t1");
  std::ofstream(directory_.path() + "/secret") << "s/ecret\n";
  HttpPoster poster = Poster(fmt::format("client_id: id, client_secret_file: {}/secret", directory_.path()));
  EXPECT_EQ(poster.Post("line", {}).status, 200);
}

TEST_F(OAuth2Test, WithoutATokenItIsTriedAgain) {
  HttpPoster poster = Poster("client_id: id, client_secret: wrong");
  const HttpResult result = poster.Post("line", {});
  EXPECT_TRUE(result.retryable());
  EXPECT_THAT(result.Text(), HasSubstr("no token from " + url_ + "/token: status 401"));
}

TEST(HttpClientConfig, WrongOAuth2IsAnError) {
  for (const char* yaml :
       {"{}", "{client_id: a}", "{token_url: 'http://x'}",
        "{client_id: a, token_url: 'http://x', client_secret: a, client_secret_file: b}"}) {
    HttpTarget target;
    std::vector<std::string> warnings;
    const auto read = ReadHttpClientKey(YAML::Node("oauth2"), YAML::Load(yaml), "test", &target, &warnings);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << yaml << " " << read.status();
  }
}

TEST(HttpClientConfig, Proxies) {
  HttpTarget target;
  std::vector<std::string> warnings;
  const auto read = [&](const std::string& yaml) {
    const YAML::Node map = YAML::Load(yaml);
    absl::Status status;
    for (const auto& item : map)
      status.Update(ReadHttpClientKey(item.first, item.second, "test", &target, &warnings).status());
    return status;
  };
  ASSERT_TRUE(read("{proxy_url: 'http://u:p@h:3128', no_proxy: '.local,10.0.0.0/8',"
                   " proxy_connect_header: {X-Who: [a, b]}, proxy_from_environment: true}")
                  .ok());
  EXPECT_EQ(target.proxy_url, "http://u:p@h:3128");
  EXPECT_EQ(target.no_proxy, ".local,10.0.0.0/8");
  EXPECT_THAT(target.proxy_headers, SizeIs(2));
  EXPECT_THAT(warnings, testing::IsEmpty());
  EXPECT_THAT(read("{proxy_url: 'ftp://u:secret@h'}").ToString(),
              testing::AllOf(HasSubstr("proxy_url ftp://h begins"), testing::Not(HasSubstr("secret"))));
  ASSERT_TRUE(read("{oauth2: {client_id: a, token_url: 'http://x', proxy_url: 'http://o:1'}}").ok());
  EXPECT_EQ(target.oauth2->options().server.proxy_url, "http://o:1");
}

class KubeconfigTest : public testing::Test {
 protected:
  absl::Status Read(const std::string& cluster, const std::string& user, const std::string& more = "") {
    const std::string path = directory_.path() + "/config";
    std::ofstream(path) << fmt::format(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        "contexts:\n- {{name: other, context: {{cluster: x}}}}\n"
        "- {{name: here, context: {{cluster: c, user: u}}}}\n"
        "clusters:\n- {{name: c, cluster: {}}}\nusers:\n- {{name: u, user: {}}}\n{}",
        cluster, user, more);
    target_ = {};
    return ReadKubeconfig(path, &target_);
  }
  TempDir directory_;
  HttpTarget target_;
};

TEST_F(KubeconfigTest, FilesAreRelativeToIt) {
  const absl::Status read =
      Read("{server: 'https://h:6443/', certificate-authority: ca.crt, tls-server-name: api}",
           "{client-certificate: /abs/c.pem, client-key: keys/k.pem, tokenFile: token}");
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(target_.url, "https://h:6443");
  EXPECT_EQ(target_.ca_file, directory_.path() + "/ca.crt");
  EXPECT_EQ(target_.server_name, "api");
  EXPECT_EQ(target_.cert_file, "/abs/c.pem");
  EXPECT_EQ(target_.key_file, directory_.path() + "/keys/k.pem");
  EXPECT_EQ(target_.credentials_file, directory_.path() + "/token");
}

TEST_F(KubeconfigTest, DataStandsForFiles) {
  const absl::Status read =
      Read("{server: 'https://h', certificate-authority-data: Q0E=, insecure-skip-tls-verify: true}",
           "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ, token: t, username: n, password: p}");
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(target_.ca_pem, "CA");
  EXPECT_EQ(target_.cert_pem, "CERT");
  EXPECT_EQ(target_.key_pem, "KEY");
  EXPECT_EQ(target_.credentials, "t");
  EXPECT_EQ(target_.basic_username, "n");
  EXPECT_EQ(target_.basic_password, "p");
  EXPECT_TRUE(target_.insecure_skip_verify);
}

TEST_F(KubeconfigTest, SaysWhatIsWrong) {
  EXPECT_THAT(Read("{server: 'https://h'}", "{exec: {command: aws}}").ToString(), HasSubstr("exec"));
  EXPECT_THAT(Read("{}", "{}").ToString(), HasSubstr("no server"));
  EXPECT_THAT(Read("{server: 'https://h', certificate-authority-data: '*'}", "{}").ToString(),
              HasSubstr("no base64"));
  EXPECT_THAT(Read("{server: [", "{}").ToString(), HasSubstr("kubeconfig"));
  HttpTarget target;
  EXPECT_THAT(ReadKubeconfig(directory_.path() + "/absent", &target).ToString(), HasSubstr("absent"));
}

}  // namespace
}  // namespace skald::agent
