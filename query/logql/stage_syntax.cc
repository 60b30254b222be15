#include "query/logql/stage_syntax.h"

namespace skald::logql {

const StageSyntax* FindStageSyntax(std::string_view word) {
  static const auto* const stages = new std::vector<StageSyntax>{
      {.word = "context",
       .arguments = StageArguments::kCounts,
       .names = {"before", "after"},
       .largest_count = 1000},
      {.word = "distinct", .arguments = StageArguments::kNames, .names = {}},
  };
  for (const StageSyntax& stage : *stages) {
    if (stage.word == word) return &stage;
  }
  return nullptr;
}

}  // namespace skald::logql
