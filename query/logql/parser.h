// Reads LogQL. Errors are InvalidArgument whose message is Loki's text to the letter, e.g.
//   parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,
//   parse error : invalid aggregation sum_over_time without unwrap
// and carry the place as a ParseErrorDetail. Thread-safe, no state; never throws; any bytes may be given.
//
// Checked here: syntax, numbers, regexes of matchers, the regexp and pattern stages, parameters and groupings
// of aggregations, operands of operators, and that each selector has a matcher that refuses the empty string.
// Checked later, when the engine builds a stage and some stream matched: line filter regexes and patterns,
// addresses, templates, json and logfmt expressions. Those errors quote the stage as PrintStage (printer.h)
// writes it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/logql/ast.h"
#include "query/logql/parse_options.h"

namespace skald::logql {

// Queries of this many bytes or more are refused.
inline constexpr size_t kMaxQueryBytes = 131072;
// Nested brackets and calls beyond this many are refused, so that a query cannot exhaust the stack.
inline constexpr int kMaxNesting = 200;

// The message of the at-least-one-matcher rule, without the "parse error : " prefix.
extern const std::string_view kEmptyMatcherMessage;

// Where and what, for an editor to mark. line 0 stands for "not known": col then still counts where the text
// came in one line, and both are 0 for an error that concerns the whole query.
struct ParseErrorDetail {
  int line = 0;         // 1-based
  int col = 0;          // 1-based, in runes
  std::string message;  // without "parse error at ...: "
};

// The detail of a status made by one of the functions below; nullopt for any other.
std::optional<ParseErrorDetail> DetailOf(const absl::Status& status);

// An error of the same envelope for checks of a run: "parse error : <message>".
absl::Status ParseError(std::string_view message);
// The envelope with a place; line and col both 0 leave the place out.
absl::Status ParseErrorAt(int line, int col, std::string_view message);
// "parse error : stage '<canonical text>' : <message>", for a stage that cannot be built.
absl::Status StageError(const Stage& stage, std::string_view message);

// Any query. The result's node is a LogSelectorExpr for a log query. A sum of a literal (`sum(1)`) parses;
// running it is the engine's error.
absl::StatusOr<ExprPtr> ParseExpr(std::string_view query, ParseOptions options = {});

// A log query only; `only log selector is supported` (no prefix) for a metric query.
absl::StatusOr<LogSelectorExpr> ParseLogSelector(std::string_view query);

enum class EmptyMatchers {
  kRefuse,  // at least one matcher must refuse the empty string
  kAllow,   // {} and {a=~".*"} pass
};

// A stream selector without stages; `only label matchers are supported` (no prefix) for anything else.
absl::StatusOr<std::vector<Matcher>> ParseMatchers(std::string_view selector,
                                                   EmptyMatchers empty = EmptyMatchers::kRefuse);

}  // namespace skald::logql
