// A WebSocket over a connection that began as HTTP: sends text frames, answers pings, sends its own, and
// tells a session what happens. What the client says is read and dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

namespace skald::server {

class HttpConnection;
class WebSocket;

// One conversation. Calls come one after the other on the connection's thread, and must not wait.
class WebSocketSession {
 public:
  virtual ~WebSocketSession() = default;
  virtual void OnOpen(std::shared_ptr<WebSocket> socket) = 0;
  virtual void OnWritten() = 0;  // the last Send has left
  virtual void OnTick() = 0;     // about once a second
  virtual void OnClosed() = 0;   // at most once; nothing comes after it
};

// Thread-safe. Lives as long as the connection or somebody who wants to send.
class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  WebSocket(boost::beast::tcp_stream stream, std::shared_ptr<HttpConnection> connection,
            std::shared_ptr<WebSocketSession> session);
  ~WebSocket();

  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  void Accept(const Request& request);

  // One at a time: the next after OnWritten.
  void Send(std::string text);
  // Sends a close frame after the frame under way. Once.
  void Close(uint16_t code, std::string reason);
  // Ends the connection as it is.
  void Abort();

 private:
  void Read();
  void Tick();
  void StartClose();
  void Closed();

  boost::beast::websocket::stream<boost::beast::tcp_stream> stream_;
  boost::asio::steady_timer timer_;
  // All below on the strand only. The connection counts as open as long as it is held.
  std::shared_ptr<HttpConnection> connection_;
  std::shared_ptr<WebSocketSession> session_;
  boost::beast::flat_buffer input_;
  std::string output_;
  bool open_ = false;
  bool writing_ = false;
  bool pinging_ = false;
  bool closing_ = false;
  int64_t write_began_ns_ = 0;
  boost::beast::websocket::close_reason reason_;
};

}  // namespace skald::server
