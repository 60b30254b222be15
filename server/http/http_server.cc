#include "server/http/http_server.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/http/http_connection.h"

namespace skald::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort out;
  bool ok = colon != std::string_view::npos;
  if (ok) {
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    ok = ec == std::errc() && end == port.data() + port.size();
    out.host = host;
  }
  if (!ok)
    return InvalidArgument("\"{}\" is not an address of the form host:port, such as 127.0.0.1:3100", text);
  return out;
}

class HttpServer::Impl : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(HttpServerOptions options, const Router* router, Metrics* metrics)
      : shared_(std::make_shared<HttpShared>(std::move(options), router, metrics)),
        io_(shared_->io),
        acceptor_(io_),
        retry_(io_) {}

  absl::Status Listen() {
    const std::string& text = shared_->options.listen;
    ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(text));
    error_code ec;
    tcp::endpoint endpoint(tcp::v4(), where.port);
    if (!where.host.empty()) {
      tcp::resolver resolver(io_);
      const auto found = resolver.resolve(where.host, std::to_string(where.port), tcp::resolver::passive, ec);
      if (ec || found.empty()) {
        return FailedPrecondition("cannot listen on {}: {}; choose another address with --http-listen", text,
                                  ec.message());
      }
      endpoint = found.begin()->endpoint();
    }
    const auto failed = [&]() -> absl::Status {
      if (ec == asio::error::address_in_use) {
        return FailedPrecondition(
            "cannot listen on {}: address already in use; another Skald or Loki may be running, choose "
            "another with --http-listen",
            text);
      }
      return FailedPrecondition("cannot listen on {}: {}; choose another address with --http-listen", text,
                                ec.message());
    };
    if (acceptor_.open(endpoint.protocol(), ec)) return failed();
    if (acceptor_.set_option(tcp::acceptor::reuse_address(true), ec)) return failed();
    if (acceptor_.bind(endpoint, ec)) return failed();
    if (acceptor_.listen(asio::socket_base::max_listen_connections, ec)) return failed();
    const tcp::endpoint bound = acceptor_.local_endpoint(ec);
    port_ = bound.port();
    const std::string host = bound.address().to_string();
    address_ = fmt::format("{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]", port_);
    return absl::OkStatus();
  }

  void Run() {
    shared_->metrics->Callback(
        this, MetricKind::kGauge, "skald_http_connections", "Open HTTP connections.", [shared = shared_] {
          return std::vector<Metrics::Sample>{{{}, static_cast<double>(shared->connections.load())}};
        });
    shared_->metrics->Callback(
        this, MetricKind::kGauge, "skald_http_answer_bytes",
        "Bytes of answers that wait to be taken by their clients.", [shared = shared_] {
          return std::vector<Metrics::Sample>{{{}, static_cast<double>(shared->answers.used())}};
        });
    asio::post(io_, [self = shared_from_this()] { self->Accept(); });
    for (int i = 0; i < shared_->options.threads; ++i) {
      threads_.emplace_back([this] { RunIo(); });
    }
  }

  // Beast throws where a field is longer than it can hold (64 KiB). What was thrown ends the handler, and
  // with it the connection that it belonged to; the others go on.
  void RunIo() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        LogWarn("a connection was dropped", "error=\"{}\"", error.what());
      }
    }
  }

  void Shutdown(int64_t timeout_ms) {
    if (stopped_.exchange(true)) return;
    shared_->metrics->RemoveCallbacks(this);
    shared_->draining = true;
    asio::post(io_, [self = shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
    });
    ForEach([](HttpConnection& c) { c.Drain(); });
    const auto wait_until_empty = [this](int64_t ms) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
      while (shared_->connections.load() > 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      return shared_->connections.load() == 0;
    };
    if (!wait_until_empty(timeout_ms)) {
      ForEach([](HttpConnection& c) { c.Abort(); });
      wait_until_empty(2'000);
    }
    work_.reset();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    io_.restart();
    io_.poll();  // what was posted meanwhile lets go of its connection
  }

  uint16_t port() const { return port_; }
  const std::string& address() const { return address_; }

 private:
  void Accept() {
    acceptor_.async_accept(
        asio::make_strand(io_), [self = shared_from_this()](error_code ec, tcp::socket socket) {
          if (ec == asio::error::operation_aborted || self->shared_->draining) return;
          if (ec) {
            // Out of descriptors or the like: the pause keeps the loop from spinning.
            LogWarn("accept failed", "error=\"{}\"", ec.message());
            self->retry_.expires_after(std::chrono::milliseconds(100));
            self->retry_.async_wait([self](error_code stopped) {
              if (!stopped) self->Accept();
            });
            return;
          }
          const bool full = self->shared_->connections.load() >= self->shared_->options.max_connections;
          auto connection = std::make_shared<HttpConnection>(std::move(socket), self->shared_);
          {
            const std::lock_guard lock(self->mu_);
            if (++self->accepted_ % 64 == 0) {
              std::erase_if(self->live_, [](const std::weak_ptr<HttpConnection>& c) { return c.expired(); });
            }
            self->live_.push_back(connection);
          }
          if (full) {
            connection->Refuse();
          } else {
            connection->Start();
          }
          self->Accept();
        });
  }

  void ForEach(const std::function<void(HttpConnection&)>& f) {
    const std::lock_guard lock(mu_);
    for (const auto& weak : live_) {
      if (const auto connection = weak.lock()) f(*connection);
    }
  }

  std::shared_ptr<HttpShared> shared_;
  asio::io_context& io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
  std::string address_;
  std::atomic<bool> stopped_{false};
  std::mutex mu_;
  std::vector<std::weak_ptr<HttpConnection>> live_;  // guarded by mu_
  uint64_t accepted_ = 0;                            // guarded by mu_
};

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, const Router* router,
                                                              Metrics* metrics) {
  auto impl = std::make_shared<Impl>(std::move(options), router, metrics);
  RETURN_IF_ERROR(impl->Listen());
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() { Shutdown(0); }
void HttpServer::Shutdown(int64_t timeout_ms) { impl_->Shutdown(timeout_ms); }
uint16_t HttpServer::port() const { return impl_->port(); }
std::string HttpServer::address() const { return impl_->address(); }

}  // namespace skald::server
