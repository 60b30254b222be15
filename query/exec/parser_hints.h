// What parsers need not do for a query: an optimisation of Loki's that shows in its answers, so it is part of
// the language.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/logql/ast.h"

namespace skald::exec {

// The labels a sample keeps when it leaves the pipeline.
struct SampleGrouping {
  enum class Kind {
    kAll,       // no grouping
    kNoLabels,  // by ()
    kBy,        // labels, at least one
    kWithout,
  };
  Kind kind = Kind::kAll;
  std::vector<std::string> labels;
};

// The grouping of a range aggregation, or, where `parent` (its direct parent, null if none) is a sum that may
// be pushed into it, the sum's. absent_over_time keeps no labels.
SampleGrouping GroupingOf(const logql::RangeAggregation& range, const logql::VectorAggregation* parent);

struct ParserHints {
  enum class Mode {
    kAll,       // parsers extract everything
    kRequired,  // only `required`, and nothing once all of it is there
    kNone,      // parsers (but regexp) do nothing
  };
  Mode mode = Mode::kAll;
  std::vector<std::string> required;  // sorted, distinct; for kRequired only
  bool early_filters = true;          // label filters run as soon as a parser sets their label
  bool preserve_error = false;        // parser errors also set __preserve_error__="true"

  bool Requires(std::string_view name) const;
  // True where a member of required begins with prefix.
  bool RequiresPrefix(std::string_view prefix) const;
};

// Labels that label filters, templates and renames of the stages, and the unwrap with its filters, read. With
// repetitions.
std::vector<std::string> ReferencedLabels(const std::vector<logql::Stage>& stages,
                                          const std::optional<logql::Unwrap>& unwrap);

ParserHints HintsForLogQuery();
ParserHints HintsForSamples(const std::vector<logql::Stage>& stages,
                            const std::optional<logql::Unwrap>& unwrap, const SampleGrouping& grouping);

}  // namespace skald::exec
