// The real server with a real store, over real sockets on loopback.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include <chrono>
#include <map>
#include <thread>

#include "base/error.h"
#include "base/testing/temp_dir.h"
#include "proto/logproto.grpc.pb.h"
#include "proto/push.grpc.pb.h"
#include "proto/rows_codec.h"
#include "server/http/url.h"
#include "server/server.h"
#include "server/testing/http_client.h"

namespace skald::server {
namespace {

using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpCall;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kT0 = 1'793'534'400 * kSecond;  // long ago: any past time is taken

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.data_dir = directory_.path();
    config_.http_listen = "127.0.0.1:0";
    config_.grpc_listen = "127.0.0.1:0";
  }

  void Start() {
    server_ = nullptr;
    auto server = Server::Start(config_, "yaml: shown\n");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  HttpAnswer Get(const std::string& target,
                 const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    return HttpCall(server_->http_port(), "GET", target, headers, "");
  }
  HttpAnswer PushJson(const std::string& json,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
    headers.emplace_back("Content-Type", "application/json");
    return HttpCall(server_->http_port(), "POST", "/loki/api/v1/push", headers, json);
  }
  HttpAnswer Query(const std::string& query,
                   const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    return Get(fmt::format("/loki/api/v1/query_range?query={}&start={}&end={}&direction=forward&limit=1000",
                           UrlEncode(query), kT0, kT0 + 3600 * kSecond),
               headers);
  }

  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel(fmt::format("127.0.0.1:{}", server_->grpc_port()),
                               grpc::InsecureChannelCredentials());
  }

  const TempDir directory_;
  ServerConfig config_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, PushThenQuery) {
  Start();
  EXPECT_EQ(Get("/ready").body, "ready\n");
  EXPECT_EQ(
      PushJson(
          fmt::format(
              R"({{"streams":[{{"stream":{{"app":"a"}},"values":[["{}","level=info hello"],["{}","x",{{"k":"v"}}]]}}]}})",
              kT0, kT0 + 1))
          .status,
      204);
  const std::string proto = [] {
    logproto::PushRequest request;
    auto* stream = request.add_streams();
    stream->set_labels("{app=\"a\"}");
    auto* entry = stream->add_entries();
    entry->mutable_timestamp()->set_seconds(kT0 / kSecond);
    entry->mutable_timestamp()->set_nanos(2);
    entry->set_line("from protobuf");
    std::string out;
    const std::string bytes = request.SerializeAsString();
    snappy::Compress(bytes.data(), bytes.size(), &out);
    return out;
  }();
  EXPECT_EQ(HttpCall(server_->http_port(), "POST", "/loki/api/v1/push",
                     {{"Content-Type", "application/x-protobuf"}}, proto)
                .status,
            204);

  const auto check = [this] {
    const HttpAnswer got = Query("{app=\"a\"}");
    EXPECT_EQ(got.status, 200);
    EXPECT_THAT(got.head, HasSubstr("Content-Type: application/json; charset=UTF-8"));
    EXPECT_THAT(got.body,
                StartsWith("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["));
    EXPECT_THAT(got.body, HasSubstr(fmt::format("[\"{}\",\"level=info hello\"]", kT0)));
    EXPECT_THAT(got.body, HasSubstr("\"detected_level\":\"unknown\",\"k\":\"v\",\"service_name\":\"a\"}"));
    EXPECT_THAT(got.body, HasSubstr("from protobuf"));
    const HttpAnswer categorized =
        Query("{app=\"a\"} |= \"x\"", {{"X-Loki-Response-Encoding-Flags", "categorize-labels"}});
    EXPECT_THAT(categorized.body,
                HasSubstr(fmt::format("\"encodingFlags\":[\"categorize-labels\"],\"result\":[{{\"stream\":{{"
                                      "\"app\":\"a\",\"service_name\":\"a\"}},"
                                      "\"values\":[[\"{}\",\"x\",{{\"structuredMetadata\":{{\"detected_"
                                      "level\":\"unknown\",\"k\":\"v\"}}}}]]}}]",
                                      kT0 + 1)));
    EXPECT_THAT(Query("sum(count_over_time({app=\"a\"}[1h]))").body, HasSubstr("\"3\"]"));
  };
  const std::string range = fmt::format("start={}&end={}", kT0, kT0 + kSecond);
  const auto check_labels = [&] {
    EXPECT_EQ(Get("/loki/api/v1/labels?" + range).body,
              "{\"status\":\"success\",\"data\":[\"app\",\"service_name\"]}\n");
    EXPECT_EQ(Get("/loki/api/v1/label/app/values?" + range).body,
              "{\"status\":\"success\",\"data\":[\"a\"]}\n");
    EXPECT_EQ(Get("/loki/api/v1/label/no/values?" + range).body, "{\"status\":\"success\"}\n");
    EXPECT_EQ(Get("/loki/api/v1/series?match=%7B%7D&" + range).body,
              "{\"status\":\"success\",\"data\":[{\"app\":\"a\",\"service_name\":\"a\"}]}\n");
  };
  check();
  // The lines are old and in memory alone (querier.query_ingesters_within).
  EXPECT_EQ(Get("/loki/api/v1/labels?" + range).body, "{\"status\":\"success\"}\n");
  EXPECT_EQ(Get("/loki/api/v1/series?match=%7B%7D&" + range).body, "{\"status\":\"success\",\"data\":[]}\n");
  EXPECT_EQ(HttpCall(server_->http_port(), "POST", "/flush", {}, "").status, 204);
  check();
  check_labels();
  Start();  // again, from what is on disk
  check();
  check_labels();
}

TEST_F(ServerTest, ErrorsAsLokiGivesThem) {
  Start();
  HttpAnswer got = Query("{");
  EXPECT_EQ(got.status, 400);
  EXPECT_EQ(got.body,
            "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER or }");
  EXPECT_THAT(got.head, HasSubstr("Content-Type: text/plain; charset=utf-8"));
  EXPECT_THAT(got.head, HasSubstr("X-Content-Type-Options: nosniff"));
  const struct {
    const char* target;
    int status;
    const char* body;
  } kRows[] = {
      {"/loki/api/v1/query?query=%7Ba%3D%22b%22%7D", 400,
       "log queries are not supported as an instant query type, please change your query to a range query "
       "type"},
      {"/loki/api/v1/labels?start=2&end=1", 400,
       "this data is no longer available, it is past now - max_query_lookback (0s)"},
      {"/loki/api/v1/labels?query=rate(%7Ba%3D%22b%22%7D%5B1m%5D)", 400, "only label matchers are supported"},
      {"/loki/api/v1/series?match=%7B%7D&match=%7Ba%3D%22b%22%7D", 400, "0 matchers in group: {}"},
      {"/loki/api/v1/labels?start=1&end=9000000000", 400,
       "the query time range exceeds the limit (query length: 2499999h59m59s, limit: 30d1h)"},
      {"/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D&limit=6000", 400,
       "max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)"},
      {"/loki/api/v1/format_query?query=%7Ba%3D%22", 400,
       "{\"status\":\"invalid-query\",\"error\":\"parse error at line 1, col 4: literal not terminated\"}\n"},
      {"/loki/api/v1/nothing", 404, "404 page not found\n"},
      {"/loki/api/v1/push", 405, ""},
  };
  for (const auto& row : kRows) {
    const HttpAnswer answer = Get(row.target);
    EXPECT_EQ(answer.status, row.status) << row.target;
    EXPECT_EQ(answer.body, row.body) << row.target;
  }
  got = PushJson("{\"streams\":[]}");
  EXPECT_EQ(got.status, 422);
  EXPECT_EQ(got.body, "error at least one valid stream is required for ingestion\n");
}

TEST_F(ServerTest, FormBodiesOfPosts) {
  Start();
  const HttpAnswer got = HttpCall(server_->http_port(), "POST", "/loki/api/v1/query?time=1&query=bad",
                                  {{"Content-Type", "application/x-www-form-urlencoded"}},
                                  "query=vector(1)%2Bvector(1)&time=4000000000");
  EXPECT_EQ(got.status, 200);
  EXPECT_THAT(got.body, StartsWith("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{"
                                   "\"metric\":{},\"value\":[4000000000,\"2\"]}],\"stats\":{"));
  EXPECT_THAT(got.body, Not(::testing::EndsWith("\n")));
}

TEST_F(ServerTest, TenantsAreApart) {
  config_.auth_enabled = true;
  Start();
  const std::string push =
      fmt::format(R"({{"streams":[{{"stream":{{"app":"a"}},"values":[["{}","secret"]]}}]}})", kT0);
  HttpAnswer got = PushJson(push);
  EXPECT_EQ(got.status, 401);
  EXPECT_EQ(got.body, "no org id\n");
  EXPECT_EQ(Query("{app=\"a\"}").body, "no org id\n");
  EXPECT_EQ(PushJson(push, {{"X-Scope-OrgID", "one"}}).status, 204);
  EXPECT_THAT(Query("{app=\"a\"}", {{"X-Scope-OrgID", "one"}}).body, HasSubstr("secret"));
  EXPECT_THAT(Query("{app=\"a\"}", {{"X-Scope-OrgID", "two"}}).body, Not(HasSubstr("secret")));
}

TEST_F(ServerTest, StatusPages) {
  config_.limits.max_global_streams_per_user = 1;
  Start();
  EXPECT_EQ(PushJson(fmt::format(R"({{"streams":[{{"stream":{{"app":"a"}},"values":[["{}","x"]]}}]}})", kT0))
                .status,
            204);
  const HttpAnswer second =
      PushJson(fmt::format(R"({{"streams":[{{"stream":{{"app":"b"}},"values":[["{}","x"]]}}]}})", kT0));
  EXPECT_EQ(second.status, 429);
  EXPECT_THAT(second.body, StartsWith("maximum active stream limit exceeded when trying to create stream "
                                      "{app=\"b\", service_name=\"b\"}"));
  EXPECT_EQ(PushJson(fmt::format(R"({{"streams":[{{"stream":{{"app":"a"}},"values":[["{}","y"]]}}]}})", kT0))
                .status,
            204);
  const std::string metrics = Get("/metrics").body;
  for (const char* line :
       {"loki_distributor_lines_received_total{tenant=\"fake\"} 3", "skald_store_appended_rows_total 2",
        "loki_discarded_samples_total{format=\"\",policy=\"\",reason=\"stream_limit\",retention_hours=\"0\","
        "tenant=\"fake\"} 1",
        "process_resident_memory_bytes ",
        "loki_request_duration_seconds_count{method=\"POST\",route=\"loki_api_v1_push\",status_code=\"204\"} "
        "2"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  EXPECT_EQ(Get("/config").body, "yaml: shown\n");
  EXPECT_THAT(Get("/config?mode=defaults").body, HasSubstr("limits_config:\n"));
  EXPECT_THAT(Get("/services").body, HasSubstr("store => Running\n"));
  EXPECT_THAT(Get("/loki/api/v1/status/buildinfo").body, StartsWith("{\"version\":\""));
  EXPECT_EQ(Get("/log_level").body, "{\"message\":\"Current log level is info\"}\n");
  EXPECT_EQ(HttpCall(server_->http_port(), "POST", "/log_level?log_level=loud", {}, "").status, 400);
}

TEST_F(ServerTest, AnUnusableDirectoryIsAnError) {
  config_.data_dir = "/proc/skald";
  const auto server = Server::Start(config_, "");
  EXPECT_THAT(std::string(MessageOf(server.status())),
              StartsWith("cannot use the data directory /proc/skald (choose another with --data-dir): "));
}

push::v1::PushRequest Batch(uint64_t sequence, const std::string& line, int64_t t_ns = kT0) {
  push::v1::PushRequest request;
  request.mutable_batch()->set_sequence(sequence);
  auto* stream = request.mutable_batch()->add_streams();
  stream->set_labels("{app=\"agent\"}");
  Rows rows;
  rows.Append(t_ns + static_cast<int64_t>(sequence), line);
  EncodeRows(rows, stream->mutable_rows());
  return request;
}

push::v1::PushRequest Hello(const std::string& id) {
  push::v1::PushRequest request;
  request.mutable_hello()->set_agent_id(id);
  return request;
}

TEST_F(ServerTest, AgentStreamAcknowledgesAndRecognisesResends) {
  Start();
  push::v1::PushResponse response;
  {
    auto stub = push::v1::Push::NewStub(Channel());
    grpc::ClientContext context;
    auto stream = stub->Stream(&context);
    ASSERT_TRUE(stream->Write(Hello("agent-1")));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.welcome().last_sequence(), 0u);
    for (uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(stream->Write(Batch(i, fmt::format("line {}", i))));
    for (uint64_t i = 1; i <= 20; ++i) {
      ASSERT_TRUE(stream->Read(&response));
      ASSERT_TRUE(response.has_ack());
      EXPECT_EQ(response.ack().sequence(), i);
    }
    // A line from the future is refused by name, and the batch is done with.
    ASSERT_TRUE(stream->Write(Batch(21, "future", 4'102'444'800 * kSecond)));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_EQ(response.ack().refusals_size(), 1);
    EXPECT_EQ(response.ack().refusals(0).reason(), "too_far_in_future");
    EXPECT_EQ(response.ack().refusals(0).stream(), "{app=\"agent\", service_name=\"agent\"}");
    EXPECT_EQ(response.ack().refusals(0).lines(), 1u);
    stream->WritesDone();
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_TRUE(stream->Finish().ok());
  }
  Start();  // the server forgets nothing
  auto stub = push::v1::Push::NewStub(Channel());
  grpc::ClientContext context;
  auto stream = stub->Stream(&context);
  ASSERT_TRUE(stream->Write(Hello("agent-1")));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.welcome().last_sequence(), 21u);
  ASSERT_TRUE(stream->Write(Batch(20, "line 20")));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.ack().sequence(), 20u);
  const HttpAnswer got = Query("sum(count_over_time({app=\"agent\"}[1h]))");
  EXPECT_THAT(got.body, HasSubstr("\"20\"]"));
  EXPECT_THAT(got.body, Not(HasSubstr("\"21\"]")));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServerTest, AgentStreamErrors) {
  Start();
  auto stub = push::v1::Push::NewStub(Channel());
  push::v1::PushResponse response;
  {
    grpc::ClientContext context;
    auto stream = stub->Stream(&context);
    stream->Write(Batch(1, "x"));
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  {
    // Rows that do not decode are refused by name.
    grpc::ClientContext context;
    auto stream = stub->Stream(&context);
    ASSERT_TRUE(stream->Write(Hello("agent-2")));
    ASSERT_TRUE(stream->Read(&response));
    push::v1::PushRequest request = Batch(1, "x");
    request.mutable_batch()->mutable_streams(0)->set_rows("garbage");
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_EQ(response.ack().refusals_size(), 1);
    EXPECT_EQ(response.ack().refusals(0).reason(), "invalid_rows");
    context.TryCancel();  // leaving without a word is no trouble
  }
  EXPECT_EQ(Get("/ready").status, 200);
}

// What agents declare becomes rules at once, changes and goes with the next word of the same agent, and is
// there after a restart before anyone says it again.
TEST_F(ServerTest, AgentsDeclareRulesOfServices) {
  const auto declared = [](const std::vector<std::map<std::string, std::string>>& services) {
    push::v1::PushRequest request;
    request.mutable_declarations();
    for (const auto& labels : services) {
      auto* service = request.mutable_declarations()->add_services();
      service->set_name(labels.at("name"));
      for (const auto& [name, value] : labels) {
        if (name != "name" && name != "selector") (*service->mutable_labels())[name] = value;
      }
      if (labels.contains("selector")) service->set_selector(labels.at("selector"));
    }
    return request;
  };
  const auto rules = [&] { return Get("/prometheus/api/v1/rules").body; };
  const auto await = [&](const std::string& text, bool there) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while ((rules().find(text) != std::string::npos) != there && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return (rules().find(text) != std::string::npos) == there;
  };
  const std::map<std::string, std::string> api = {
      {"name", "shop_api"},
      {"selector", R"({app="api"})"},
      {"com.df.notify", "true"},
      {"com.df.alertName", "errors"},
      {"com.df.alertIf", R"(sum(rate($selector |= "error" [5m])) > 1)"}};
  const std::map<std::string, std::string> web = {
      {"name", "web"}, {"skald.io/alert.silent.expr", "absent_over_time($selector[1h])"}, {"other", "label"}};
  push::v1::PushResponse response;
  Start();
  {
    auto stub = push::v1::Push::NewStub(Channel());
    grpc::ClientContext context;
    auto stream = stub->Stream(&context);
    ASSERT_TRUE(stream->Write(Hello("agent-1")));
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(stream->Write(declared({api, web})));
    EXPECT_TRUE(await("shopapierrors", true)) << rules();
    EXPECT_THAT(rules(), HasSubstr(R"({app=\"api\"} |= \"error\")"));
    EXPECT_THAT(rules(), HasSubstr(R"(absent_over_time({service_name=\"web\"}[1h]))"));
    // A change, a removal, and something wrong that takes nothing away.
    auto changed = api;
    changed["com.df.alertIf"] = "vector(7) > 1";
    ASSERT_TRUE(stream->Write(declared({changed})));
    EXPECT_TRUE(await("vector(7", true)) << rules();
    EXPECT_TRUE(await("websilent", false)) << rules();
    auto wrong = api;
    wrong["com.df.alertIf"] = "up == 0";
    ASSERT_TRUE(stream->Write(declared({wrong, web})));
    EXPECT_TRUE(await("websilent", true)) << rules();
    EXPECT_THAT(rules(), HasSubstr("vector(7"));
    // Another agent that sees the service too keeps it there.
    grpc::ClientContext other_context;
    auto other = stub->Stream(&other_context);
    ASSERT_TRUE(other->Write(Hello("agent-2")));
    ASSERT_TRUE(other->Read(&response));
    ASSERT_TRUE(other->Write(declared({web})));
    ASSERT_TRUE(other->Write(Batch(1, "after the declaration")));
    ASSERT_TRUE(other->Read(&response));
    ASSERT_TRUE(stream->Write(declared({changed})));
    ASSERT_TRUE(stream->Write(Batch(1, "after the change")));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_THAT(rules(), HasSubstr("websilent"));
    ASSERT_TRUE(other->Write(declared({})));
    EXPECT_TRUE(await("websilent", false)) << rules();
    stream->WritesDone();
    other->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_TRUE(other->Finish().ok());
  }
  Start();
  EXPECT_THAT(rules(), HasSubstr("shopapierrors"));
  auto stub = push::v1::Push::NewStub(Channel());
  grpc::ClientContext context;
  auto stream = stub->Stream(&context);
  ASSERT_TRUE(stream->Write(declared({})));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);  // before Hello
  EXPECT_THAT(rules(), HasSubstr("shopapierrors"));
}

TEST_F(ServerTest, LokiPusher) {
  Start();
  auto stub = logproto::Pusher::NewStub(Channel());
  logproto::PushRequest request;
  auto* stream = request.add_streams();
  stream->set_labels("{app=\"g\"}");
  auto* entry = stream->add_entries();
  entry->mutable_timestamp()->set_seconds(kT0 / kSecond);
  entry->set_line("over grpc");
  logproto::PushResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(stub->Push(&context, request, &response).ok());
  EXPECT_THAT(Query("{app=\"g\"}").body, HasSubstr("over grpc"));
  stream->set_labels("{app=");
  grpc::ClientContext again;
  const grpc::Status bad = stub->Push(&again, request, &response);
  EXPECT_EQ(bad.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(bad.error_message(), StartsWith("couldn't parse labels: "));
}

TEST_F(ServerTest, ManyAtOnce) {
  config_.shutdown_timeout_ns = 10 * kSecond;
  Start();
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t, &stored] {
      for (int i = 0; i < 25; ++i) {
        const HttpAnswer got = PushJson(fmt::format(
            R"({{"streams":[{{"stream":{{"app":"many","t":"{}"}},"values":[["{}","line {}"]]}}]}})", t,
            kT0 + i, i));
        if (got.status == 204) ++stored;
        if (i % 5 == 0) {
          EXPECT_EQ(Query("{app=\"many\"} |= \"line\"").status, 200);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored.load(), 200);
  EXPECT_THAT(Query("sum(count_over_time({app=\"many\"}[1h]))").body, HasSubstr("\"200\"]"));
  server_->Shutdown();
}

}  // namespace
}  // namespace skald::server
