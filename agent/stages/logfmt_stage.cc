// logfmt: {mapping, source} extracts values by their keys; of equal keys the last one.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "text/logfmt.h"

namespace skald::agent {
namespace {

class LogfmtStage : public Stage {
 public:
  LogfmtStage(std::vector<std::pair<std::string, std::string>> mapping, std::string source)
      : mapping_(std::move(mapping)), source_(std::move(source)) {}
  bool Run(Entry* entry) override {
    const std::string* const text = entry->Source(source_);
    if (text == nullptr) return true;
    const std::string copy = source_.empty() ? std::string() : *text;  // extracted values may move
    scanner_.Reset(source_.empty() ? std::string_view(*text) : std::string_view(copy));
    // What was found before a bad pair is kept.
    while (scanner_.Next() == LogfmtScanner::kPair) {
      for (const auto& [name, key] : mapping_) {
        if (key == scanner_.key()) entry->extracted.Set(name, scanner_.value());
      }
    }
    return true;
  }

 private:
  const std::vector<std::pair<std::string, std::string>> mapping_;
  const std::string source_;
  LogfmtScanner scanner_;
};

}  // namespace

StageOr MakeLogfmtStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"mapping", "source"}));
  if (!config.IsMap()) return InvalidArgument("mapping is required");
  ASSIGN_OR_RETURN(auto mapping, StageMapping(config["mapping"]));
  return std::make_unique<LogfmtStage>(std::move(mapping), StageText(config, "source"));
}

}  // namespace skald::agent
