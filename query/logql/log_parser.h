// Selectors, stages and log ranges.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string_view>
#include <vector>

#include "query/logql/ast.h"
#include "query/logql/label_filter_parser.h"
#include "query/logql/stage_syntax.h"

namespace skald::logql {

class LogParser : public LabelFilterParser {
 public:
  using LabelFilterParser::LabelFilterParser;

 protected:
  // At the brace: a selector and its stages.
  absl::StatusOr<LogSelectorExpr> ParseLog();
  // {a="b"}[5m] with offset, stages and unwrap in the orders that Loki takes, bare or in parentheses.
  absl::StatusOr<LogRangeExpr> ParseLogRange();

 private:
  // What follows the selector of a bare range: [5m] offset stages unwrap, or stages unwrap [5m] offset.
  absl::Status ParseAfterSelector(size_t first, LogRangeExpr* log);
  absl::Status ParseRangeAndOffset(LogRangeExpr* log);
  // After the "(": either a whole range, or a selector with stages whose range follows the ")".
  absl::Status ParseParenthesized(LogRangeExpr* log);
  // At `unwrap`, the bar taken.
  absl::StatusOr<Unwrap> ParseUnwrap(size_t first);
  absl::StatusOr<Selector> ParseSelector();
  // All stages that follow. With a place for an unwrap, which ends them, one is taken too.
  absl::Status ParseStages(size_t first, LogSelectorExpr* log, std::optional<Unwrap>* unwrap);
  absl::StatusOr<LineFilterOperand> ParseLineFilterOperand();
  absl::Status ParseLineFilter(std::vector<Stage>* stages);
  // At what follows the bar.
  absl::StatusOr<Stage> ParseStage(size_t first);
  static absl::Status CheckRegexpStage(std::string_view pattern);
  absl::StatusOr<std::vector<LabelExtraction>> ParseExtractions();
  absl::StatusOr<Stage> ParseLabelFormat(size_t first);
  absl::StatusOr<std::vector<NameOrMatcher>> ParseNamesOrMatchers();
  // The syntax of the stage at the current word, if it is one of stage_syntax.h and they are taken; null
  // otherwise.
  const StageSyntax* AtNamedStage() const;
  absl::StatusOr<Stage> ParseNamedStage(size_t first, const StageSyntax& syntax);
  absl::StatusOr<StageArgument> ParseCount(const StageSyntax& syntax,
                                           const std::vector<StageArgument>& earlier);
};

}  // namespace skald::logql
