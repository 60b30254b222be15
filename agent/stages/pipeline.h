// A scrape job's stages in their order.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/stages/stage.h"

namespace skald::agent {

// Used by one thread, shared by the logs of a job.
class Pipeline {
 public:
  // A stage by its name. NotFound: the agent has no such stage.
  absl::Status Add(std::string_view name, const YAML::Node& config);
  bool empty() const { return stages_.empty(); }
  // False: the entry is dropped, for entry->drop_reason. Extracted values are set up here.
  bool Run(Entry* entry) const;

 private:
  std::vector<std::unique_ptr<Stage>> stages_;
};

}  // namespace skald::agent
