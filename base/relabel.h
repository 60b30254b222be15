// Prometheus' relabelling of label sets: relabel_configs of scraped logs, alert_relabel_configs of alerts.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "base/labels.h"

namespace skald {

// One element of the list, as it is written; defaults are Prometheus'.
struct RelabelConfig {
  std::string action = "replace";
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";
  std::string target_label;
  std::string replacement = "$1";
  uint64_t modulus = 0;  // of hashmod
};

// Immutable once made: thread-safe.
class Relabelling {
 public:
  // InvalidArgument with the number of the step and what to write instead: unknown actions, regular
  // expressions that are none, a missing target_label.
  static absl::StatusOr<Relabelling> Make(std::vector<RelabelConfig> configs);
  Relabelling() = default;

  // False: the label set is dropped. Labels that become empty are gone.
  bool Apply(Labels* labels) const;

 private:
  struct Step {
    RelabelConfig config;
    std::shared_ptr<const RE2> regex;
  };
  std::vector<Step> steps_;
};

}  // namespace skald
