// drop: {source, separator, value, expression, older_than, longer_than, drop_counter_reason} drops an entry
// for which all given conditions hold.
#include <optional>

#include <re2/re2.h>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "text/duration.h"

namespace skald::agent {
namespace {

struct DropOptions {
  std::vector<std::string> sources;
  std::string separator = ";";
  std::optional<std::string> value;
  std::shared_ptr<const re2::RE2> expression;
  std::optional<int64_t> older_than_ns;
  std::optional<uint64_t> longer_than;
  std::string reason = "drop_stage";
};

class DropStage : public Stage {
 public:
  explicit DropStage(DropOptions options) : options_(std::move(options)) {}
  bool Run(Entry* entry) override {
    if (options_.longer_than && entry->line.size() <= *options_.longer_than) return true;
    if (options_.older_than_ns && Clock::System().NowNs() - entry->time_ns <= *options_.older_than_ns)
      return true;
    if (!options_.sources.empty()) {
      std::string joined;
      size_t found = 0;
      for (const std::string& source : options_.sources) {
        const std::string* const text = entry->Source(source);
        if (text == nullptr) continue;
        if (found++ > 0) joined += options_.separator;
        joined += *text;
      }
      if (options_.value || options_.expression != nullptr) {
        if (found == 0) return true;
        if (options_.value && joined != *options_.value) return true;
        if (options_.expression != nullptr && !re2::RE2::PartialMatch(joined, *options_.expression))
          return true;
      } else if (found != options_.sources.size()) {
        return true;
      }
    } else if (options_.expression != nullptr && !re2::RE2::PartialMatch(entry->line, *options_.expression)) {
      return true;
    }
    entry->drop_reason = options_.reason;
    return false;
  }

 private:
  const DropOptions options_;
};

}  // namespace

StageOr MakeDropStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"source", "separator", "value", "expression", "older_than",
                                          "longer_than", "drop_counter_reason"}));
  DropOptions options;
  bool any = false;
  if (config.IsMap()) {
    for (const auto& item : config) {
      const std::string key = item.first.Scalar();
      any |= key == "source" || key == "expression" || key == "older_than" || key == "longer_than";
      if (key == "source") {
        if (item.second.IsSequence()) {
          for (const YAML::Node& source : item.second) options.sources.push_back(source.Scalar());
        } else {
          options.sources.push_back(item.second.Scalar());
        }
      } else if (key == "separator") {
        options.separator = item.second.Scalar();
      } else if (key == "value") {
        options.value = item.second.Scalar();
      } else if (key == "expression") {
        ASSIGN_OR_RETURN(options.expression, CompileGoRegex(item.second.Scalar()));
      } else if (key == "older_than") {
        ASSIGN_OR_RETURN(options.older_than_ns, ParseGoDuration(item.second.Scalar()));
      } else if (key == "longer_than") {
        options.longer_than = ParseConfigBytes(item.second.Scalar());
        if (!options.longer_than)
          return InvalidArgument("longer_than: \"{}\" is not a size like 8kb", item.second.Scalar());
      } else {
        options.reason = item.second.Scalar();
      }
    }
  }
  if (!any) return InvalidArgument("one of source, expression, older_than, longer_than is required");
  if (options.value && options.expression != nullptr)
    return InvalidArgument("value and expression exclude each other");
  if (options.value && options.sources.empty()) return InvalidArgument("value needs a source");
  return std::make_unique<DropStage>(std::move(options));
}

}  // namespace skald::agent
