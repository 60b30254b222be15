#include "server/http/http_connection.h"

#include <sys/socket.h>

#include <cctype>
#include <ctime>
#include <limits>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "server/http/gzip.h"
#include "server/http/web_socket.h"

namespace skald::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

// Bodies of requests that no handler wants are read away up to this size, so that the answer is not lost to a
// reset.
constexpr uint64_t kDiscardBytes = 256 << 10;
constexpr int64_t kLingerMs = 2'000;

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[40];
  const size_t n = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, n};
}

std::string_view View(boost::beast::string_view s) { return {s.data(), s.size()}; }
boost::beast::string_view Beast(std::string_view s) { return {s.data(), s.size()}; }

// A route's pattern as Loki's metrics name it: /loki/api/v1/label/{name}/values is
// loki_api_v1_label_name_values.
std::string RouteName(std::string_view pattern) {
  std::string name;
  for (const char c : pattern) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (name.ends_with('_')) name.pop_back();
  return name.empty() ? "root" : name;
}

}  // namespace

// Carries the answer from whatever thread to the connection's strand.
class HttpConnection::Answer : public Responder {
 public:
  Answer(std::shared_ptr<HttpConnection> connection, bool may_compress, bool compress)
      : connection_(std::move(connection)), may_compress_(may_compress), compress_(compress) {}
  ~Answer() override {
    if (!sent_.load()) Send(TextResponse(500, "internal error: the request was dropped"));
  }
  void Send(HttpResponse response) override {
    if (sent_.exchange(true)) return;
    // Here, on the handler's thread: the connection's has others to serve.
    if (may_compress_) response.headers.emplace_back("Vary", "Accept-Encoding");
    if (compress_ && response.body.size() >= kMinGzipBytes) {
      if (std::string smaller = Gzip(response.body); !smaller.empty()) {
        response.body = std::move(smaller);
        response.headers.emplace_back("Content-Encoding", "gzip");
      }
    }
    auto held = static_cast<int64_t>(response.body.size());
    if (!connection_->shared_->answer_shares.Reserve(connection_->sharer_, held).ok()) {
      response = TextResponse(503, "too many answers wait for their readers, try again\n");
      held = 0;
    }
    asio::post(connection_->executor_,
               [connection = connection_, response = std::move(response), held]() mutable {
                 connection->answer_reserved_ += held;
                 connection->Respond(std::move(response));
                 if (!connection->response_.has_value()) connection->ReleaseAnswer();
               });
  }

 private:
  const std::shared_ptr<HttpConnection> connection_;
  const bool may_compress_;
  const bool compress_;
  std::atomic<bool> sent_{false};
};

HttpConnection::HttpConnection(asio::ip::tcp::socket socket, std::shared_ptr<HttpShared> shared)
    : shared_(std::move(shared)), stream_(std::move(socket)), executor_(stream_.get_executor()) {
  error_code ignored;
  const auto remote = stream_.socket().remote_endpoint(ignored);
  if (!ignored) remote_ = fmt::format("{}:{}", remote.address().to_string(), remote.port());
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  ++shared_->connections;
}

HttpConnection::~HttpConnection() {
  ReleaseBody();
  ReleaseAnswer();
  --shared_->connections;
}

void HttpConnection::Start() {
  asio::post(executor_, [self = shared_from_this()] { self->WaitForRequest(); });
}

void HttpConnection::Refuse() {
  asio::post(executor_, [self = shared_from_this()] {
    self->keep_alive_ = false;
    self->answered_ = false;
    self->Respond(TextResponse(503, "too many connections"));
  });
}

void HttpConnection::Drain() {
  asio::post(executor_, [self = shared_from_this()] {
    if (const auto socket = self->socket_.lock()) return socket->Close(1001, "the server is stopping");
    if (self->idle_) self->Close();
  });
}

void HttpConnection::Abort() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->cancel_ != nullptr) self->cancel_->Cancel();
    if (const auto socket = self->socket_.lock()) return socket->Abort();
    self->Close();
  });
}

void HttpConnection::Expire(int64_t ms) { stream_.expires_after(std::chrono::milliseconds(ms)); }

void HttpConnection::Close() {
  closed_ = true;
  if (!handed_over_) stream_.close();
}

void HttpConnection::ReleaseBody() {
  if (body_reserved_ > 0) shared_->body_shares.Release(sharer_, body_reserved_);
  body_reserved_ = 0;
}

void HttpConnection::ReleaseAnswer() {
  if (answer_reserved_ > 0) shared_->answer_shares.Release(sharer_, answer_reserved_);
  answer_reserved_ = 0;
}

void HttpConnection::WaitForRequest() {
  if (closed_ || shared_->draining) return Close();
  ReleaseBody();
  request_.reset();
  cancel_.reset();
  parser_.reset();
  if (buffer_.size() > 0) return ReadHead();
  if (buffer_.capacity() > (1 << 20)) buffer_ = {};
  idle_ = true;
  Expire(shared_->options.idle_timeout_ms);
  stream_.async_read_some(buffer_.prepare(16 << 10), [self = shared_from_this()](error_code ec, size_t n) {
    self->idle_ = false;
    if (ec) return self->Close();
    self->buffer_.commit(n);
    self->ReadHead();
  });
}

void HttpConnection::ReadHead() {
  parser_.emplace();
  parser_->header_limit(shared_->options.max_head_bytes);
  parser_->body_limit(std::numeric_limits<uint64_t>::max());  // the route's own once it is known
  Expire(shared_->options.head_timeout_ms);
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code ec, size_t) {
    if (!ec) return self->OnHead();
    const bool malformed = ec.category() == http::make_error_code(http::error::bad_method).category() &&
                           ec != http::error::end_of_stream && ec != http::error::partial_message;
    if (!malformed) return self->Close();
    self->keep_alive_ = false;
    self->answered_ = false;
    HttpResponse bad = TextResponse(ec == http::error::header_limit ? 431 : 400,
                                    fmt::format("bad request: {}", ec.message()));
    self->Respond(std::move(bad));
  });
}

void HttpConnection::OnHead() {
  const auto& head = parser_->get();
  request_ = std::make_shared<HttpRequest>();
  request_->method = View(head.method_string());
  request_->target = View(head.target());
  request_->remote = remote_;
  request_->start_ns = MonotonicNs();
  for (const auto& field : head)
    request_->headers.emplace_back(View(field.name_string()), View(field.value()));
  request_->cancel = std::make_shared<CancelToken>();
  cancel_ = request_->cancel;
  if (!shared_->options.share_by_header.empty()) sharer_ = request_->Header(shared_->options.share_by_header);
  keep_alive_ = head.keep_alive();
  answered_ = false;

  Router::Match match = shared_->router->Find(request_.get());
  route_ = match.route;
  answer_ = std::move(match.answer);
  const uint64_t limit = route_ != nullptr ? route_->max_body_bytes : kDiscardBytes;
  const uint64_t length = parser_->content_length() ? *parser_->content_length() : 0;
  if (length > limit) {
    keep_alive_ = false;
    if (route_ != nullptr && route_->too_large) answer_ = route_->too_large(*request_, length);
    if (route_ != nullptr && !route_->too_large) answer_ = TextResponse(413, "request body too large");
    return Respond(std::move(answer_));
  }
  parser_->body_limit(limit);
  if (!shared_->body_shares.Reserve(sharer_, static_cast<int64_t>(length)).ok()) {
    keep_alive_ = false;
    return Respond(TextResponse(503, "the server holds too many requests at this moment, try again\n"));
  }
  body_reserved_ = static_cast<int64_t>(length);
  if (!parser_->is_done() && View(head[http::field::expect]) == "100-continue") {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    Expire(shared_->options.progress_timeout_ms);
    asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code ec, size_t) {
      if (ec) return self->Close();
      self->ReadBody();
    });
    return;
  }
  ReadBody();
}

void HttpConnection::ReadBody() {
  if (parser_->is_done()) return OnBody();
  Expire(shared_->options.progress_timeout_ms);
  http::async_read_some(stream_, buffer_, *parser_, [self = shared_from_this()](error_code ec, size_t) {
    if (!ec) {
      // A body of unknown length is paid for as it comes.
      const int64_t beyond = static_cast<int64_t>(self->parser_->get().body().size()) - self->body_reserved_;
      if (beyond > 0) {
        if (!self->shared_->body_shares.Reserve(self->sharer_, beyond).ok()) {
          self->keep_alive_ = false;
          return self->Respond(
              TextResponse(503, "the server holds too many requests at this moment, try again\n"));
        }
        self->body_reserved_ += beyond;
      }
      return self->ReadBody();
    }
    if (ec == http::error::body_limit) {
      self->keep_alive_ = false;
      if (self->route_ != nullptr && self->route_->too_large) {
        return self->Respond(self->route_->too_large(*self->request_, 0));
      }
      return self->Respond(TextResponse(413, "request body too large"));
    }
    self->Close();
  });
}

void HttpConnection::OnBody() {
  stream_.expires_never();
  if (route_ == nullptr) return Respond(std::move(answer_));
  request_->body = std::move(parser_->get().body());
  if (route_->upgrade) return HandOver();
  WatchClient();
  // A handler must not throw; one that does has answered nothing, and the dropped Answer says so.
  auto answer = std::make_shared<Answer>(shared_from_this(), route_->gzip,
                                         route_->gzip && AcceptsGzip(request_->Header("Accept-Encoding")));
  try {
    route_->handle(request_, answer);
  } catch (const std::exception& e) {
    LogError("handler failed", "path={} error=\"{}\"", request_->path, e.what());
    answer->Send(TextResponse(500, fmt::format("error while processing request: {}", e.what())));
  }
}

void HttpConnection::HandOver() {
  Upgrade upgrade = route_->upgrade(request_);
  if (upgrade.session == nullptr) return Respond(std::move(upgrade.refusal));
  if (!boost::beast::websocket::is_upgrade(parser_->get()))
    return Respond(TextResponse(400, "Bad Request\n"));
  Measure(101);
  handed_over_ = true;
  answered_ = true;
  auto socket =
      std::make_shared<WebSocket>(std::move(stream_), shared_from_this(), std::move(upgrade.session));
  socket_ = socket;
  socket->Accept(parser_->get());
}

void HttpConnection::WatchClient() {
  stream_.socket().async_wait(
      asio::ip::tcp::socket::wait_read, [self = shared_from_this(), cancel = cancel_](error_code ec) {
        if (ec || self->answered_ || self->cancel_ != cancel) return;
        char byte = 0;
        const ssize_t n = ::recv(self->stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        // More bytes are the next request, sent early: it waits its turn.
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) cancel->Cancel();
      });
}

void HttpConnection::Respond(HttpResponse response) {
  if (answered_ || closed_) return;
  answered_ = true;
  error_code ignored;
  stream_.socket().cancel(ignored);  // the watch
  Measure(response.status);
  const bool close = response.close || !keep_alive_ || shared_->draining;
  response_.emplace(static_cast<http::status>(response.status), 11);
  response_->set(http::field::date, HttpDate());
  if (!response.content_type.empty()) response_->set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) response_->set(Beast(name), value);
  response_->body() = std::move(response.body);
  response_->keep_alive(!close);
  if (response.status != 204) response_->prepare_payload();
  const auto bytes = static_cast<int64_t>(response_->body().size());
  // At least 64 KiB a second must go through.
  Expire(shared_->options.progress_timeout_ms + bytes / 64);
  http::async_write(stream_, *response_, [self = shared_from_this(), close](error_code ec, size_t) {
    if (ec) return self->Close();
    self->OnWritten(close);
  });
}

void HttpConnection::Measure(int status) {
  if (request_ == nullptr) return;
  // Unknown paths share one name: anybody could make up any number of them.
  const std::string route = request_->pattern.empty() ? "other" : RouteName(request_->pattern);
  const double seconds = static_cast<double>(MonotonicNs() - request_->start_ns) / 1e9;
  shared_->metrics
      ->Histogram("loki_request_duration_seconds", "Time from a request's head to its answer.",
                  {{"method", route == "other" ? "" : request_->method},
                   {"route", route},
                   {"status_code", std::to_string(status)}})
      .Observe(seconds);
  LogDebug("http", "method={} path={} status={} seconds={:.6f} remote={}", request_->method, request_->path,
           status, seconds, remote_);
}

void HttpConnection::OnWritten(bool close) {
  response_.reset();
  ReleaseAnswer();
  if (!close) return WaitForRequest();
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  Expire(kLingerMs);
  Linger();
}

// Reads away what the client still sends, for a close with unread bytes would reset the connection before the
// answer was read.
void HttpConnection::Linger() {
  stream_.async_read_some(asio::buffer(scrap_), [self = shared_from_this()](error_code ec, size_t) {
    if (ec) return self->Close();
    self->Linger();
  });
}

}  // namespace skald::server
