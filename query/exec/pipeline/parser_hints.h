// What parsers need not do for a query: an optimisation of Loki's that shows in its answers, so it is part of
// the language. Found out by plan/find_fields.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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
  std::vector<std::string> labels;  // sorted, distinct
};

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

}  // namespace skald::exec
