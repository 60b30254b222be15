// Results of metric queries that are kept between questions, over HTTP and a real store: never another answer
// than reading gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"
#include "base/testing/temp_dir.h"
#include "base/types.h"
#include "server/http/url.h"
#include "server/server.h"
#include "server/testing/http_client.h"

namespace skald::server {
namespace {

using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpCall;
using ::testing::Not;

class KeptResultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.data_dir = directory_.path();
    config_.http_listen = "127.0.0.1:0";
    config_.grpc_listen = "";
    config_.compaction_interval_ns = int64_t{3600} * kNsPerSecond;  // the test itself says when
    config_.retention_enabled = true;
    config_.limits.retention_period_ns = int64_t{72 * 3600} * kNsPerSecond;
    auto server = Server::Start(config_, "");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    begin_ns_ = Clock::System().NowNs() - int64_t{7200} * kNsPerSecond;
    begin_ns_ -= begin_ns_ % (60 * kNsPerSecond);
  }

  HttpAnswer Call(const std::string& method, const std::string& target) {
    return HttpCall(server_->http_port(), method, target, {}, "");
  }
  // Lines of a stream at so many seconds after begin_ns_.
  void Push(const std::string& app, const std::vector<int>& seconds, const std::string& line = "a line") {
    std::string values;
    for (const int second : seconds) {
      values += fmt::format("{}[\"{}\",\"{}\"]", values.empty() ? "" : ",", begin_ns_ + second * kNsPerSecond,
                            line);
    }
    const std::string body =
        fmt::format(R"({{"streams":[{{"stream":{{"app":"{}"}},"values":[{}]}}]}})", app, values);
    EXPECT_EQ(HttpCall(server_->http_port(), "POST", "/loki/api/v1/push",
                       {{"Content-Type", "application/json"}}, body)
                  .status,
              204);
  }
  HttpAnswer Ask(const std::string& query, bool fresh, int from = 0, int until = 3600, int step = 10) {
    std::vector<std::pair<std::string, std::string>> headers;
    if (fresh) headers.emplace_back("Cache-Control", "no-cache");
    return HttpCall(server_->http_port(), "GET",
                    fmt::format("/loki/api/v1/query_range?query={}&start={}&end={}&step={}", UrlEncode(query),
                                begin_ns_ + from * kNsPerSecond, begin_ns_ + until * kNsPerSecond, step),
                    headers, "");
  }
  static std::string WithoutStats(const std::string& body) { return body.substr(0, body.find("\"stats\":")); }
  static uint64_t Found(const HttpAnswer& answer) {
    const std::string key = "\"result\":{\"entriesFound\":";
    const size_t at = answer.body.find(key);
    return at == std::string::npos ? 0 : std::stoull(answer.body.substr(at + key.size()));
  }
  // The kept answer, which is the fresh one.
  HttpAnswer ExpectSame(const std::string& query, int from = 0, int until = 3600, int step = 10) {
    HttpAnswer kept = Ask(query, false, from, until, step);
    EXPECT_EQ(kept.status, 200) << kept.body;
    const HttpAnswer fresh = Ask(query, true, from, until, step);
    EXPECT_EQ(Found(fresh), 0u);
    EXPECT_EQ(WithoutStats(kept.body), WithoutStats(fresh.body)) << query;
    return kept;
  }
  void Delete(const std::string& query, int from, int until) {
    EXPECT_EQ(Call("POST", fmt::format("/loki/api/v1/delete?query={}&start={}&end={}", UrlEncode(query),
                                       begin_ns_ / kNsPerSecond + from, begin_ns_ / kNsPerSecond + until))
                  .status,
              204);
  }

  const TempDir directory_;
  ServerConfig config_;
  std::unique_ptr<Server> server_;
  int64_t begin_ns_ = 0;
};

constexpr const char* kCount = "sum by (app) (count_over_time({app=~\".+\"}[20s]))";

TEST_F(KeptResultsTest, AskedAgain) {
  Push("a", {5, 15, 25, 1000, 3000});
  EXPECT_EQ(Found(ExpectSame(kCount)), 0u);
  EXPECT_EQ(Found(ExpectSame(kCount)), 361u);
  EXPECT_EQ(Found(ExpectSame(kCount, 10, 3610)), 360u);
  const std::string metrics = Call("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("skald_query_results_hits_total 721"));
  EXPECT_THAT(metrics, HasSubstr("skald_query_results_misses_total 362"));
  EXPECT_THAT(metrics, Not(HasSubstr("skald_query_results_bytes 0")));
}

TEST_F(KeptResultsTest, LateLinesDeletesAndRetention) {
  Push("a", {5, 15, 25, 1000, 3000});
  ExpectSame(kCount);
  Push("a", {1007});
  Push("a", {2000});
  EXPECT_EQ(Found(ExpectSame(kCount)), 361u - 4u);
  Delete("{app=\"a\"} |= \"line\"", 900, 1005);
  EXPECT_EQ(Found(ExpectSame(kCount)), 0u);
  EXPECT_EQ(Found(ExpectSame(kCount)), 361u);
  // Older than lines are kept for; they go when there is a look for such.
  const int old = -int{73 * 3600};
  Push("a", {old, old + 5});
  EXPECT_THAT(ExpectSame(kCount, old - 30, old + 60).body, HasSubstr("\"2\"]"));
  EXPECT_EQ(Call("POST", "/flush").status, 204);
  EXPECT_GT(Found(ExpectSame(kCount, old - 30, old + 60)), 0u);
  ASSERT_TRUE(server_->store()->Compact().ok());
  EXPECT_THAT(ExpectSame(kCount, old - 30, old + 60).body, Not(HasSubstr("\"2\"]")));
}

TEST_F(KeptResultsTest, RandomPushesDeletesAndQuestions) {
  const std::string queries[] = {
      kCount, "sum(count_over_time({app=\"a\"}[1m]))", "bytes_over_time({app=~\"a|b\"}[15s])",
      "sum(count_over_time({app=~\".+\"} |= \"error\" [30s])) / sum(count_over_time({app=~\".+\"}[30s]))",
      "absent_over_time({app=\"c\"}[10s])"};
  std::mt19937_64 random(1);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 150; ++round) {
    switch (below(12)) {
      case 0:
        Delete(fmt::format("{{app=\"{}\"}} |= \"{}\"", static_cast<char>('a' + below(3)),
                           below(2) == 0 ? "error" : "fine"),
               below(3000), 3000 + below(600));
        break;
      case 1:
        EXPECT_EQ(Call("POST", "/flush").status, 204);
        break;
      case 2:
        EXPECT_TRUE(server_->store()->Compact().ok());
        break;
      default:
        std::vector<int> seconds;
        for (int i = 1 + below(5); i > 0; --i) seconds.push_back(below(3600));
        Push(std::string(1, static_cast<char>('a' + below(3))), seconds, below(2) == 0 ? "an error" : "fine");
    }
    const int from = below(3) * below(1200);
    ExpectSame(queries[below(5)], from, from + 600 + below(1800), below(2) == 0 ? 10 : 60);
    if (HasFailure()) return;
  }
  EXPECT_GT(server_->store()->Stats().segments, 0u);
}

}  // namespace
}  // namespace skald::server
