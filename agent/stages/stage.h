// The stages of a scrape job's pipeline_stages: what each does to one entry, made from its part of a
// Promtail configuration.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"

namespace YAML {
class Node;
}

namespace skald::agent {

// What a stage took out of a line. Numbers keep their text, so that no digit is lost.
struct ExtractedValue {
  enum class Type : uint8_t { kString, kNumber, kBool, kNull };
  Type type = Type::kString;
  std::string text;  // "" for null
};

// Values by name, for the stages that follow. Small: looked up one by one.
class Extracted {
 public:
  const ExtractedValue* Find(std::string_view name) const;
  void Set(std::string_view name, ExtractedValue value);
  void Set(std::string_view name, std::string_view text) {
    Set(name, ExtractedValue{ExtractedValue::Type::kString, std::string(text)});
  }
  void Clear() { values_.clear(); }

 private:
  std::vector<std::pair<std::string, ExtractedValue>> values_;
};

struct Entry {
  Labels labels;
  int64_t time_ns = 0;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;  // no name twice, in any order
  Extracted extracted;                                        // begins with the labels
  std::string_view drop_reason;  // set by the stage that drops the entry; lives as long as it

  // The extracted value `source`, or the line if source is empty; nullptr if there is none or it is null.
  const std::string* Source(const std::string& source) const;
};

// Owned by one job, used by one thread: stages may keep state between entries.
class Stage {
 public:
  virtual ~Stage() = default;
  // False drops the entry; drop_reason is set then.
  virtual bool Run(Entry* entry) = 0;
};

using StageOr = absl::StatusOr<std::unique_ptr<Stage>>;

// config: what stands behind the stage's name. InvalidArgument without a place, which the caller adds. May
// throw YAML::Exception.
StageOr MakeDecolorizeStage(const YAML::Node& config);
StageOr MakeDropStage(const YAML::Node& config);
StageOr MakeJsonStage(const YAML::Node& config);
StageOr MakeLabelAllowStage(const YAML::Node& config);
StageOr MakeLabelDropStage(const YAML::Node& config);
StageOr MakeLabelsStage(const YAML::Node& config);
StageOr MakeLogfmtStage(const YAML::Node& config);
StageOr MakeOutputStage(const YAML::Node& config);
StageOr MakePackStage(const YAML::Node& config);
StageOr MakeRegexStage(const YAML::Node& config);
StageOr MakeSamplingStage(const YAML::Node& config);
StageOr MakeStaticLabelsStage(const YAML::Node& config);
StageOr MakeStructuredMetadataStage(const YAML::Node& config);
StageOr MakeTimestampStage(const YAML::Node& config);

}  // namespace skald::agent
