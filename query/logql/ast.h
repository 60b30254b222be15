// The LogQL syntax tree: immutable value structs in std::variants, each with the place it was read from.
//
// Trees come from parser.h (or are put together by tests) and are never changed afterwards, so a
// shared_ptr<const Expr> may be read by any number of threads. Nothing here knows how a query runs: execution
// state, hints and sharding belong to query/exec. Text is UTF-8 except where a string escape (\xHH) put other
// bytes in.
//
// Reading a node:
//   std::visit(Overloaded{[](const Literal& l) {...}, [](const BinaryOp& b) {...}, ...}, expr.node);
// An alternative without an overload does not compile, so a new node cannot be forgotten.
//
// Depth: the parser refuses trees higher than kMaxExprHeight, so recursion over a parsed tree is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/matcher.h"

namespace skald::logql {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

inline constexpr int kMaxExprHeight = 1000;

// Bytes [begin, end) of the query text; line and col of begin are 1-based, col counts runes. All zero in
// nodes that were not read from text.
struct SourceRange {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t line = 0;
  uint32_t col = 0;
};

// {a="b", c=~"d"}: all must match. Never checked for emptiness here (see parser.h).
struct Selector {
  std::vector<Matcher> matchers;
  SourceRange range;
};

// ---------------------------------------------------------------------------------------- line filters

enum class LineFilterOp {
  kContains,     // |=
  kNotContains,  // !=
  kRegex,        // |~
  kNotRegex,     // !~
  kPattern,      // |>
  kNotPattern,   // !>
};

struct LineFilterOperand {
  bool is_ip = false;  // ip("text")
  std::string text;    // unquoted; not validated (a bad regex, pattern or address is an error of the run,
                       // PrintStage quotes it)
};

// |= "a" or "b". The parser expands negative or-chains into successive LineFilters, so kNot* ops always have
// one operand. A positive chain of several operands keeps a line that any of them takes; in such a chain an
// ip() operand has lost its meaning and is plain text, regex or pattern like the others (Loki's behaviour);
// its is_ip is kept for printing only.
struct LineFilter {
  LineFilterOp op = LineFilterOp::kContains;
  std::vector<LineFilterOperand> operands;  // at least one
  SourceRange range;

  bool IsIpFilter() const { return operands.size() == 1 && operands[0].is_ip; }
};

// --------------------------------------------------------------------------------------------- parsers

struct LabelExtraction {
  std::string name;
  std::string
      expression;  // as written; a bare name asks for itself. Syntax is checked when the stage is built.
};

struct JsonParser {
  std::vector<LabelExtraction> extractions;  // empty: all fields
  SourceRange range;
};

struct LogfmtParser {
  bool strict = false;
  bool keep_empty = false;
  std::vector<LabelExtraction> extractions;  // empty: all pairs
  SourceRange range;
};

// The pattern is valid (RE2 syntax after GoRegexToRe2, at least one named group, distinct valid names).
struct RegexpParser {
  std::string pattern;
  SourceRange range;
};

// The pattern is valid (see pattern.h).
struct PatternParser {
  std::string pattern;
  SourceRange range;
};

struct Unpack {
  SourceRange range;
};

// --------------------------------------------------------------------------------------- label filters

enum class CompareOp { kEqual, kNotEqual, kGreater, kGreaterEqual, kLess, kLessEqual };

struct StringFilter {
  // Its regex, if any, is fully anchored and dot-all as in a stream selector. Label filters mean something
  // else in places: regex_simplify.h has the rule, and the rest runs as ^(?:value)$ without dot-all.
  Matcher matcher;
};

struct NumberFilter {
  std::string name;
  CompareOp op = CompareOp::kEqual;
  double value = 0;
};

struct DurationFilter {
  std::string name;
  CompareOp op = CompareOp::kEqual;
  int64_t nanos = 0;
};

struct BytesFilter {
  std::string name;
  CompareOp op = CompareOp::kEqual;
  uint64_t bytes = 0;  // as written
  uint64_t threshold =
      0;  // what the engine compares with: the value of the *printed* form (2560 prints 2.6kB: 2600)
};

struct IpFilter {
  std::string name;
  bool negated = false;  // !=
  std::string pattern;   // not validated
};

struct LabelFilter;
using LabelFilterPtr = std::shared_ptr<const LabelFilter>;  // never null

enum class AndToken { kAnd, kComma, kJuxtaposed };

struct AndFilter {
  LabelFilterPtr left;
  LabelFilterPtr right;
  AndToken token = AndToken::kAnd;
};

struct OrFilter {
  LabelFilterPtr left;
  LabelFilterPtr right;
};

struct LabelFilter {
  std::variant<NumberFilter, StringFilter, DurationFilter, BytesFilter, IpFilter, AndFilter, OrFilter> node;
  SourceRange range;
};

// ----------------------------------------------------------------------------------- formatting stages

struct LineFormat {
  std::string text;  // Go template source; syntax is checked when the stage is built
  SourceRange range;
};

struct LabelFormatItem {
  std::string name;        // the label that is set
  bool is_rename = false;  // name=source, otherwise name="template"
  std::string value;       // source label or template source
};

struct LabelFormat {
  std::vector<LabelFormatItem> items;  // at least one
  SourceRange range;
};

struct Decolorize {
  SourceRange range;
};

struct NameOrMatcher {
  std::string name;
  std::optional<Matcher> matcher;  // its name() is `name`
};

struct Drop {
  std::vector<NameOrMatcher> items;  // at least one
  SourceRange range;
};

struct Keep {
  std::vector<NameOrMatcher> items;  // at least one
  SourceRange range;
};

struct StageArgument {
  std::string name;
  std::optional<uint64_t> count;  // name=count
};

// A stage of Skald's own, whose word and arguments are those of stage_syntax.h: | distinct app, env.
struct NamedStage {
  std::string word;
  std::vector<StageArgument> arguments;  // at least one
  SourceRange range;
};

using Stage = std::variant<LineFilter, JsonParser, LogfmtParser, RegexpParser, PatternParser, Unpack,
                           LabelFilter, LineFormat, LabelFormat, Decolorize, Drop, Keep, NamedStage>;

// ----------------------------------------------------------------------------------------- log queries

struct LogSelectorExpr {
  Selector selector;
  std::vector<Stage> stages;  // in query order
  SourceRange range;
};

enum class UnwrapConversion { kNone, kBytes, kDuration, kDurationSeconds };

struct Unwrap {
  std::string label;
  UnwrapConversion conversion = UnwrapConversion::kNone;
  std::vector<LabelFilter> filters;  // after the unwrap, in order
  SourceRange range;
};

struct LogRangeExpr {
  LogSelectorExpr source;
  int64_t range_ns = 0;   // >= 0; [0] is accepted
  int64_t offset_ns = 0;  // may be negative
  std::optional<Unwrap> unwrap;
  SourceRange range;
};

// -------------------------------------------------------------------------------------- metric queries

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;  // never null inside a tree

struct Grouping {
  bool without = false;
  std::vector<std::string> labels;
  SourceRange range;
};

enum class RangeOp {
  kCountOverTime,
  kRate,
  kRateCounter,
  kBytesOverTime,
  kBytesRate,
  kAvgOverTime,
  kSumOverTime,
  kMinOverTime,
  kMaxOverTime,
  kStdvarOverTime,
  kStddevOverTime,
  kQuantileOverTime,
  kFirstOverTime,
  kLastOverTime,
  kAbsentOverTime,
  kCountDistinctOverTime,  // Skald's own
};

struct RangeAggregation {
  RangeOp op = RangeOp::kCountOverTime;
  std::optional<double> parameter;  // present exactly for quantile_over_time
  std::string counted_label;        // not empty exactly for count_distinct_over_time
  LogRangeExpr log_range;
  std::optional<Grouping> grouping;
};

enum class VectorOp {
  kSum,
  kAvg,
  kMin,
  kMax,
  kCount,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kApproxTopk,
  kSort,
  kSortDesc,
};

struct VectorAggregation {
  VectorOp op = VectorOp::kSum;
  int64_t k = 0;                     // > 0 exactly for topk, bottomk, approx_topk
  ExprPtr inner;                     // a metric expression
  std::optional<Grouping> grouping;  // absent and `by ()` mean the same here
};

enum class BinaryOpKind {
  kOr,
  kAnd,
  kUnless,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
};

bool IsSetOp(BinaryOpKind op);
bool IsComparison(BinaryOpKind op);

enum class MatchCardinality {
  kOneToOne,
  kManyToOne,  // group_left: the left side has many
  kOneToMany,  // group_right
};

struct VectorMatching {
  MatchCardinality cardinality = MatchCardinality::kOneToOne;
  bool on = false;                   // on (labels), otherwise ignoring (labels)
  std::vector<std::string> labels;   // on () is one empty signature; ignoring () is as no modifier
  std::vector<std::string> include;  // labels of group_left / group_right, copied from the one side
};

// Both sides are metric expressions, and not both literals (those are folded by the parser). No literal
// beside a set op.
struct BinaryOp {
  BinaryOpKind op = BinaryOpKind::kAdd;
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  std::optional<VectorMatching> matching;  // absent: all labels, one to one
};

struct Literal {
  double value = 0;
};

struct VectorLiteral {  // vector(1)
  double value = 0;
};

struct LabelReplace {
  ExprPtr inner;
  std::string dst;
  std::string replacement;
  std::string src;
  std::string regex;  // valid after GoRegexToRe2; matched as ^(?:regex)$
};

// variants(a, b) of ({...}[1m])
struct Variants {
  std::vector<ExprPtr> variants;  // at least one
  LogRangeExpr of;
};

struct Expr {
  std::variant<LogSelectorExpr, RangeAggregation, VectorAggregation, BinaryOp, Literal, VectorLiteral,
               LabelReplace, Variants>
      node;
  SourceRange range;
  int height = 1;  // 1 for a leaf, else 1 + that of the highest child
};

// True for {…} with or without stages, false for every metric expression.
inline bool IsLogQuery(const Expr& expr) { return std::holds_alternative<LogSelectorExpr>(expr.node); }

// The words of the language: count_over_time, topk, >=, ...
std::string_view Name(RangeOp op);
std::string_view Name(VectorOp op);
std::string_view Name(BinaryOpKind op);
std::string_view Name(CompareOp op);  // kEqual is "=="
std::string_view Name(LineFilterOp op);
std::string_view Name(MatchOp op);                   // = != =~ !~
std::string_view Name(UnwrapConversion conversion);  // "" for kNone

// What a literal, or an element with a scalar side, becomes: division and modulo by zero give NaN,
// comparisons 1 or 0, % is fmod, ^ is pow. Set ops give NaN (the parser never asks).
double EvaluateScalars(BinaryOpKind op, double lhs, double rhs);

// Calls fn with each log selector of the tree, left to right.
template <class Fn>
void ForEachLogSelector(const Expr& expr, Fn&& fn) {
  std::visit(Overloaded{
                 [&](const LogSelectorExpr& e) { fn(e); },
                 [&](const RangeAggregation& e) { fn(e.log_range.source); },
                 [&](const VectorAggregation& e) { ForEachLogSelector(*e.inner, fn); },
                 [&](const BinaryOp& e) {
                   ForEachLogSelector(*e.lhs, fn);
                   ForEachLogSelector(*e.rhs, fn);
                 },
                 [](const Literal&) {},
                 [](const VectorLiteral&) {},
                 [&](const LabelReplace& e) { ForEachLogSelector(*e.inner, fn); },
                 [&](const Variants& e) {
                   for (const ExprPtr& variant : e.variants) ForEachLogSelector(*variant, fn);
                   fn(e.of.source);
                 },
             },
             expr.node);
}

}  // namespace skald::logql
