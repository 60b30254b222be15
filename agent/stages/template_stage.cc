// template: {source, template} makes an extracted value by a Go template. An empty result deletes it; a
// template that fails leaves it.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "agent/stages/stage_template.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class TemplateStage : public Stage {
 public:
  TemplateStage(std::string source, StageTemplate made)
      : source_(std::move(source)), template_(std::move(made)) {}
  bool Run(Entry* entry) override {
    absl::StatusOr<std::string> text = template_.Execute(*entry, entry->Source(source_));
    if (!text.ok()) return true;
    if (text->empty()) {
      entry->extracted.Remove(source_);
    } else {
      entry->extracted.Set(source_, *text);
    }
    return true;
  }

 private:
  const std::string source_;
  const StageTemplate template_;
};

}  // namespace

StageOr MakeTemplateStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"source", "template"}));
  std::string source = StageText(config, "source");
  if (source.empty()) return InvalidArgument("source is required");
  const std::string text = StageText(config, "template");
  if (text.empty()) return InvalidArgument("template is required");
  ASSIGN_OR_RETURN(StageTemplate made, StageTemplate::Parse(text));
  return std::make_unique<TemplateStage>(std::move(source), std::move(made));
}

}  // namespace skald::agent
