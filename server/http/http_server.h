// The HTTP/1.1 server: accepts, reads whole requests, hands them to the router's handlers and writes what
// they answer. Its few threads only move bytes; handlers that work hand over to a pool of their own and
// answer from there.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/memory_budget.h"
#include "base/metrics.h"
#include "server/http/router.h"

namespace skald::server {

struct HttpServerOptions {
  std::string listen = "127.0.0.1:3100";  // host:port; ":3100" = all addresses; port 0 = any free one
  int threads = 2;
  uint32_t max_connections = 4096;  // more are answered 503 and closed
  uint32_t max_head_bytes = 1 << 20;
  int64_t idle_timeout_ms = 120'000;     // between two requests
  int64_t head_timeout_ms = 20'000;      // from the first byte of a request to the end of its head
  int64_t progress_timeout_ms = 30'000;  // without a byte of a body, either way
  // Bytes of request bodies held at one time by all connections; beyond it requests are answered 503.
  uint64_t max_body_memory_bytes = uint64_t{512} << 20;
  // Bytes of answers that wait to be taken by their clients; one that does not fit is answered 503.
  uint64_t max_answer_memory_bytes = uint64_t{512} << 20;
  // Senders that differ in this header have at most their shares of both (base/fair_share.h); "" = no shares.
  std::string share_by_header;
  // What both draw from, or null. Outlives the server.
  MemoryBudget* memory = nullptr;
};

class HttpServer {
 public:
  // Binds and starts. FailedPrecondition `cannot listen on ADDRESS: ...` when the address is taken or not
  // ours. router and metrics outlive the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, const Router* router,
                                                           Metrics* metrics);

  // Stops accepting, lets running requests finish for up to timeout_ms, then cancels and closes the rest.
  // Idempotent.
  void Shutdown(int64_t timeout_ms);
  ~HttpServer();

  uint16_t port() const;
  std::string address() const;  // host:port as bound

 private:
  class Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// Splits host:port; an empty host stands for all addresses. InvalidArgument with an example otherwise.
struct HostPort {
  std::string host;
  uint16_t port = 0;
};
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

}  // namespace skald::server
