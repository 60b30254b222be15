// A receiver's port for HTTP, or HTTPS: takes whole requests and gives each its answer when it is known.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "agent/receivers/listener.h"

namespace skald::agent {

struct DoorRequest {
  bool post = false;
  std::string path;          // without what follows a "?"
  std::string content_type;  // headers as sent
  std::string content_encoding;
  std::string body;
};

struct DoorAnswer {
  int status = 204;  // with 503, the sender is asked to try again in a second
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

// What each door answers at /ready. nullopt for other paths.
std::optional<DoorAnswer> ReadyAnswer(const DoorRequest& request);

// It and its connections live on the context's thread.
class HttpDoor {
 public:
  // Called once, on any thread; not after the context is gone.
  using Answer = std::function<void(DoorAnswer)>;
  using Handle = std::function<void(DoorRequest request, Answer answer)>;

  // max_body_bytes: of a body as it is sent; one beyond gets 413.
  HttpDoor(boost::asio::io_context* context, uint64_t max_body_bytes, Handle handle);
  // As TcpListener::Open.
  absl::Status Open(const std::string& listen, const std::optional<TlsServerOptions>& tls);
  int port() const { return listener_.port(); }

 private:
  void Begin(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);

  const uint64_t max_body_bytes_;
  const Handle handle_;
  TcpListener listener_;
  const std::shared_ptr<size_t> sessions_ = std::make_shared<size_t>(0);  // open connections
};

}  // namespace skald::agent
