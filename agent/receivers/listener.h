// Sockets of the agent's receivers: where they listen, and with which certificate.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/receivers/receiver.h"

namespace skald::agent {

// listen: ip:port; an empty ip is any, localhost is 127.0.0.1, an IPv6 address stands in brackets.
absl::StatusOr<boost::asio::ip::tcp::endpoint> ParseListenAddress(const std::string& listen);

// Takes connections on the context's thread, until it is destroyed; while none can be had it pauses and tries
// again.
class TcpListener {
 public:
  // tls: what the connection is to be secured with, null for none; lives as long as the listener.
  using Begin = std::function<void(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls)>;

  explicit TcpListener(boost::asio::io_context* context) : acceptor_(*context), pause_(*context) {}

  // Unavailable when the address cannot be had, InvalidArgument naming the file when a certificate is wrong.
  absl::Status Open(const std::string& listen, const std::optional<TlsServerOptions>& tls, Begin begin);
  int port() const { return acceptor_.local_endpoint().port(); }

 private:
  void Accept();

  std::unique_ptr<boost::asio::ssl::context> tls_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  Begin begin_;
};

}  // namespace skald::agent
