// The stages that Skald adds to the language: a word, and what may stand behind it. Parser and printer follow
// this table; what a stage does is told in query/exec/stages.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace skald::logql {

enum class StageArguments {
  kNames,   // | distinct app, env: label names, at least one
  kCounts,  // | context before=2 after=3: whole numbers by name, each at most once, at least one
};

struct StageSyntax {
  std::string_view word;
  StageArguments arguments;
  std::vector<std::string_view> names;  // of kCounts
  uint64_t largest_count = 0;           // of kCounts
};

// Null for a word that is none.
const StageSyntax* FindStageSyntax(std::string_view word);

}  // namespace skald::logql
