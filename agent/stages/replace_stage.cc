// replace: {expression, source, replace} replaces the text of each capture group, in every match, by a
// template of which .Value is that text. Named groups are extracted, as they are after it. A group inside
// another one is not replaced on its own; without a group nothing is.
#include "agent/stages/stage.h"
#include "agent/stages/stage_config.h"
#include "agent/stages/stage_template.h"
#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

class ReplaceStage : public Stage {
 public:
  ReplaceStage(std::shared_ptr<const re2::RE2> regex, std::string source, StageTemplate replace)
      : regex_(std::move(regex)), source_(std::move(source)), replace_(std::move(replace)) {
    groups_.resize(static_cast<size_t>(regex_->NumberOfCapturingGroups()) + 1);
  }

  bool Run(Entry* entry) override {
    const std::string* const source = entry->Source(source_);
    if (source == nullptr) return true;
    const std::string text = *source;
    std::string out;
    size_t copied = 0;  // of text
    size_t at = 0;
    bool matched = false;
    std::vector<std::pair<std::string, std::string>> named;
    while (at <= text.size() && regex_->Match(text, at, text.size(), re2::RE2::UNANCHORED, groups_.data(),
                                              static_cast<int>(groups_.size()))) {
      matched = true;
      for (size_t i = 1; i < groups_.size(); ++i) {
        if (groups_[i].data() == nullptr) continue;
        const auto begin = static_cast<size_t>(groups_[i].data() - text.data());
        if (begin < copied) continue;
        const std::string group(groups_[i].data(), groups_[i].size());
        if (group.empty()) continue;
        absl::StatusOr<std::string> made = replace_.Execute(*entry, &group);
        if (!made.ok()) return true;
        out.append(text, copied, begin - copied);
        out += *made;
        copied = begin + group.size();
        const auto& names = regex_->CapturingGroupNames();
        if (const auto name = names.find(static_cast<int>(i)); name != names.end())
          named.emplace_back(name->second, std::move(*made));
      }
      const size_t end = static_cast<size_t>(groups_[0].data() - text.data()) + groups_[0].size();
      at = groups_[0].empty() ? end + 1 : end;
    }
    if (!matched) return true;
    out.append(text, copied);
    if (source_.empty()) {
      entry->line = std::move(out);
    } else {
      entry->extracted.Set(source_, out);
    }
    for (const auto& [name, value] : named) entry->extracted.Set(name, value);
    return true;
  }

 private:
  const std::shared_ptr<const re2::RE2> regex_;
  const std::string source_;
  const StageTemplate replace_;
  std::vector<re2::StringPiece> groups_;
};

}  // namespace

StageOr MakeReplaceStage(const YAML::Node& config, const StageContext&) {
  RETURN_IF_ERROR(CheckStageKeys(config, {"expression", "source", "replace"}));
  const std::string expression = StageText(config, "expression");
  if (expression.empty()) return InvalidArgument("expression is required");
  if (config["source"].IsDefined() && StageText(config, "source").empty())
    return InvalidArgument("source is empty; leave it out for the line");
  ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> regex, CompileGoRegex(expression));
  ASSIGN_OR_RETURN(StageTemplate replace, StageTemplate::Parse(StageText(config, "replace")));
  return std::make_unique<ReplaceStage>(std::move(regex), StageText(config, "source"), std::move(replace));
}

}  // namespace skald::agent
