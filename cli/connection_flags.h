// The flags and environment variables of a connection: logcli's, each also as SKALD_... .
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "cli/http_client.h"

namespace CLI {
class App;
}

namespace skald::cli {

class ConnectionFlags {
 public:
  // Puts what the environment says into *connection, which outlives this, and adds the flags.
  ConnectionFlags(CLI::App* app, Connection* connection);
  // What the flags mean together, after all are read. InvalidArgument says which is wrong.
  absl::Status Finish();

 private:
  Connection* const connection_;
  std::string bearer_token_file_;
  std::vector<std::string> headers_;
  std::string min_backoff_;
  std::string max_backoff_;
};

}  // namespace skald::cli
