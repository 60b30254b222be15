// output: {source} makes an extracted value the line.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class OutputStage : public Stage {
 public:
  explicit OutputStage(std::string source) : source_(std::move(source)) {}
  bool Run(Entry* entry) override {
    if (const std::string* value = entry->Source(source_); value != nullptr) entry->line = *value;
    return true;
  }

 private:
  const std::string source_;
};

}  // namespace

StageOr MakeOutputStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"source"}));
  std::string source = StageText(config, "source");
  if (source.empty()) return InvalidArgument("source is required");
  return std::make_unique<OutputStage>(std::move(source));
}

}  // namespace skald::agent
