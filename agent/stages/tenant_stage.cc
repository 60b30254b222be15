// tenant: one of {source, label, value} says which tenant the entry is for.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class TenantStage : public Stage {
 public:
  TenantStage(std::string source, std::string label, std::string value)
      : source_(std::move(source)), label_(std::move(label)), value_(std::move(value)) {}
  bool Run(Entry* entry) override {
    std::string tenant = value_;
    if (!source_.empty()) {
      const std::string* const found = entry->Source(source_);
      if (found != nullptr) tenant = *found;
    } else if (!label_.empty()) {
      tenant = entry->labels.Get(label_);
    }
    if (!tenant.empty()) entry->labels.Set(kTenantLabel, tenant);
    return true;
  }

 private:
  const std::string source_;
  const std::string label_;
  const std::string value_;
};

}  // namespace

StageOr MakeTenantStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"source", "label", "value"}));
  std::string source = StageText(config, "source");
  std::string label = StageText(config, "label");
  std::string value = StageText(config, "value");
  if ((source.empty() ? 0 : 1) + (label.empty() ? 0 : 1) + (value.empty() ? 0 : 1) != 1)
    return InvalidArgument("exactly one of source, label, value is required");
  return std::make_unique<TenantStage>(std::move(source), std::move(label), std::move(value));
}

}  // namespace skald::agent
