// The blocks of scrape_configs that receive: syslog, loki_push_api, otlp, kafka.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/receivers/receivers.h"
#include "base/relabel.h"

namespace YAML {
class Node;
}

namespace skald::agent {

// Whether a key of a scrape config is such a block.
bool IsReceiverBlock(std::string_view key);

// Adds what the block asks for. place stands in front of warnings and errors. InvalidArgument for values that
// cannot be. May throw YAML::Exception.
absl::Status ReadReceiver(std::string_view key, const YAML::Node& block, std::string_view place,
                          const std::string& job_name, const std::optional<Relabelling>& relabelling,
                          ReceiverConfigs* out, std::string* source, std::vector<std::string>* warnings);

}  // namespace skald::agent
