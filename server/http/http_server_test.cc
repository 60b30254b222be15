#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "server/testing/http_client.h"

namespace skald::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Route echo;
    echo.max_body_bytes = 1000;
    echo.too_large = [](const HttpRequest&, uint64_t size) {
      return TextResponse(413, fmt::format("too large {}", size));
    };
    echo.handle = [](const HttpRequestPtr& request, const ResponderPtr& responder) {
      responder->Send(
          TextResponse(200, fmt::format("{} {} [{}] {}", request->method, request->PathParam("name"),
                                        request->raw_query, request->body)));
    };
    router_.Add({"GET", "POST"}, "/echo/{name}", echo);
    Route slow;
    slow.handle = [this](const HttpRequestPtr& request, const ResponderPtr& responder) {
      const std::lock_guard lock(mu_);
      slow_request_ = request;
      slow_responder_ = responder;
      changed_.notify_all();
    };
    router_.Add({"GET"}, "/slow", slow);
    Route dropped;
    dropped.handle = [](const HttpRequestPtr&, const ResponderPtr&) {};
    router_.Add({"GET"}, "/dropped", dropped);
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    auto server = HttpServer::Start(options, &router_, &metrics_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void WaitForSlow() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return slow_responder_ != nullptr; });
  }

  std::mutex mu_;
  std::condition_variable changed_;
  HttpRequestPtr slow_request_;
  ResponderPtr slow_responder_;
  Metrics metrics_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, RoutesAsLokiDoes) {
  const struct {
    const char* method;
    const char* target;
    int status;
    const char* body;
  } kRows[] = {
      {"GET", "/echo/a%20b?x=1", 200, "GET a b [x=1] "},
      {"HEAD", "/echo/a", 405, ""},
      {"DELETE", "/echo/a", 405, ""},
      {"GET", "/echo/a/", 404, "404 page not found\n"},
      {"GET", "/echo", 404, "404 page not found\n"},
      {"GET", "/Echo/a", 404, "404 page not found\n"},
      {"GET", "/echo/a%2Fb", 404, "404 page not found\n"},
      {"GET", "//echo/a", 301, ""},
      {"GET", "/x/../echo/a?q=1", 301, ""},
      {"GET", "/x/%2E%2E/echo/a", 301, ""},
  };
  for (const auto& row : kRows) {
    const testing::HttpAnswer got = testing::HttpCall(server_->port(), row.method, row.target, {}, "");
    EXPECT_EQ(got.status, row.status) << row.target;
    EXPECT_EQ(got.body, row.body) << row.target;
    if (row.status == 301) {
      EXPECT_THAT(got.head, HasSubstr("Location: /echo/a")) << row.target;
    }
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  testing::Socket socket(server_->port());
  socket.Write(
      "POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabGET /echo/2 HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /echo/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = socket.ReadAll();
  const size_t first = all.find("POST 1 [] ab");
  const size_t second = all.find("GET 2 [] ");
  const size_t third = all.find("GET 3 [] ");
  ASSERT_NE(third, std::string::npos) << all;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(HttpServerTest, BodiesAreBounded) {
  EXPECT_EQ(testing::HttpCall(server_->port(), "POST", "/echo/a", {}, std::string(1000, 'x')).status, 200);
  const testing::HttpAnswer got =
      testing::HttpCall(server_->port(), "POST", "/echo/a", {}, std::string(1001, 'x'));
  EXPECT_EQ(got.status, 413);
  EXPECT_EQ(got.body, "too large 1001");
  testing::Socket socket(server_->port());
  socket.Write("POST /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" +
               std::string(2048, 'x') + "\r\n0\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), AllOf(StartsWith("HTTP/1.1 413"), EndsWith("too large 0")));
}

TEST_F(HttpServerTest, ContinueIsSent) {
  testing::Socket socket(server_->port());
  socket.Write(
      "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: "
      "1\r\n\r\n");
  EXPECT_EQ(socket.Read(25), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Write("z");
  EXPECT_THAT(socket.ReadAll(), AllOf(StartsWith("HTTP/1.1 200"), EndsWith(" z")));
}

TEST_F(HttpServerTest, GarbageIsRefused) {
  testing::Socket socket(server_->port());
  socket.Write("\x16\x03\x01 nonsense\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, AnEndlessHeaderEndsItsConnectionOnly) {
  testing::Socket socket(server_->port());
  socket.Write("GET /echo/a HTTP/1.1\r\nX: " + std::string(200'000, 'y') + "\r\n\r\n");
  socket.ReadAll();
  EXPECT_EQ(testing::HttpCall(server_->port(), "GET", "/echo/a", {}, "").status, 200);
}

TEST_F(HttpServerTest, AHandlerThatForgetsAnswers500) {
  EXPECT_EQ(testing::HttpCall(server_->port(), "GET", "/dropped", {}, "").status, 500);
}

TEST_F(HttpServerTest, AClientThatLeavesCancels) {
  {
    testing::Socket socket(server_->port());
    socket.Write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    WaitForSlow();
    EXPECT_FALSE(slow_request_->cancel->cancelled());
  }
  for (int i = 0; i < 200 && !slow_request_->cancel->cancelled(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(slow_request_->cancel->cancelled());
  slow_responder_->Send(EmptyResponse(200));  // to nobody: no harm
  slow_responder_ = nullptr;
}

TEST_F(HttpServerTest, ShutdownLetsARunningRequestFinish) {
  testing::Socket idle(server_->port());
  testing::Socket socket(server_->port());
  socket.Write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  WaitForSlow();
  std::thread stopper([this] { server_->Shutdown(5'000); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  slow_responder_->Send(TextResponse(200, "done"));
  slow_responder_ = nullptr;
  EXPECT_THAT(socket.ReadAll(),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Connection: close"), EndsWith("done")));
  EXPECT_EQ(idle.ReadAll(), "");
  stopper.join();
}

TEST_F(HttpServerTest, TakenAddressIsNamed) {
  HttpServerOptions options;
  options.listen = fmt::format("127.0.0.1:{}", server_->port());
  const auto second = HttpServer::Start(options, &router_, &metrics_);
  EXPECT_EQ(MessageOf(second.status()),
            fmt::format("cannot listen on {}: address already in use; another Skald or Loki may be running, "
                        "choose another with --http-listen",
                        options.listen));
}

}  // namespace
}  // namespace skald::server
