// |= != |~ !~ |> !>: tests on a line's text, for one line or for a whole block of lines at once.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/rows.h"
#include "query/exec/pipeline/literal_set.h"
#include "query/exec/pipeline/regex_match.h"
#include "query/exec/plan/pipeline_plan.h"
#include "query/logql/ast.h"
#include "query/logql/needed_literals.h"
#include "query/logql/regex_simplify.h"
#include "text/ip_filter.h"
#include "text/pattern.h"
#include "text/substring.h"

namespace skald::exec {

struct AlwaysTrue {};
struct NonEmptyText {};
using LineTest =
    std::variant<AlwaysTrue, NonEmptyText, SubstringFinder, FoldedFinder, RegexMatch, LinePattern, IpMatcher>;

// The tests that a simplified regex stands for when it is looked for in a line; any of them may hold.
std::vector<LineTest> LineTestsOf(const logql::RegexTest& test);

// Immutable and thread-safe.
class LineFilter {
 public:
  // InvalidArgument with Loki's text, without the stage: error parsing regexp: ..., ip: invalid pattern: ...
  static absl::StatusOr<LineFilter> Make(const logql::LineFilter& filter);

  bool Keeps(std::string_view line) const;
  bool AlwaysKeeps() const;
  // Texts of which one choice stands in each line that it keeps; none where nothing is known.
  std::vector<TextParts> NeededTexts() const;

 private:
  friend class LineFilters;

  void FindNeeded();

  bool negated_ = false;
  std::vector<LineTest> any_;  // not empty
  // One of these stands in each line for which a test holds; empty where there is no such set. Under folding
  // that is so of lines for which each test's AsciiSuffices.
  std::vector<logql::NeededLiteral> needed_;
  bool needed_suffices_ = false;  // and where one stands a test holds
};

// Several line filters, all of which must keep a line. Immutable and thread-safe.
class LineFilters {
 public:
  LineFilters() = default;
  explicit LineFilters(std::vector<LineFilter> filters);

  bool empty() const { return filters_.empty(); }
  bool Keep(std::string_view line) const;
  const std::vector<LineFilter>& filters() const { return filters_; }
  // The rows of [begin, end) that all filters keep, appended to *out in ascending order. One filter is run
  // over the text as a whole, the others on the lines it leaves.
  void KeepRows(const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* out) const;

 private:
  // What a search for fixed text can settle about a filter. Zero means: nothing.
  static size_t SearchWorth(const LineFilter& filter);
  // Whether the driver's search for ASCII text in any case misses nothing in these rows.
  bool AsciiSuffices(const Rows& rows, uint32_t begin, uint32_t end) const;
  bool KeepAllBut(size_t skipped, std::string_view line) const;

  std::vector<LineFilter> filters_;
  size_t driver_ = kNoDriver;             // the filter whose needed text is looked for in the whole text
  std::vector<SubstringFinder> finders_;  // of that text
  std::optional<LiteralSet> set_;         // all of it at once, where that is faster
  static constexpr size_t kNoDriver = static_cast<size_t>(-1);
};

}  // namespace skald::exec
