#include "agent/stages/pipeline.h"

#include <algorithm>

#include <yaml-cpp/yaml.h>

#include "base/error.h"

namespace skald::agent {
namespace {

// A stage is a file that makes it, a test, and a row here.
struct Maker {
  std::string_view name;
  StageOr (*make)(const YAML::Node& config, const StageContext& context);
};
constexpr Maker kMakers[] = {
    {"decolorize", MakeDecolorizeStage},
    {"drop", MakeDropStage},
    {"geoip", MakeGeoIpStage},
    {"json", MakeJsonStage},
    {"labelallow", MakeLabelAllowStage},
    {"labeldrop", MakeLabelDropStage},
    {"labels", MakeLabelsStage},
    {"limit", MakeLimitStage},
    {"logfmt", MakeLogfmtStage},
    {"match", MakeMatchStage},
    {"metrics", MakeMetricsStage},
    {"multiline", MakeMultilineStage},
    {"non_indexed_labels", MakeStructuredMetadataStage},
    {"output", MakeOutputStage},
    {"pack", MakePackStage},
    {"regex", MakeRegexStage},
    {"replace", MakeReplaceStage},
    {"sampling", MakeSamplingStage},
    {"static_labels", MakeStaticLabelsStage},
    {"structured_metadata", MakeStructuredMetadataStage},
    {"template", MakeTemplateStage},
    {"tenant", MakeTenantStage},
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

void Extracted::Remove(std::string_view name) {
  std::erase_if(values_, [&](const auto& pair) { return pair.first == name; });
}

const std::string* Entry::Source(const std::string& source) const {
  if (source.empty()) return &line;
  const ExtractedValue* const value = extracted.Find(source);
  return value == nullptr || value->type == ExtractedValue::Type::kNull ? nullptr : &value->text;
}

void Entry::SetMetadata(std::string_view name, std::string value) {
  for (auto& [known, old] : metadata) {
    if (known != name) continue;
    old = std::move(value);
    return;
  }
  metadata.emplace_back(name, std::move(value));
}

// The stages behind one, as its sink.
class Pipeline::Rest : public EntrySink {
 public:
  Rest(const Pipeline* pipeline, size_t next, HeldEntries* held, EntrySink* sink)
      : pipeline_(pipeline), next_(next), held_(held), sink_(sink) {}
  void Emit(Entry* entry) override { pipeline_->RunFrom(next_, entry, held_, sink_); }
  void Drop(const Entry& entry) override { sink_->Drop(entry); }

 private:
  const Pipeline* const pipeline_;
  const size_t next_;
  HeldEntries* const held_;
  EntrySink* const sink_;
};

absl::Status Pipeline::Add(std::string_view name, const YAML::Node& config) {
  for (const Maker& maker : kMakers) {
    if (maker.name != name) continue;
    StageOr stage = maker.make(config, context_);
    if (!stage.ok()) return InvalidArgument("stage {}: {}", name, MessageOf(stage.status()));
    joins_ |= (*stage)->joins();
    stages_.push_back(std::move(*stage));
    names_.emplace_back(name);
    return absl::OkStatus();
  }
  return NotFound("stage \"{}\" is not done by the agent; parse at query time instead", name);
}

int64_t Pipeline::paused_until_ns() const {
  int64_t until = 0;
  for (const auto& stage : stages_) until = std::max(until, stage->paused_until_ns());
  return until;
}

void Pipeline::SetUp(Entry* entry) {
  entry->extracted.Clear();
  for (const auto& [name, value] : entry->labels) entry->extracted.Set(name, value);
}

bool Pipeline::RunNested(Entry* entry) const {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const bool kept = stages_[i]->Run(entry);
    if (observed()) observer_(names_[i], *entry, !kept);
    if (!kept) return false;
  }
  return true;
}

bool Pipeline::Run(Entry* entry) const {
  SetUp(entry);
  if (observed()) observer_("", *entry, false);
  return RunNested(entry);
}

void Pipeline::RunFrom(size_t i, Entry* entry, HeldEntries* held, EntrySink* sink) const {
  for (; i < stages_.size(); ++i) {
    Stage& stage = *stages_[i];
    if (stage.joins()) {
      Rest rest(this, i + 1, held, sink);
      stage.Join(entry, held, &rest);
      return;
    }
    const bool kept = stage.Run(entry);
    if (observed()) observer_(names_[i], *entry, !kept);
    if (!kept) {
      sink->Drop(*entry);
      return;
    }
  }
  sink->Emit(entry);
}

void Pipeline::Run(Entry* entry, HeldEntries* held, EntrySink* sink) const {
  SetUp(entry);
  if (observed()) observer_("", *entry, false);
  RunFrom(0, entry, held, sink);
}

void Pipeline::Flush(HeldEntries* held, EntrySink* sink) const {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!stages_[i]->joins()) continue;
    Rest rest(this, i + 1, held, sink);
    stages_[i]->Flush(held, &rest);
  }
}

absl::Status AddStages(const YAML::Node& list, Pipeline* pipeline,
                       const std::function<void(const YAML::Node& stage, const std::string& why)>& unknown) {
  for (const YAML::Node& stage : list) {
    const std::string name = stage.IsMap() && stage.size() > 0 ? stage.begin()->first.Scalar()
                             : stage.IsScalar()                ? stage.Scalar()
                                                               : "";
    const absl::Status added = pipeline->Add(name, stage.IsMap() ? stage.begin()->second : YAML::Node());
    if (absl::IsNotFound(added)) {
      unknown(stage, std::string(MessageOf(added)));
    } else if (!added.ok()) {
      return InvalidArgument("{}:{}: {}", stage.Mark().line + 1, stage.Mark().column + 1, MessageOf(added));
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::agent
