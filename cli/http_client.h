// Requests to one server, through libcurl. Not thread-safe; keeps the connection between requests.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
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
  std::string query_tags;                                    // X-Query-Tags
  std::string auth_header = "Authorization";                 // the header that carries user or token
  std::vector<std::pair<std::string, std::string>> headers;  // of each request, beside the others
  std::string ca_certificate;
  std::string client_certificate;
  std::string client_key;
  std::string proxy_url;              // "" = none
  bool proxy_of_environment = false;  // http_proxy and its siblings count
  bool skip_tls_verify = false;
  bool compress = false;
  bool no_cache = false;       // Cache-Control: no-cache
  int timeout_seconds = 300;   // for a whole request; 0 = none
  int retries = 0;             // of a request that got no answer, 429 or 5xx
  int64_t min_backoff_ns = 0;  // before the second attempt; doubled for each further one; 0 = half a second
  int64_t max_backoff_ns = 0;  // 0 = ten seconds
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=x%20y".
std::string EncodeParameters(const Parameters& parameters);
// A part of a path: "a%2Fb".
std::string EncodeSegment(const std::string& text);

struct CurlHandle;

class HttpClient {
 public:
  explicit HttpClient(Connection connection);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  struct Answer {
    std::string body;
    std::string delete_request_id;  // the header X-Delete-Request-Id
  };
  // The 2xx answer to a request without a body. Unavailable when no server answers, with a hint what to
  // start; InvalidArgument (4xx), PermissionDenied (401, 403), ResourceExhausted (429) or Internal (5xx) with
  // the server's own words otherwise.
  absl::StatusOr<Answer> Request(const char* method, std::string_view path, const Parameters& parameters);
  absl::StatusOr<std::string> Get(std::string_view path, const Parameters& parameters);

  const Connection& connection() const { return connection_; }

 private:
  absl::StatusOr<Answer> Attempt(const char* method, const std::string& url, std::string_view path);

  Connection connection_;
  std::unique_ptr<CurlHandle> handle_;
};

}  // namespace skald::cli
