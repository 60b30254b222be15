// Sockets of the agent's receivers: where they listen, and with which certificate.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/receiver.h"

namespace skald::agent {

// listen: ip:port; an empty ip is any, localhost is 127.0.0.1, an IPv6 address stands in brackets.
absl::StatusOr<boost::asio::ip::tcp::endpoint> ParseListenAddress(const std::string& listen);

absl::Status OpenAcceptor(const std::string& listen, boost::asio::ip::tcp::acceptor* acceptor);

// Gives on every connection, for as long as the acceptor and the timer (for a pause when none can be had)
// are there.
void AcceptAll(boost::asio::ip::tcp::acceptor* acceptor, boost::asio::steady_timer* pause,
               std::function<void(boost::asio::ip::tcp::socket)> begin);

absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> MakeTlsContext(const TlsServerOptions& options);

}  // namespace skald::agent
