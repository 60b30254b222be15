// Sends a load's bodies to a server over a few connections, as fast as it takes them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace skald::bench {

struct ReplayOptions {
  std::string directory;
  std::string host = "127.0.0.1";
  std::string port = "3100";
  std::string target = "/loki/api/v1/push";
  int connections = 4;
};

struct ReplayResult {
  double seconds = 0;
  uint64_t bodies = 0;
  uint64_t retries = 0;
  double median_ms = 0;  // of one request
  double worst_ms = 0;
};

// Body i goes over connection i % 10 % connections, so that one node's bodies stay in order. An answer of 429
// or 5xx is retried after 0.2 s, at most 50 times; any other failure ends the replay. Files are read as they
// are sent: have them in the page cache for a measurement.
absl::StatusOr<ReplayResult> Replay(const ReplayOptions& options);

}  // namespace skald::bench
