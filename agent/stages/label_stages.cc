// labels, labeldrop, labelallow, static_labels and structured_metadata: which of what is known of an entry
// become its labels and metadata.
#include <algorithm>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::agent {
namespace {

using Mapping = std::vector<std::pair<std::string, std::string>>;

class LabelsStage : public Stage {
 public:
  explicit LabelsStage(Mapping labels) : labels_(std::move(labels)) {}
  bool Run(Entry* entry) override {
    for (const auto& [name, source] : labels_) {
      const std::string* const value = entry->Source(source);
      if (value == nullptr || !IsValidUtf8(*value)) continue;
      if (value->empty()) {
        entry->labels.Remove(name);  // an empty label is none
      } else {
        entry->labels.Set(name, *value);
      }
    }
    return true;
  }

 private:
  const Mapping labels_;
};

class LabelDropStage : public Stage {
 public:
  explicit LabelDropStage(std::vector<std::string> names) : names_(std::move(names)) {}
  bool Run(Entry* entry) override {
    for (const std::string& name : names_) entry->labels.Remove(name);
    return true;
  }

 private:
  const std::vector<std::string> names_;
};

class LabelAllowStage : public Stage {
 public:
  explicit LabelAllowStage(std::vector<std::string> names) : names_(std::move(names)) {}
  bool Run(Entry* entry) override {
    std::vector<Labels::Pair> kept;
    for (const auto& pair : entry->labels) {
      if (std::find(names_.begin(), names_.end(), pair.first) != names_.end()) kept.push_back(pair);
    }
    entry->labels = Labels(std::move(kept));
    return true;
  }

 private:
  const std::vector<std::string> names_;
};

class StaticLabelsStage : public Stage {
 public:
  explicit StaticLabelsStage(Mapping labels) : labels_(std::move(labels)) {}
  bool Run(Entry* entry) override {
    for (const auto& [name, value] : labels_) entry->labels.Set(name, value);
    return true;
  }

 private:
  const Mapping labels_;
};

// A label of the name moves; else the extracted value is taken.
class StructuredMetadataStage : public Stage {
 public:
  explicit StructuredMetadataStage(Mapping names) : names_(std::move(names)) {}
  bool Run(Entry* entry) override {
    for (const auto& [name, source] : names_) {
      const std::string* const value = entry->Source(source);
      if (value != nullptr && IsValidUtf8(*value)) {
        entry->SetMetadata(name, *value);
      } else if (entry->labels.Has(name)) {
        entry->SetMetadata(name, std::string(entry->labels.Get(name)));
      }
      entry->labels.Remove(name);
    }
    return true;
  }

 private:
  const Mapping names_;
};

absl::Status CheckLabelNames(const Mapping& mapping) {
  for (const auto& [name, source] : mapping) {
    if (!IsLabelName(name)) return InvalidArgument("\"{}\" is not a label name", name);
  }
  return absl::OkStatus();
}

}  // namespace

StageOr MakeLabelsStage(const YAML::Node& config, const StageContext&) {
  ASSIGN_OR_RETURN(Mapping mapping, StageMapping(config));
  RETURN_IF_ERROR(CheckLabelNames(mapping));
  return std::make_unique<LabelsStage>(std::move(mapping));
}

StageOr MakeLabelDropStage(const YAML::Node& config, const StageContext&) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, StageList(config));
  return std::make_unique<LabelDropStage>(std::move(names));
}

StageOr MakeLabelAllowStage(const YAML::Node& config, const StageContext&) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, StageList(config));
  return std::make_unique<LabelAllowStage>(std::move(names));
}

StageOr MakeStaticLabelsStage(const YAML::Node& config, const StageContext&) {
  if (!config.IsMap() || config.size() == 0) return InvalidArgument("a map of labels is required");
  Mapping labels;
  for (const auto& item : config) {
    const std::string value = item.second.IsScalar() ? item.second.Scalar() : "";
    if (!value.empty()) labels.emplace_back(item.first.Scalar(), value);
  }
  RETURN_IF_ERROR(CheckLabelNames(labels));
  return std::make_unique<StaticLabelsStage>(std::move(labels));
}

StageOr MakeStructuredMetadataStage(const YAML::Node& config, const StageContext&) {
  ASSIGN_OR_RETURN(Mapping mapping, StageMapping(config));
  RETURN_IF_ERROR(CheckLabelNames(mapping));
  return std::make_unique<StructuredMetadataStage>(std::move(mapping));
}

}  // namespace skald::agent
