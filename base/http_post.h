// POST over HTTP and HTTPS, by libcurl, and GET of answers that do not end.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skald {

class OAuth2Tokens;

// What stands in a file that holds one secret, without the blanks around it.
absl::StatusOr<std::string> ReadSecret(const std::string& path);

// Where to and how. Files are read at each request, so that rotated secrets take effect.
struct HttpTarget {
  std::string url;
  std::string unix_socket;  // connects there, whatever host the URL names; "" = to that host
  std::string basic_username;
  std::string basic_password;
  std::string basic_password_file;
  std::string authorization_type = "Bearer";
  std::string credentials;
  std::string credentials_file;
  std::shared_ptr<OAuth2Tokens> oauth2;  // base/oauth2.h; wins over credentials; null = none
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string ca_pem;  // each in place of its file
  std::string cert_pem;
  std::string key_pem;
  std::string server_name;
  bool insecure_skip_verify = false;
  std::string proxy_url;  // http://, https:// or socks5://, with user and password if any; "" = as the
                          // environment says (HTTPS_PROXY, http_proxy, NO_PROXY)
  std::string no_proxy;   // hosts, domains and networks that are spoken to without it, separated by commas
  std::vector<std::pair<std::string, std::string>> proxy_headers;  // for the proxy alone, with CONNECT
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t timeout_ms = 10'000;
};

struct HttpResult {
  int status = 0;              // 0 = no answer
  std::string error;           // why there is none
  std::string body;            // its first kilobyte
  int64_t retry_after_ms = 0;  // what the answer asks for, 0 = nothing

  bool ok() const { return status / 100 == 2; }
  // Worth another attempt: no answer, 5xx, 408 or 429.
  bool retryable() const { return status == 0 || status / 100 == 5 || status == 408 || status == 429; }
  std::string Text() const;  // for logs
};

// Keeps its connection. Not thread-safe.
class HttpPoster {
 public:
  explicit HttpPoster(HttpTarget target);
  ~HttpPoster();
  HttpPoster(const HttpPoster&) = delete;
  HttpPoster& operator=(const HttpPoster&) = delete;

  HttpResult Post(const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers);
  // With the whole body of a 2xx given to take, piece by piece; false ends it.
  using TakeBody = std::function<bool(std::string_view)>;
  HttpResult Post(const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers,
                  const TakeBody& take);
  // GET of the target's url with `path` behind it. take gets the body of a 2xx, piece by piece, and ends the
  // request by false; other bodies go into the result. stop is asked about once a second, and whenever
  // something comes. Ends after timeout_ms at the latest, which is no error for an answer that has begun.
  HttpResult Get(const std::string& path, const TakeBody& take, const std::function<bool()>& stop,
                 int64_t timeout_ms);

 private:
  struct Handle;
  struct Request;
  HttpResult Perform(const Request& request);
  HttpResult PerformOnce(const Request& request, const std::string& authorization);
  const HttpTarget target_;
  std::unique_ptr<Handle> handle_;
};

// Seconds or an HTTP date, in ms from now; 0 where it is neither or past.
int64_t ParseRetryAfter(const std::string& value, int64_t now_seconds);

// The URL without user and password, for logs and metrics.
std::string PublicUrl(const std::string& url);

}  // namespace skald
