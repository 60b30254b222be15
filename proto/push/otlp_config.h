// What becomes of the attributes of OTLP logs: limits_config.otlp_config of the server, and the agent's
// receiver.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

namespace YAML {
class Node;
}

namespace skald {

enum class OtlpAction { kIndexLabel, kStructuredMetadata, kDrop };

// Names an attribute by its own, unchanged name: exactly, or by a regex that must match the whole of it.
struct OtlpRule {
  OtlpAction action = OtlpAction::kStructuredMetadata;
  absl::flat_hash_set<std::string> attributes;
  std::shared_ptr<const re2::RE2> regex;  // null: `attributes` decides

  bool Matches(std::string_view name) const;
};

using OtlpRules = std::vector<OtlpRule>;

// The action of the first rule that matches; kStructuredMetadata without one.
OtlpAction ActionFor(const OtlpRules& rules, std::string_view name);

// Labels that may say which service a stream is of, the most trusted first, where nothing else is configured.
std::vector<std::string> DefaultServiceNameLabels();

// Immutable in practice.
struct OtlpConfig {
  // The rule for Loki's default index labels stands first, unless ignore_defaults took it out.
  OtlpRules resource = {DefaultResourceRule()};
  OtlpRules scope;
  OtlpRules log;
  bool severity_text_as_label = false;

  static OtlpRule DefaultResourceRule();
};

// Reads the YAML of otlp_config over *config. InvalidArgument says what is wrong, without the place.
absl::Status ReadOtlpConfig(const YAML::Node& node, OtlpConfig* config);

}  // namespace skald
