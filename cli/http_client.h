// GET requests to one server, through libcurl. Not thread-safe; keeps the connection between requests.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald::cli {

struct Connection {
  std::string address = "http://localhost:3100";  // scheme, host, port and, behind a proxy, a path prefix
  std::string org_id;                             // X-Scope-OrgID; "" sends none
  std::string username;
  std::string password;
  std::string bearer_token;
  std::string query_tags;  // X-Query-Tags
  std::string ca_certificate;
  bool skip_tls_verify = false;
  bool compress = false;
  int timeout_seconds = 300;  // for a whole request; 0 = none
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=x%20y".
std::string EncodeParameters(const Parameters& parameters);

struct CurlHandle;

class HttpClient {
 public:
  explicit HttpClient(Connection connection);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // The body of a 2xx answer. Unavailable when no server answers, with a hint what to start; InvalidArgument
  // (4xx), PermissionDenied (401, 403), ResourceExhausted (429) or Internal (5xx) with the server's own words
  // otherwise.
  absl::StatusOr<std::string> Get(std::string_view path, const Parameters& parameters);

  const Connection& connection() const { return connection_; }

 private:
  Connection connection_;
  std::unique_ptr<CurlHandle> handle_;
};

}  // namespace skald::cli
