#include "agent/stages/stage_config.h"

#include <algorithm>

#include "base/error.h"

namespace skald::agent {

absl::Status CheckStageKeys(const YAML::Node& config, std::initializer_list<std::string_view> keys) {
  if (!config.IsDefined() || config.IsNull()) return absl::OkStatus();
  if (!config.IsMap()) return InvalidArgument("its settings are not a map");
  for (const auto& item : config) {
    const std::string key = item.first.Scalar();
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      return InvalidArgument("unknown key \"{}\"", key);
  }
  return absl::OkStatus();
}

std::string StageText(const YAML::Node& config, const char* key) {
  if (!config.IsMap()) return "";
  const YAML::Node value = config[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : "";
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> StageMapping(const YAML::Node& config) {
  if (!config.IsDefined() || !config.IsMap() || config.size() == 0)
    return InvalidArgument("a map with at least one name is required");
  std::vector<std::pair<std::string, std::string>> mapping;
  for (const auto& item : config) {
    const std::string name = item.first.Scalar();
    const std::string source = item.second.IsScalar() ? item.second.Scalar() : "";
    mapping.emplace_back(name, source.empty() ? name : source);
  }
  return mapping;
}

absl::StatusOr<std::vector<std::string>> StageList(const YAML::Node& config) {
  if (!config.IsDefined() || !config.IsSequence() || config.size() == 0)
    return InvalidArgument("a list with at least one name is required");
  std::vector<std::string> list;
  for (const YAML::Node& item : config) list.push_back(item.Scalar());
  return list;
}

}  // namespace skald::agent
