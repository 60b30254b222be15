// A WebSocket to one server (RFC 6455), over libcurl's connection: addresses, TLS and proxies are those of
// HttpClient. It only listens; pings are answered while it waits. Not thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/http_client.h"

namespace skald::cli {

class WebSocket {
 public:
  // Errors are those of HttpClient::Get: what the server says in place of an upgrade, or that none answers.
  static absl::StatusOr<std::unique_ptr<WebSocket>> Open(const Connection& connection, std::string_view path,
                                                         const Parameters& parameters,
                                                         const std::string& header);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // The next text; nullopt when none came within the time. Aborted with the server's reason when it closed
  // the connection, Unavailable when the connection was lost.
  absl::StatusOr<std::optional<std::string>> Next(int timeout_ms);

 private:
  explicit WebSocket(Connection connection);

  absl::Status Connect(std::string_view path, const Parameters& parameters, const std::string& header);
  absl::Status Send(std::string_view bytes);
  // Waits for bytes and puts them behind buffer_. False: none within the time.
  absl::StatusOr<bool> Receive(int timeout_ms);
  absl::Status SendFrame(uint8_t opcode, std::string_view payload);

  Connection connection_;
  std::unique_ptr<CurlHandle> handle_;
  std::string buffer_;   // received and not looked at
  std::string message_;  // fragments so far
};

}  // namespace skald::cli
