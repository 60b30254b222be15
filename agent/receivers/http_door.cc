#include "agent/receivers/http_door.h"

#include <chrono>
#include <string_view>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace skald::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kTimeout{60};  // of a connection on which nothing happens
constexpr size_t kMaxSessions = 256;
constexpr std::string_view kRetryAfterSeconds = "1";

std::string Text(beast::string_view text) { return {text.data(), text.size()}; }

// One connection. Stream: beast's tcp_stream, or TLS over one.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(Stream stream, uint64_t max_body_bytes, const HttpDoor::Handle* handle,
          std::shared_ptr<size_t> sessions)
      : stream_(std::move(stream)),
        max_body_bytes_(max_body_bytes),
        handle_(handle),
        sessions_(std::move(sessions)) {
    ++*sessions_;
  }
  ~Session() { --*sessions_; }

  void Start() {
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      Read();
    } else {
      beast::get_lowest_layer(stream_).expires_after(kTimeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](const error_code& error) {
                                if (!error) self->Read();
                              });
    }
  }

 private:
  void Read() {
    parser_.emplace();
    parser_->body_limit(max_body_bytes_);
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](const error_code& error, size_t) { self->OnRead(error); });
  }
  void OnRead(const error_code& error) {
    if (error == http::error::body_limit) {
      keep_alive_ = false;
      return Write({413, "the body is larger than the receiver takes\n"});
    }
    if (error) return;
    keep_alive_ = parser_->get().keep_alive();
    // Only the disk is waited for; it answers, if late.
    beast::get_lowest_layer(stream_).expires_never();
    auto& sent = parser_->get();
    DoorRequest request;
    request.post = sent.method() == http::verb::post;
    request.path = Text(sent.target().substr(0, sent.target().find('?')));
    request.content_type = Text(sent[http::field::content_type]);
    request.content_encoding = Text(sent[http::field::content_encoding]);
    request.body = std::move(sent.body());
    (*handle_)(std::move(request), [self = this->shared_from_this()](DoorAnswer answer) {
      asio::post(self->stream_.get_executor(),
                 [self, answer = std::move(answer)]() mutable { self->Write(std::move(answer)); });
    });
  }
  void Write(DoorAnswer answer) {
    response_ = {};
    response_.result(static_cast<unsigned>(answer.status));
    response_.version(11);
    response_.keep_alive(keep_alive_);
    if (answer.status == 503) response_.set(http::field::retry_after, kRetryAfterSeconds.data());
    if (answer.status != 204) response_.set(http::field::content_type, answer.content_type);
    response_.body() = std::move(answer.body);
    if (answer.status != 204) response_.prepare_payload();
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_write(stream_, response_, [self = this->shared_from_this()](const error_code& error, size_t) {
      if (!error && self->keep_alive_) self->Read();
    });
  }

  Stream stream_;
  const uint64_t max_body_bytes_;
  const HttpDoor::Handle* const handle_;
  const std::shared_ptr<size_t> sessions_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
};

}  // namespace

std::optional<DoorAnswer> ReadyAnswer(const DoorRequest& request) {
  if (request.path != "/ready") return std::nullopt;
  return DoorAnswer{200, "ready\n"};
}

HttpDoor::HttpDoor(asio::io_context* context, uint64_t max_body_bytes, Handle handle)
    : max_body_bytes_(max_body_bytes), handle_(std::move(handle)), listener_(context) {}

absl::Status HttpDoor::Open(const std::string& listen, const std::optional<TlsServerOptions>& tls) {
  return listener_.Open(
      listen, tls, [this](tcp::socket socket, asio::ssl::context* with) { Begin(std::move(socket), with); });
}

void HttpDoor::Begin(tcp::socket socket, asio::ssl::context* tls) {
  if (*sessions_ >= kMaxSessions) return;
  const auto start = [this](auto stream) {
    using Stream = decltype(stream);
    std::make_shared<Session<Stream>>(std::move(stream), max_body_bytes_, &handle_, sessions_)->Start();
  };
  if (tls == nullptr) {
    start(beast::tcp_stream(std::move(socket)));
  } else {
    start(beast::ssl_stream<beast::tcp_stream>(beast::tcp_stream(std::move(socket)), *tls));
  }
}

}  // namespace skald::agent
