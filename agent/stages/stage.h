// The stages of a scrape job's pipeline_stages: what each does to one entry, made from its part of a
// Promtail configuration.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
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
  void Remove(std::string_view name);
  void Clear() { values_.clear(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<std::pair<std::string, ExtractedValue>> values_;
};

// Which line of its log an entry begins with.
struct EntryOrigin {
  uint64_t ordinal = 0;  // ascends within a log
  uint64_t file_id = 0;
  uint64_t begin = 0;
};

// A label with this name says which tenant an entry is for; it is taken off before sending.
inline constexpr std::string_view kTenantLabel = "__tenant_id__";

struct Entry {
  Labels labels;
  int64_t time_ns = 0;
  std::string line;
  std::vector<std::pair<std::string, std::string>> metadata;  // no name twice, in any order
  Extracted extracted;                                        // begins with the labels
  std::string_view drop_reason;  // set by the stage that drops the entry; lives as long as it
  uint64_t cut_bytes = 0;        // of the line, because it was too long
  bool partial = false;          // the rest of the message never came
  std::string_view level;        // that the source knows, "" = none; lives for ever
  EntryOrigin origin;

  // The extracted value `source`, or the line if source is empty; nullptr if there is none or it is null.
  const std::string* Source(const std::string& source) const;
  // Adds or replaces.
  void SetMetadata(std::string_view name, std::string value);
};

// Takes what comes out of stages.
class EntrySink {
 public:
  virtual ~EntrySink() = default;
  virtual void Emit(Entry* entry) = 0;
  virtual void Drop(const Entry& entry) = 0;  // for entry.drop_reason
};

class HeldEntries;  // agent/stages/held_entries.h

// Owned by one job, used by one thread: stages may keep state between entries.
class Stage {
 public:
  virtual ~Stage() = default;
  // False drops the entry; drop_reason is set then.
  virtual bool Run(Entry* entry) = 0;

  // A stage that makes one entry of several has Join called in place of Run. What it holds back belongs to
  // the log (held), and comes out with the entry that completes it, or by Flush.
  virtual bool joins() const { return false; }
  virtual void Join(Entry* /*entry*/, HeldEntries* /*held*/, EntrySink* /*next*/) {}
  // Gives on what of its own is held and marked as due.
  virtual void Flush(HeldEntries* /*held*/, EntrySink* /*next*/) {}

  // Monotonic; until then no more lines should be read for this job. 0 = go on.
  virtual int64_t paused_until_ns() const { return 0; }
};

using StageOr = absl::StatusOr<std::unique_ptr<Stage>>;

class StageMetrics;  // agent/stages/stage_metrics.h

// What stages are made with beside their settings.
struct StageContext {
  std::shared_ptr<StageMetrics> metrics;  // where the metrics stage counts; nullptr = nowhere
  std::string job;
  size_t max_line_size = size_t{256} << 10;  // a joined line is not made longer
};

// config: what stands behind the stage's name. InvalidArgument without a place, which the caller adds. May
// throw YAML::Exception.
StageOr MakeDecolorizeStage(const YAML::Node& config, const StageContext& context);
StageOr MakeDropStage(const YAML::Node& config, const StageContext& context);
StageOr MakeGeoIpStage(const YAML::Node& config, const StageContext& context);
StageOr MakeJsonStage(const YAML::Node& config, const StageContext& context);
StageOr MakeLabelAllowStage(const YAML::Node& config, const StageContext& context);
StageOr MakeLabelDropStage(const YAML::Node& config, const StageContext& context);
StageOr MakeLabelsStage(const YAML::Node& config, const StageContext& context);
StageOr MakeLimitStage(const YAML::Node& config, const StageContext& context);
StageOr MakeLogfmtStage(const YAML::Node& config, const StageContext& context);
StageOr MakeMatchStage(const YAML::Node& config, const StageContext& context);
StageOr MakeMetricsStage(const YAML::Node& config, const StageContext& context);
StageOr MakeMultilineStage(const YAML::Node& config, const StageContext& context);
StageOr MakeOutputStage(const YAML::Node& config, const StageContext& context);
StageOr MakePackStage(const YAML::Node& config, const StageContext& context);
StageOr MakeRegexStage(const YAML::Node& config, const StageContext& context);
StageOr MakeReplaceStage(const YAML::Node& config, const StageContext& context);
StageOr MakeSamplingStage(const YAML::Node& config, const StageContext& context);
StageOr MakeStaticLabelsStage(const YAML::Node& config, const StageContext& context);
StageOr MakeStructuredMetadataStage(const YAML::Node& config, const StageContext& context);
StageOr MakeTemplateStage(const YAML::Node& config, const StageContext& context);
StageOr MakeTenantStage(const YAML::Node& config, const StageContext& context);
StageOr MakeTimestampStage(const YAML::Node& config, const StageContext& context);

}  // namespace skald::agent
