// pack: {labels, ingest_timestamp} moves labels into the line, which becomes a JSON object with _entry.
#include <algorithm>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr std::string_view kEntryKey = "_entry";

class PackStage : public Stage {
 public:
  PackStage(std::vector<std::string> names, bool ingest_timestamp)
      : names_(std::move(names)), ingest_timestamp_(ingest_timestamp) {}
  bool Run(Entry* entry) override {
    std::string packed;
    JsonWriter json(&packed);
    json.BeginObject();
    for (const std::string& name : names_) {
      if (name == kEntryKey) {
        json.Key(kEntryKey).String(entry->line);
        continue;
      }
      if (!entry->labels.Has(name)) continue;
      json.Key(name).String(entry->labels.Get(name));
      entry->labels.Remove(name);
    }
    json.EndObject();
    entry->line = std::move(packed);
    if (ingest_timestamp_) entry->time_ns = Clock::System().NowNs();
    return true;
  }

 private:
  const std::vector<std::string> names_;  // sorted, with _entry
  const bool ingest_timestamp_;
};

}  // namespace

StageOr MakePackStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"labels", "ingest_timestamp"}));
  std::vector<std::string> names;
  bool ingest_timestamp = true;
  if (config.IsMap()) {
    if (config["labels"].IsDefined()) {
      ASSIGN_OR_RETURN(names, StageList(config["labels"]));
    }
    if (config["ingest_timestamp"].IsDefined()) ingest_timestamp = config["ingest_timestamp"].as<bool>();
  }
  names.emplace_back(kEntryKey);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return std::make_unique<PackStage>(std::move(names), ingest_timestamp);
}

}  // namespace skald::agent
