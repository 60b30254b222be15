// Promtail's own flags on our command line, so that a unit file or a pod that starts it needs only another
// program's name.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace skald::agent {

struct PromtailFlags {
  std::vector<std::string>
      rest;  // argv[0], what is not Promtail's, and what stands for Promtail's flags here
  // The client of -client.*, as keys and values of one element of clients; empty = none.
  std::vector<std::pair<std::string, std::string>> client;
  std::vector<std::pair<std::string, std::string>> external_labels;
  std::optional<std::string> positions;     // -positions.file
  std::optional<std::string> http_address;  // -server.http-listen-address
  std::optional<std::string> http_port;     // -server.http-listen-port
  bool check_syntax = false;
  bool print_config = false;
  std::vector<std::string> warnings;  // flags without effect, and what to do instead
};

// One or two dashes, "=value" or the next argument. InvalidArgument for a flag without its value.
absl::StatusOr<PromtailFlags> TakePromtailFlags(int argc, const char* const* argv);

}  // namespace skald::agent
