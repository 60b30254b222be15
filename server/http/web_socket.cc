#include "server/http/web_socket.h"

#include <chrono>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "server/http/http_connection.h"

namespace skald::server {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr auto kTick = std::chrono::seconds(1);
constexpr size_t kMaxInput = 64 << 10;
// A client that takes not even one frame for so long is gone.
constexpr int64_t kMaxWriteNs = int64_t{120} * 1'000'000'000;
// How long the close handshake may take.
constexpr int64_t kMaxCloseNs = int64_t{5} * 1'000'000'000;

}  // namespace

WebSocket::WebSocket(boost::beast::tcp_stream stream, std::shared_ptr<HttpConnection> connection,
                     std::shared_ptr<WebSocketSession> session)
    : stream_(std::move(stream)),
      timer_(stream_.get_executor()),
      connection_(std::move(connection)),
      session_(std::move(session)) {
  boost::beast::get_lowest_layer(stream_).expires_never();
  websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = std::chrono::seconds(10);
  timeout.idle_timeout = websocket::stream_base::none();
  timeout.keep_alive_pings = false;
  stream_.set_option(timeout);
  stream_.read_message_max(kMaxInput);
  stream_.auto_fragment(false);
  stream_.text(true);
}

WebSocket::~WebSocket() = default;

void WebSocket::Accept(const Request& request) {
  stream_.async_accept(request, [self = shared_from_this()](error_code ec) {
    if (ec || self->session_ == nullptr) return self->Closed();
    self->open_ = true;
    self->Read();
    self->Tick();
    self->session_->OnOpen(self);
  });
}

void WebSocket::Read() {
  stream_.async_read(input_, [self = shared_from_this()](error_code ec, size_t) {
    if (ec) return self->Closed();
    self->input_.consume(self->input_.size());
    self->Read();
  });
}

void WebSocket::Tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec || !self->open_) return;
    const int64_t age_ns = MonotonicNs() - self->write_began_ns_;
    if ((self->writing_ && age_ns > kMaxWriteNs) ||
        (self->closing_ && age_ns > kMaxCloseNs && !self->writing_)) {
      return self->Closed();
    }
    if (!self->pinging_ && !self->closing_) {
      self->pinging_ = true;
      self->stream_.async_ping({}, [self](error_code) { self->pinging_ = false; });
    }
    if (self->session_ != nullptr) self->session_->OnTick();
    self->Tick();
  });
}

void WebSocket::Send(std::string text) {
  asio::post(stream_.get_executor(), [self = shared_from_this(), text = std::move(text)]() mutable {
    if (!self->open_ || self->closing_ || self->writing_) return;
    self->output_ = std::move(text);
    self->writing_ = true;
    self->write_began_ns_ = MonotonicNs();
    self->stream_.async_write(asio::buffer(self->output_), [self](error_code ec, size_t) {
      self->writing_ = false;
      if (ec) return self->Closed();
      if (self->closing_) return self->StartClose();
      if (self->session_ != nullptr) self->session_->OnWritten();
    });
  });
}

void WebSocket::Close(uint16_t code, std::string reason) {
  asio::post(stream_.get_executor(), [self = shared_from_this(), code, reason = std::move(reason)] {
    if (!self->open_ || self->closing_) return;
    // A control frame has room for 123 bytes of text.
    self->reason_ = {static_cast<websocket::close_code>(code), reason.substr(0, 123).c_str()};
    self->closing_ = true;
    if (!self->writing_) self->StartClose();
  });
}

void WebSocket::StartClose() {
  write_began_ns_ = MonotonicNs();
  stream_.async_close(reason_, [self = shared_from_this()](error_code) { self->Closed(); });
}

void WebSocket::Abort() {
  asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Closed(); });
}

void WebSocket::Closed() {
  open_ = false;
  timer_.cancel();
  boost::beast::get_lowest_layer(stream_).close();
  connection_ = nullptr;
  if (const std::shared_ptr<WebSocketSession> session = std::move(session_)) session->OnClosed();
  session_ = nullptr;
}

}  // namespace skald::server
