#include "agent/receivers/listener.h"

#include <charconv>
#include <chrono>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};

absl::StatusOr<std::unique_ptr<asio::ssl::context>> MakeTlsContext(const TlsServerOptions& options) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                           asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1,
                       error);
  context->use_certificate_chain_file(options.cert_file, error);
  if (error) return InvalidArgument("certificate {}: {}", options.cert_file, error.message());
  context->use_private_key_file(options.key_file, asio::ssl::context::pem, error);
  if (error) return InvalidArgument("key {}: {}", options.key_file, error.message());
  if (!options.ca_file.empty()) {
    context->load_verify_file(options.ca_file, error);
    if (error) return InvalidArgument("certificates {}: {}", options.ca_file, error.message());
    context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  }
  return context;
}

}  // namespace

absl::StatusOr<tcp::endpoint> ParseListenAddress(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return InvalidArgument("listen address \"{}\" is not ip:port", listen);
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  uint16_t port = 0;
  const char* const end = listen.data() + listen.size();
  const auto [p, ec] = std::from_chars(listen.data() + colon + 1, end, port);
  if (error || ec != std::errc() || p != end)
    return InvalidArgument("listen address \"{}\" is not ip:port", listen);
  return tcp::endpoint(address, port);
}

absl::Status TcpListener::Open(const std::string& listen, const std::optional<TlsServerOptions>& tls,
                               Begin begin) {
  if (tls) {
    ASSIGN_OR_RETURN(tls_, MakeTlsContext(*tls));
  }
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseListenAddress(listen));
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Unavailable("listen on {}: {}", listen, error.message());
  begin_ = std::move(begin);
  Accept();
  return absl::OkStatus();
}

void TcpListener::Accept() {
  acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      begin_(std::move(socket), tls_.get());
      return Accept();
    }
    // Descriptors are used up, most likely.
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) Accept();
    });
  });
}

}  // namespace skald::agent
