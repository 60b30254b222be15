// GET over HTTP and HTTPS, for what the page shows of other programs.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace skald::server {

struct HttpGetAnswer {
  int status = 0;
  std::string body;
};

// Waits for the whole answer: not for a thread that others need. Redirects are not followed. `address`, if
// not empty, is an address of the URL's host to use in place of asking for one. Unavailable when there is no
// answer within timeout_ms, ResourceExhausted when its body is longer than max_bytes. Thread-safe.
absl::StatusOr<HttpGetAnswer> HttpGet(const std::string& url, const std::string& address, int64_t timeout_ms,
                                      size_t max_bytes);

// The addresses of the URL's host, at most `most`. Unavailable when it has none.
absl::StatusOr<std::vector<std::string>> AddressesOf(const std::string& url, size_t most);

}  // namespace skald::server
