// Promtail's clients: where lines go, by Loki's HTTP push or (url: grpc://host:port) by Skald's own protocol.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/delivery/loki_sender.h"

namespace YAML {
class Node;
}

namespace skald::agent {

struct ClientConfig {
  std::string name;                // names the end's positions and metrics; from the URL if none is given
  std::string grpc_server;         // host:port, "" = HTTP
  LokiSenderOptions loki;          // tenant and external labels count for both
  std::optional<int64_t> wait_ns;  // batchwait
  std::optional<uint64_t> batch_bytes;
};

// One element of clients. place ("promtail.yaml") stands in front of errors and of warnings, which say what
// is done differently. InvalidArgument for wrong values; unknown keys warn. Does not throw.
absl::StatusOr<ClientConfig> ReadClientConfig(const YAML::Node& client, std::string_view place,
                                              std::vector<std::string>* warnings);

}  // namespace skald::agent
