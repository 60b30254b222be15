// One HTTP connection: reads requests one after the other, watches for the client's leaving while a handler
// works, writes the answers. Private to the HTTP server.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "base/fair_share.h"
#include "server/http/http_server.h"

namespace skald::server {

class WebSocket;

// What connections share with their server. Thread-safe.
struct HttpShared {
  HttpShared(HttpServerOptions o, const Router* r, Metrics* m)
      : options(std::move(o)),
        router(r),
        metrics(m),
        bodies("HTTP request bodies", static_cast<int64_t>(options.max_body_memory_bytes), options.memory),
        answers("HTTP answers", static_cast<int64_t>(options.max_answer_memory_bytes), options.memory),
        body_shares(&bodies),
        answer_shares(&answers) {}

  // Here, so that a connection whose answer comes late still has it.
  boost::asio::io_context io;
  const HttpServerOptions options;
  const Router* const router;
  Metrics* const metrics;
  MemoryBudget bodies;
  MemoryBudget answers;
  FairShare body_shares;
  FairShare answer_shares;
  std::atomic<bool> draining{false};
  std::atomic<int64_t> connections{0};
};

// All members are touched on the connection's strand only. Lives as long as an operation of it is under way.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpShared> shared);
  ~HttpConnection();

  void Start();
  // Answers 503 and closes, without reading.
  void Refuse();
  // Closes if idle, else after the answer under way. From any thread.
  void Drain();
  // Cancels the request under way and closes. From any thread.
  void Abort();

 private:
  class Answer;
  friend class WebSocket;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  void WaitForRequest();
  void ReadHead();
  void OnHead();
  void ReadBody();
  void OnBody();
  void HandOver();
  void WatchClient();
  void Respond(HttpResponse response);
  void Measure(int status);
  void OnWritten(bool close);
  void Linger();
  void Close();
  void ReleaseBody();
  void ReleaseAnswer();
  void Expire(int64_t ms);

  std::shared_ptr<HttpShared> shared_;
  boost::beast::tcp_stream stream_;              // given away when the connection becomes a WebSocket
  const boost::asio::any_io_executor executor_;  // the strand
  std::weak_ptr<WebSocket> socket_;
  bool handed_over_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::shared_ptr<HttpRequest> request_;
  const Route* route_ = nullptr;
  HttpResponse answer_;  // given without a handler
  std::optional<Response> response_;
  std::string remote_;
  std::shared_ptr<CancelToken> cancel_;
  std::string sharer_;  // whose share the request takes from; not changed while there is one
  int64_t body_reserved_ = 0;
  int64_t answer_reserved_ = 0;
  bool idle_ = false;
  bool keep_alive_ = true;
  bool answered_ = false;
  bool closed_ = false;
  char scrap_[4096];
};

}  // namespace skald::server
