// Reading a stage's settings: every key is known, or the stage is refused.
#pragma once

#include <absl/status/statusor.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace skald::agent {

// InvalidArgument for anything but a map (or nothing) with keys out of these.
absl::Status CheckStageKeys(const YAML::Node& config, std::initializer_list<std::string_view> keys);
// "" where the key is missing.
std::string StageText(const YAML::Node& config, const char* key);
// name -> source, in the order of the file; an empty source is the name itself.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> StageMapping(const YAML::Node& config);
absl::StatusOr<std::vector<std::string>> StageList(const YAML::Node& config);

}  // namespace skald::agent
