// Settings of other log agents, turned into skald-agent's. What cannot be carried over stands as a comment in
// the YAML, at the place where it would be, with the line of the old file and what to do.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "cli/commands.h"

namespace skald::cli {

struct Migration {
  std::string yaml;
  size_t notes = 0;  // things that were not carried over
};

// name: of the file, for errors. InvalidArgument, with the line, for what cannot be read at all.
absl::StatusOr<Migration> MigratePromtail(std::string_view text, std::string_view name);
absl::StatusOr<Migration> MigrateAlloy(std::string_view text, std::string_view name);
// Its classic form and its YAML.
absl::StatusOr<Migration> MigrateFluentBit(std::string_view text, std::string_view name);

// promtail, alloy or fluent-bit, by the file's name and text; "" where nothing tells.
std::string GuessAgentFormat(std::string_view text, std::string_view name);

// skaldctl migrate agent-config.
absl::Status RunMigrateAgentConfig(const Options& options, Streams streams);

}  // namespace skald::cli
