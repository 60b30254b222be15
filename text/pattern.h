// Matching of log patterns: literals with captures between. The language itself (<name>, <_>) is read by
// query/logql/pattern.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/substring.h"

namespace skald {

// A capture, or literal text. Captures never stand side by side.
struct PatternPiece {
  bool capture = false;
  int slot = -1;        // of a capture: which output it fills, -1 for none
  std::string literal;  // of a literal, not empty
};

// Both are immutable and thread-safe.

// The `pattern` parser: a leading literal stands at the line's start; a capture takes the text up to the next
// literal, or the rest of the line where that literal is missing, with which matching ends. Text behind a
// final literal does not matter.
class PatternMatcher {
 public:
  explicit PatternMatcher(const std::vector<PatternPiece>& pieces);

  // Calls fn(int slot, std::string_view text) for each capture with a slot, in order; fn returns false to
  // stop.
  template <class Fn>
  void Match(std::string_view line, Fn&& fn) const {
    if (line.empty() || !line.starts_with(prefix_)) return;
    size_t at = prefix_.size();
    for (const Step& step : steps_) {
      if (!step.bounded) {
        if (step.slot >= 0) fn(step.slot, line.substr(at));
        return;
      }
      const size_t found = step.until.Find(line, at);
      const bool missing = found == SubstringFinder::kNotFound;
      if (step.slot >= 0 && !fn(step.slot, line.substr(at, missing ? std::string_view::npos : found - at)))
        return;
      if (missing) return;
      at = found + step.until.needle().size();
    }
  }

 private:
  struct Step {
    int slot = -1;
    bool bounded = false;  // a literal follows the capture
    SubstringFinder until;
  };
  std::string prefix_;
  std::vector<Step> steps_;
};

// The line filters |> and !>: every literal in order, no capture empty, the last piece at the end of the
// line; but a leading literal need not stand at its start. Without pieces only the empty line matches, and
// the empty line matches nothing else.
class LinePattern {
 public:
  explicit LinePattern(const std::vector<PatternPiece>& pieces);

  bool Matches(std::string_view line) const;
  // The longest literal, "" if there is none: a matching line contains it.
  std::string_view longest_literal() const;

 private:
  std::vector<SubstringFinder> literals_;
  bool begins_with_literal_ = false;
  bool ends_with_capture_ = false;
};

}  // namespace skald
