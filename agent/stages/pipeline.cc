#include "agent/stages/pipeline.h"

#include "base/error.h"

namespace skald::agent {
namespace {

struct Maker {
  std::string_view name;
  StageOr (*make)(const YAML::Node& config);
};
constexpr Maker kMakers[] = {
    {"decolorize", MakeDecolorizeStage},
    {"drop", MakeDropStage},
    {"json", MakeJsonStage},
    {"labelallow", MakeLabelAllowStage},
    {"labeldrop", MakeLabelDropStage},
    {"labels", MakeLabelsStage},
    {"logfmt", MakeLogfmtStage},
    {"non_indexed_labels", MakeStructuredMetadataStage},
    {"output", MakeOutputStage},
    {"pack", MakePackStage},
    {"regex", MakeRegexStage},
    {"sampling", MakeSamplingStage},
    {"static_labels", MakeStaticLabelsStage},
    {"structured_metadata", MakeStructuredMetadataStage},
    {"timestamp", MakeTimestampStage},
};

}  // namespace

const ExtractedValue* Extracted::Find(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Extracted::Set(std::string_view name, ExtractedValue value) {
  for (auto& [known, old] : values_) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  values_.emplace_back(name, std::move(value));
}

const std::string* Entry::Source(const std::string& source) const {
  if (source.empty()) return &line;
  const ExtractedValue* const value = extracted.Find(source);
  return value == nullptr || value->type == ExtractedValue::Type::kNull ? nullptr : &value->text;
}

absl::Status Pipeline::Add(std::string_view name, const YAML::Node& config) {
  for (const Maker& maker : kMakers) {
    if (maker.name != name) continue;
    StageOr stage = maker.make(config);
    if (!stage.ok()) return InvalidArgument("stage {}: {}", name, MessageOf(stage.status()));
    stages_.push_back(std::move(*stage));
    return absl::OkStatus();
  }
  return NotFound("stage \"{}\" is not done by the agent; parse at query time instead", name);
}

bool Pipeline::Run(Entry* entry) const {
  entry->extracted.Clear();
  for (const auto& [name, value] : entry->labels) entry->extracted.Set(name, value);
  for (const auto& stage : stages_) {
    if (!stage->Run(entry)) return false;
  }
  return true;
}

}  // namespace skald::agent
