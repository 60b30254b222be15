// decolorize: {} takes ANSI escapes out of the line.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/status_macros.h"
#include "text/decolorize.h"

namespace skald::agent {
namespace {

class DecolorizeStage : public Stage {
 public:
  bool Run(Entry* entry) override {
    const std::string_view plain = Decolorize(entry->line, &scratch_);
    if (plain.data() != entry->line.data()) entry->line.assign(plain);
    return true;
  }

 private:
  std::string scratch_;
};

}  // namespace

StageOr MakeDecolorizeStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {}));
  return std::make_unique<DecolorizeStage>();
}

}  // namespace skald::agent
