// What the stages of a pipeline share while they work on one row.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "query/exec/pipeline/label_state.h"
#include "text/json_flatten.h"
#include "text/json_path.h"
#include "text/logfmt.h"

namespace skald::exec {

class LabelTest;

// A label filter that is also run as soon as a parser sets its label.
struct EarlyFilter {
  std::string_view label;
  const LabelTest* test = nullptr;
};

// Not thread-safe. `line` lives as long as the row, wherever it points.
struct RowState {
  explicit RowState(const ParserHints* hints) : labels(hints) {}

  LabelState labels;
  std::string_view line;
  int64_t time_ns = 0;                                      // for templates that ask for it
  const std::vector<EarlyFilter>* early_filters = nullptr;  // empty where the hints say so

  // Scratch of single stages; nothing in it outlives a stage.
  JsonFlattener json;
  LogfmtScanner logfmt;
  std::string key;
  std::string value;
  std::vector<std::string_view> groups;
  std::vector<LabelView> views;
  std::vector<std::string_view> names;
  std::vector<std::pair<const std::vector<JsonPath>*, std::unique_ptr<JsonPathFinder>>> path_finders;

  JsonPathFinder& PathFinder(const std::vector<JsonPath>* paths) {
    for (const auto& [known, finder] : path_finders) {
      if (known == paths) return *finder;
    }
    return *path_finders.emplace_back(paths, std::make_unique<JsonPathFinder>(paths)).second;
  }
};

}  // namespace skald::exec
