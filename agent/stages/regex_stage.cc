// regex: {expression, source} extracts its named groups.
#include <re2/re2.h>

#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class RegexStage : public Stage {
 public:
  RegexStage(std::shared_ptr<const re2::RE2> regex, std::string source)
      : regex_(std::move(regex)), source_(std::move(source)) {
    groups_.resize(static_cast<size_t>(regex_->NumberOfCapturingGroups()) + 1);
    for (const auto& [index, name] : regex_->CapturingGroupNames())
      names_.emplace_back(static_cast<size_t>(index), name);
  }
  bool Run(Entry* entry) override {
    const std::string* const text = entry->Source(source_);
    if (text == nullptr) return true;
    if (!regex_->Match(*text, 0, text->size(), re2::RE2::UNANCHORED, groups_.data(),
                       static_cast<int>(groups_.size())))
      return true;
    // Values first: the source may be among those that are replaced.
    std::vector<std::string> values;
    for (const auto& [index, name] : names_)
      values.emplace_back(groups_[index].data(), groups_[index].size());
    for (size_t i = 0; i < names_.size(); ++i) entry->extracted.Set(names_[i].second, values[i]);
    return true;
  }

 private:
  const std::shared_ptr<const re2::RE2> regex_;
  const std::string source_;
  std::vector<re2::StringPiece> groups_;
  std::vector<std::pair<size_t, std::string>> names_;
};

}  // namespace

StageOr MakeRegexStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"expression", "source"}));
  const std::string expression = StageText(config, "expression");
  if (expression.empty()) return InvalidArgument("expression is required");
  ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> regex, CompileGoRegex(expression));
  if (regex->CapturingGroupNames().empty())
    return InvalidArgument("expression \"{}\" has no named group", expression);
  return std::make_unique<RegexStage>(std::move(regex), StageText(config, "source"));
}

}  // namespace skald::agent
