// GET over HTTP and HTTPS: what the page shows of other programs, and whether a program of ours is well.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace skald {

struct HttpGetAnswer {
  int status = 0;
  std::string body;
};

// Waits for the whole answer: not for a thread that others need. Redirects are not followed. `address`, if
// not empty, is an address of the URL's host to use in place of asking for one. Unavailable when there is no
// answer within timeout_ms, ResourceExhausted when its body is longer than max_bytes. Thread-safe.
absl::StatusOr<HttpGetAnswer> HttpGet(const std::string& url, const std::string& address, int64_t timeout_ms,
                                      size_t max_bytes);

// What `skald health` and `skald-agent health` are made of, so that a container without a shell can ask: OK
// when the program that listens at `listen` (host:port, as in its settings) answers 200 at each of the paths
// within 5 s. Otherwise Unavailable with what it says instead.
absl::Status CheckHealth(const std::string& listen, const std::vector<std::string>& paths);

// The addresses of the URL's host, at most `most`. Unavailable when it has none.
absl::StatusOr<std::vector<std::string>> AddressesOf(const std::string& url, size_t most);

}  // namespace skald
