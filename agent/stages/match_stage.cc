// match: {selector, stages, action, pipeline_name, drop_counter_reason} runs the nested stages on entries
// that the selector takes (keep), or drops those (drop).
#include "agent/stages/pipeline.h"
#include "agent/stages/selector.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class MatchStage : public Stage {
 public:
  MatchStage(Selector selector, std::unique_ptr<Pipeline> nested)
      : selector_(std::move(selector)), nested_(std::move(nested)) {}
  bool Run(Entry* entry) override {
    return !selector_.Matches(entry->labels, entry->line) || nested_->RunNested(entry);
  }
  bool joins() const override { return nested_->joins(); }
  void Join(Entry* entry, HeldEntries* held, EntrySink* next) override {
    if (selector_.Matches(entry->labels, entry->line)) {
      nested_->RunNested(entry, held, next);
    } else {
      next->Emit(entry);
    }
  }
  void Flush(HeldEntries* held, EntrySink* next) override { nested_->Flush(held, next); }
  int64_t paused_until_ns() const override { return nested_->paused_until_ns(); }

 private:
  const Selector selector_;
  const std::unique_ptr<Pipeline> nested_;
};

class MatchDropStage : public Stage {
 public:
  MatchDropStage(Selector selector, std::string reason)
      : selector_(std::move(selector)), reason_(std::move(reason)) {}
  bool Run(Entry* entry) override {
    if (!selector_.Matches(entry->labels, entry->line)) return true;
    entry->drop_reason = reason_;
    return false;
  }

 private:
  const Selector selector_;
  const std::string reason_;
};

}  // namespace

StageOr MakeMatchStage(const YAML::Node& config, const StageContext& context) {
  RETURN_IF_ERROR(
      CheckStageKeys(config, {"selector", "stages", "action", "pipeline_name", "drop_counter_reason"}));
  const std::string text = StageText(config, "selector");
  if (text.empty()) return InvalidArgument("selector is required");
  ASSIGN_OR_RETURN(Selector selector, Selector::Parse(text));
  const std::string action = StageText(config, "action");
  const YAML::Node stages = config["stages"];
  const bool has_stages = stages.IsDefined() && stages.IsSequence() && stages.size() > 0;
  if (action == "drop") {
    if (has_stages) return InvalidArgument("action drop has no stages");
    std::string reason = StageText(config, "drop_counter_reason");
    if (reason.empty()) reason = "match_stage";
    return std::make_unique<MatchDropStage>(std::move(selector), std::move(reason));
  }
  if (!action.empty() && action != "keep")
    return InvalidArgument("action is keep or drop, not \"{}\"", action);
  if (!has_stages) return InvalidArgument("stages are required");
  auto nested = std::make_unique<Pipeline>(context);
  std::string unknown;
  RETURN_IF_ERROR(
      AddStages(stages, nested.get(), [&](const YAML::Node&, const std::string& why) { unknown = why; }));
  if (!unknown.empty()) return InvalidArgument("{}", unknown);
  return std::make_unique<MatchStage>(std::move(selector), std::move(nested));
}

}  // namespace skald::agent
