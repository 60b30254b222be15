// A recursive descent that answers as Loki's LALR parser does. Two things follow from that:
// - A place that lists what it expects (Unexpected({...})) is one where that parser's state has nothing to reduce. After a
//   complete construct it reduces first and fails further out, mostly after an expression, where more than four tokens
//   could follow and none is listed.
// - Checks come at two times: some as soon as the construct is read, so that they go before a later syntax error (matchers,
//   the regexp and pattern stages); the others, recorded by Defer, only when all of the text was read.
#include "query/logql/parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/labels.h"
#include "base/status_macros.h"
#include "query/logql/lexer.h"
#include "query/logql/pattern.h"
#include "text/units.h"

namespace skald::logql {
namespace {

using Kind = TokenKind;

std::optional<RangeOp> RangeOpOf(Kind kind) {
  switch (kind) {
    case Kind::kCountOverTime:
      return RangeOp::kCountOverTime;
    case Kind::kRate:
      return RangeOp::kRate;
    case Kind::kRateCounter:
      return RangeOp::kRateCounter;
    case Kind::kBytesOverTime:
      return RangeOp::kBytesOverTime;
    case Kind::kBytesRate:
      return RangeOp::kBytesRate;
    case Kind::kAvgOverTime:
      return RangeOp::kAvgOverTime;
    case Kind::kSumOverTime:
      return RangeOp::kSumOverTime;
    case Kind::kMinOverTime:
      return RangeOp::kMinOverTime;
    case Kind::kMaxOverTime:
      return RangeOp::kMaxOverTime;
    case Kind::kStdvarOverTime:
      return RangeOp::kStdvarOverTime;
    case Kind::kStddevOverTime:
      return RangeOp::kStddevOverTime;
    case Kind::kQuantileOverTime:
      return RangeOp::kQuantileOverTime;
    case Kind::kFirstOverTime:
      return RangeOp::kFirstOverTime;
    case Kind::kLastOverTime:
      return RangeOp::kLastOverTime;
    case Kind::kAbsentOverTime:
      return RangeOp::kAbsentOverTime;
    default:
      return std::nullopt;
  }
}

std::optional<VectorOp> VectorOpOf(Kind kind) {
  switch (kind) {
    case Kind::kSum:
      return VectorOp::kSum;
    case Kind::kAvg:
      return VectorOp::kAvg;
    case Kind::kMin:
      return VectorOp::kMin;
    case Kind::kMax:
      return VectorOp::kMax;
    case Kind::kCount:
      return VectorOp::kCount;
    case Kind::kStddev:
      return VectorOp::kStddev;
    case Kind::kStdvar:
      return VectorOp::kStdvar;
    case Kind::kTopk:
      return VectorOp::kTopk;
    case Kind::kBottomk:
      return VectorOp::kBottomk;
    case Kind::kApproxTopk:
      return VectorOp::kApproxTopk;
    case Kind::kSort:
      return VectorOp::kSort;
    case Kind::kSortDesc:
      return VectorOp::kSortDesc;
    default:
      return std::nullopt;
  }
}

struct BinaryToken {
  BinaryOpKind op;
  int precedence;
};

std::optional<BinaryToken> BinaryTokenOf(Kind kind) {
  switch (kind) {
    case Kind::kOr:
      return BinaryToken{BinaryOpKind::kOr, 1};
    case Kind::kAnd:
      return BinaryToken{BinaryOpKind::kAnd, 2};
    case Kind::kUnless:
      return BinaryToken{BinaryOpKind::kUnless, 2};
    case Kind::kCmpEq:
      return BinaryToken{BinaryOpKind::kEqual, 3};
    case Kind::kNeq:
      return BinaryToken{BinaryOpKind::kNotEqual, 3};
    case Kind::kGt:
      return BinaryToken{BinaryOpKind::kGreater, 3};
    case Kind::kGte:
      return BinaryToken{BinaryOpKind::kGreaterEqual, 3};
    case Kind::kLt:
      return BinaryToken{BinaryOpKind::kLess, 3};
    case Kind::kLte:
      return BinaryToken{BinaryOpKind::kLessEqual, 3};
    case Kind::kAdd:
      return BinaryToken{BinaryOpKind::kAdd, 4};
    case Kind::kSub:
      return BinaryToken{BinaryOpKind::kSub, 4};
    case Kind::kMul:
      return BinaryToken{BinaryOpKind::kMul, 5};
    case Kind::kDiv:
      return BinaryToken{BinaryOpKind::kDiv, 5};
    case Kind::kMod:
      return BinaryToken{BinaryOpKind::kMod, 5};
    case Kind::kPow:
      return BinaryToken{BinaryOpKind::kPow, 6};
    default:
      return std::nullopt;
  }
}

std::optional<LineFilterOp> LineFilterOpOf(Kind kind) {
  switch (kind) {
    case Kind::kPipeExact:
      return LineFilterOp::kContains;
    case Kind::kNeq:
      return LineFilterOp::kNotContains;
    case Kind::kPipeMatch:
      return LineFilterOp::kRegex;
    case Kind::kNre:
      return LineFilterOp::kNotRegex;
    case Kind::kPipePattern:
      return LineFilterOp::kPattern;
    case Kind::kNpa:
      return LineFilterOp::kNotPattern;
    default:
      return std::nullopt;
  }
}

std::optional<MatchOp> MatchOpOf(Kind kind) {
  switch (kind) {
    case Kind::kEq:
      return MatchOp::kEqual;
    case Kind::kNeq:
      return MatchOp::kNotEqual;
    case Kind::kRe:
      return MatchOp::kRegex;
    case Kind::kNre:
      return MatchOp::kNotRegex;
    default:
      return std::nullopt;
  }
}

std::optional<CompareOp> CompareOpOf(Kind kind) {
  switch (kind) {
    case Kind::kEq:
    case Kind::kCmpEq:
      return CompareOp::kEqual;
    case Kind::kNeq:
      return CompareOp::kNotEqual;
    case Kind::kGt:
      return CompareOp::kGreater;
    case Kind::kGte:
      return CompareOp::kGreaterEqual;
    case Kind::kLt:
      return CompareOp::kLess;
    case Kind::kLte:
      return CompareOp::kLessEqual;
    default:
      return std::nullopt;
  }
}

bool TakesUnwrap(RangeOp op) {
  return op != RangeOp::kCountOverTime && op != RangeOp::kBytesOverTime && op != RangeOp::kBytesRate;
}

bool NeedsUnwrap(RangeOp op) {
  return TakesUnwrap(op) && op != RangeOp::kRate && op != RangeOp::kAbsentOverTime;
}

bool TakesGrouping(RangeOp op) {
  switch (op) {
    case RangeOp::kAvgOverTime:
    case RangeOp::kMinOverTime:
    case RangeOp::kMaxOverTime:
    case RangeOp::kStdvarOverTime:
    case RangeOp::kStddevOverTime:
    case RangeOp::kQuantileOverTime:
    case RangeOp::kFirstOverTime:
    case RangeOp::kLastOverTime:
      return true;
    case RangeOp::kCountOverTime:
    case RangeOp::kRate:
    case RangeOp::kRateCounter:
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate:
    case RangeOp::kSumOverTime:
    case RangeOp::kAbsentOverTime:
      return false;
  }
  return false;
}

bool TakesK(VectorOp op) {
  return op == VectorOp::kTopk || op == VectorOp::kBottomk || op == VectorOp::kApproxTopk;
}

int HeightOf(const ExprPtr& expr) { return expr->height; }

class Parser {
 public:
  explicit Parser(std::string_view query) : tokens_(Lex(query)) {}

  absl::StatusOr<ExprPtr> ParseQuery() {
    ExprPtr expr;
    if (At(Kind::kVariants)) {
      ASSIGN_OR_RETURN(expr, ParseVariants());
    } else {
      ASSIGN_OR_RETURN(expr, ParseBinary(1));
    }
    if (!At(Kind::kEnd) || !token().error.empty()) return Unexpected();
    return expr;
  }

  // The deferred checks, outermost first.
  absl::Status Validate(const Expr& expr) const {
    if (const auto it = deferred_.find(&expr); it != deferred_.end()) return ParseError(it->second);
    return std::visit(Overloaded{
                          [&](const LogSelectorExpr& e) { return CheckSelector(e.selector); },
                          [&](const RangeAggregation& e) { return CheckSelector(e.log_range.source.selector); },
                          [&](const VectorAggregation& e) { return Validate(*e.inner); },
                          [&](const BinaryOp& e) {
                            RETURN_IF_ERROR(Validate(*e.lhs));
                            return Validate(*e.rhs);
                          },
                          [](const Literal&) { return absl::OkStatus(); },
                          [](const VectorLiteral&) { return absl::OkStatus(); },
                          [&](const LabelReplace& e) { return Validate(*e.inner); },
                          [&](const Variants& e) {
                            for (const ExprPtr& variant : e.variants) RETURN_IF_ERROR(Validate(*variant));
                            return CheckSelector(e.of.source.selector);
                          },
                      },
                      expr.node);
  }

 private:
  // ------------------------------------------------------------------------------------------------------- tokens

  const Token& token() const { return tokens_[index_]; }
  bool At(Kind kind) const { return token().kind == kind; }
  Kind KindAfter(size_t count) const { return tokens_[std::min(index_ + count, tokens_.size() - 1)].kind; }

  const Token& Take() {
    const Token& taken = tokens_[index_];
    if (index_ + 1 < tokens_.size()) ++index_;
    return taken;
  }

  bool TakeIf(Kind kind) {
    if (!At(kind)) return false;
    Take();
    return true;
  }

  absl::Status Unexpected(std::initializer_list<Kind> expected = {}) const {
    const Token& found = token();
    if (!found.error.empty()) return ParseErrorAt(found.line, found.col, found.error);
    std::vector<Kind> kinds(expected);
    std::sort(kinds.begin(), kinds.end());
    std::string message = fmt::format("syntax error: unexpected {}", DisplayName(found.kind));
    std::string_view before = ", expecting ";
    for (const Kind kind : kinds) {
      message.append(before).append(DisplayName(kind));
      before = " or ";
    }
    return ParseErrorAt(found.line, found.col, message);
  }

  absl::Status Expect(Kind kind) {
    if (!At(kind)) return Unexpected({kind});
    Take();
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> TakeText(Kind kind) {
    if (!At(kind)) return Unexpected({kind});
    return Take().text;
  }

  // From the start of tokens_[first] to the end of the last token taken.
  SourceRange RangeFrom(size_t first) const {
    SourceRange range = tokens_[first].range;
    range.end = tokens_[std::max(first + 1, index_) - 1].range.end;
    return range;
  }

  // Counts brackets, calls and right operands, which are what this descent recurses over.
  class Nesting {
   public:
    explicit Nesting(int* depth) : depth_(depth) { ++*depth_; }
    ~Nesting() { --*depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    int* depth_;
  };

  absl::Status CheckNesting() const {
    if (depth_ <= kMaxNesting) return absl::OkStatus();
    return ParseErrorAt(token().line, token().col, fmt::format("query is nested too deeply (limit {})", kMaxNesting));
  }

  template <typename Node>
  absl::StatusOr<ExprPtr> Make(Node node, size_t first, std::initializer_list<int> child_heights = {}) {
    auto expr = std::make_shared<Expr>();
    expr->node = std::move(node);
    expr->range = RangeFrom(first);
    for (const int height : child_heights) expr->height = std::max(expr->height, height + 1);
    if (expr->height > kMaxExprHeight) {
      return ParseErrorAt(token().line, token().col, fmt::format("query has too many operators (limit {})", kMaxExprHeight));
    }
    return ExprPtr(std::move(expr));
  }

  // Only the first error of a node counts.
  void Defer(const ExprPtr& expr, std::string message) {
    deferred_.emplace(expr.get(), std::move(message));
    kept_.push_back(expr);  // a folded node's address must not be used again
  }

  absl::Status CheckSelector(const Selector& selector) const {
    for (const Matcher& matcher : selector.matchers) {
      if (!matcher.MatchesEmpty()) return absl::OkStatus();
    }
    return ParseError(kEmptyMatcherMessage);
  }

  // --------------------------------------------------------------------------------------------- metric expressions

  // Binary operators of at least this precedence. All are left-associative but ^.
  absl::StatusOr<ExprPtr> ParseBinary(int precedence) {
    const Nesting nesting(&depth_);
    RETURN_IF_ERROR(CheckNesting());
    const size_t first = index_;
    ASSIGN_OR_RETURN(ExprPtr lhs, ParsePrimary());
    for (;;) {
      const std::optional<BinaryToken> binary = BinaryTokenOf(token().kind);
      if (!binary || binary->precedence < precedence) return lhs;
      Take();
      BinaryOp node;
      node.op = binary->op;
      RETURN_IF_ERROR(ParseModifiers(&node));
      const bool right_associative = binary->op == BinaryOpKind::kPow;
      node.lhs = std::move(lhs);
      ASSIGN_OR_RETURN(node.rhs, ParseBinary(binary->precedence + (right_associative ? 0 : 1)));
      ASSIGN_OR_RETURN(lhs, Combine(std::move(node), first));
    }
  }

  absl::Status ParseModifiers(BinaryOp* node) {
    node->return_bool = TakeIf(Kind::kBool);
    if (!At(Kind::kOn) && !At(Kind::kIgnoring)) return absl::OkStatus();
    VectorMatching matching;
    matching.on = Take().kind == Kind::kOn;
    ASSIGN_OR_RETURN(matching.labels, ParseLabelList());
    if (At(Kind::kGroupLeft) || At(Kind::kGroupRight)) {
      matching.cardinality =
          Take().kind == Kind::kGroupLeft ? MatchCardinality::kManyToOne : MatchCardinality::kOneToMany;
      if (At(Kind::kOpenParenthesis)) {
        ASSIGN_OR_RETURN(matching.include, ParseLabelList());
      }
    }
    node->matching = std::move(matching);
    return absl::OkStatus();
  }

  absl::StatusOr<ExprPtr> Combine(BinaryOp node, size_t first) {
    const Literal* left = std::get_if<Literal>(&node.lhs->node);
    const Literal* right = std::get_if<Literal>(&node.rhs->node);
    std::string error;
    for (const auto& [side, expr] : {std::pair<std::string_view, const Expr*>{"left", node.lhs.get()},
                                     std::pair<std::string_view, const Expr*>{"right", node.rhs.get()}}) {
      const auto* log = std::get_if<LogSelectorExpr>(&expr->node);
      if (log != nullptr && error.empty()) {
        error = fmt::format("unexpected type for {} leg of binary operation ({}): *syntax.{}", side, Name(node.op),
                            log->stages.empty() ? "MatchersExpr" : "PipelineExpr");
      }
    }
    if (error.empty() && IsSetOp(node.op) && (left != nullptr || right != nullptr)) {
      error = fmt::format("unexpected literal for {} leg of logical/set binary operation ({}): {:f}",
                          left != nullptr ? "left" : "right", Name(node.op), (left != nullptr ? left : right)->value);
    }
    if (error.empty() && left != nullptr && right != nullptr) {
      ASSIGN_OR_RETURN(ExprPtr folded, Make(Literal{EvaluateScalars(node.op, left->value, right->value)}, first));
      for (const ExprPtr& side : {node.lhs, node.rhs}) {
        if (const auto it = deferred_.find(side.get()); it != deferred_.end()) {
          Defer(folded, std::string(it->second));
          break;
        }
      }
      return folded;
    }
    const int lhs_height = HeightOf(node.lhs);
    const int rhs_height = HeightOf(node.rhs);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(std::move(node), first, {lhs_height, rhs_height}));
    if (!error.empty()) Defer(expr, std::move(error));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParsePrimary() {
    const size_t first = index_;
    switch (token().kind) {
      case Kind::kOpenBrace: {
        ASSIGN_OR_RETURN(LogSelectorExpr log, ParseLog());
        return Make(std::move(log), first);
      }
      case Kind::kOpenParenthesis: {
        Take();
        ASSIGN_OR_RETURN(ExprPtr inner, ParseBinary(1));
        if (!TakeIf(Kind::kCloseParenthesis)) return Unexpected();
        return inner;
      }
      case Kind::kNumber:
      case Kind::kAdd:
      case Kind::kSub:
        return ParseLiteral();
      case Kind::kVector:
        return ParseVectorLiteral();
      case Kind::kLabelReplace:
        return ParseLabelReplace();
      default:
        break;
    }
    if (const auto op = RangeOpOf(token().kind)) return ParseRangeAggregation(*op);
    if (const auto op = VectorOpOf(token().kind)) return ParseVectorAggregation(*op);
    return Unexpected();
  }

  // Where the grammar wants a metric expression. A log query is only noticed by what follows it.
  absl::StatusOr<ExprPtr> ParseMetric() {
    ASSIGN_OR_RETURN(ExprPtr expr, ParseBinary(1));
    if (IsLogQuery(*expr)) return Unexpected();
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseLiteral() {
    const size_t first = index_;
    double sign = 1;
    if (!At(Kind::kNumber)) sign = Take().kind == Kind::kSub ? -1 : 1;
    ASSIGN_OR_RETURN(const std::string text, TakeText(Kind::kNumber));
    const absl::StatusOr<double> value = ParseGoFloat(text);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(Literal{value.ok() ? sign * *value : 0}, first));
    if (!value.ok()) Defer(expr, fmt::format("unable to parse literal as a float: {}", MessageOf(value.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseVectorLiteral() {
    const size_t first = index_;
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    ASSIGN_OR_RETURN(const std::string text, TakeText(Kind::kNumber));
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    const absl::StatusOr<double> value = ParseGoFloat(text);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(VectorLiteral{value.ok() ? *value : 0}, first));
    if (!value.ok()) Defer(expr, fmt::format("unable to parse vectorExpr as a float: {}", MessageOf(value.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseLabelReplace() {
    const size_t first = index_;
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    LabelReplace node;
    ASSIGN_OR_RETURN(node.inner, ParseMetric());
    if (!At(Kind::kComma)) return Unexpected();
    for (std::string* argument : {&node.dst, &node.replacement, &node.src, &node.regex}) {
      RETURN_IF_ERROR(Expect(Kind::kComma));
      ASSIGN_OR_RETURN(*argument, TakeText(Kind::kString));
    }
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    const auto compiled = CompileGoRegex(fmt::format("^(?:{})$", node.regex));
    const int height = HeightOf(node.inner);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(std::move(node), first, {height}));
    if (!compiled.ok()) Defer(expr, fmt::format("invalid regex in label_replace: {}", MessageOf(compiled.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseRangeAggregation(RangeOp op) {
    const size_t first = index_;
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    RangeAggregation node;
    node.op = op;
    std::optional<std::string> parameter;
    if (At(Kind::kNumber)) {
      parameter = Take().text;
      RETURN_IF_ERROR(Expect(Kind::kComma));
    } else if (!At(Kind::kOpenBrace) && !At(Kind::kOpenParenthesis)) {
      return Unexpected({Kind::kNumber, Kind::kOpenBrace, Kind::kOpenParenthesis});
    }
    ASSIGN_OR_RETURN(node.log_range, ParseLogRange());
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    ASSIGN_OR_RETURN(node.grouping, ParseGrouping());
    std::string error = CheckRangeAggregation(parameter, &node);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(std::move(node), first));
    if (!error.empty()) Defer(expr, std::move(error));
    return expr;
  }

  // The error, or "". Sets the parameter's value.
  static std::string CheckRangeAggregation(const std::optional<std::string>& parameter, RangeAggregation* node) {
    const std::string_view name = Name(node->op);
    if (parameter) {
      if (node->op != RangeOp::kQuantileOverTime) {
        return fmt::format("parameter {} not supported for operation {}", *parameter, name);
      }
      const absl::StatusOr<double> value = ParseGoFloat(*parameter);
      if (!value.ok()) return fmt::format("invalid parameter for operation {}: {}", name, MessageOf(value.status()));
      node->parameter = *value;
    } else if (node->op == RangeOp::kQuantileOverTime) {
      return fmt::format("parameter required for operation {}", name);
    }
    if (node->grouping && !TakesGrouping(node->op)) return fmt::format("grouping not allowed for {} aggregation", name);
    const bool has_unwrap = node->log_range.unwrap.has_value();
    if (has_unwrap && !TakesUnwrap(node->op)) return fmt::format("invalid aggregation {} with unwrap", name);
    if (!has_unwrap && NeedsUnwrap(node->op)) return fmt::format("invalid aggregation {} without unwrap", name);
    return "";
  }

  absl::StatusOr<ExprPtr> ParseVectorAggregation(VectorOp op) {
    const size_t first = index_;
    Take();
    VectorAggregation node;
    node.op = op;
    ASSIGN_OR_RETURN(node.grouping, ParseGrouping());
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    std::optional<std::string> parameter;
    if (At(Kind::kNumber) && KindAfter(1) == Kind::kComma) {
      parameter = Take().text;
      Take();
    }
    ASSIGN_OR_RETURN(node.inner, ParseMetric());
    if (!TakeIf(Kind::kCloseParenthesis)) return Unexpected();
    if (!node.grouping) {
      ASSIGN_OR_RETURN(node.grouping, ParseGrouping());
    }
    std::string error = CheckVectorAggregation(parameter, &node);
    const int height = HeightOf(node.inner);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(std::move(node), first, {height}));
    if (!error.empty()) Defer(expr, std::move(error));
    return expr;
  }

  // The error, or "". Sets k.
  static std::string CheckVectorAggregation(const std::optional<std::string>& parameter, VectorAggregation* node) {
    const std::string_view name = Name(node->op);
    if (TakesK(node->op)) {
      if (!parameter) return fmt::format("parameter required for operation {}", name);
      const char* end = parameter->data() + parameter->size();
      const auto [stop, status] = std::from_chars(parameter->data(), end, node->k);
      if (status != std::errc() || stop != end) return fmt::format("invalid parameter {}({},", name, *parameter);
      if (node->k <= 0) return fmt::format("invalid parameter (must be greater than 0) {}({}", name, *parameter);
    } else if (parameter) {
      return fmt::format("unsupported parameter for operation {}({},", name, *parameter);
    }
    if (node->op == VectorOp::kApproxTopk && node->grouping) {
      return fmt::format("grouping not allowed for {} aggregation", name);
    }
    if ((node->op == VectorOp::kSort || node->op == VectorOp::kSortDesc) && node->grouping &&
        !node->grouping->labels.empty()) {
      return "sort and sort_desc doesn't allow grouping by ";
    }
    return "";
  }

  absl::StatusOr<std::optional<Grouping>> ParseGrouping() {
    if (!At(Kind::kBy) && !At(Kind::kWithout)) return std::optional<Grouping>();
    const size_t first = index_;
    Grouping grouping;
    grouping.without = Take().kind == Kind::kWithout;
    ASSIGN_OR_RETURN(grouping.labels, ParseLabelList());
    grouping.range = RangeFrom(first);
    return std::optional<Grouping>(std::move(grouping));
  }

  // ( [name {, name}] )
  absl::StatusOr<std::vector<std::string>> ParseLabelList() {
    std::vector<std::string> labels;
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    if (TakeIf(Kind::kCloseParenthesis)) return labels;
    if (!At(Kind::kIdentifier)) return Unexpected({Kind::kIdentifier, Kind::kCloseParenthesis});
    for (;;) {
      ASSIGN_OR_RETURN(std::string label, TakeText(Kind::kIdentifier));
      labels.push_back(std::move(label));
      if (TakeIf(Kind::kCloseParenthesis)) return labels;
      if (!TakeIf(Kind::kComma)) return Unexpected({Kind::kComma, Kind::kCloseParenthesis});
    }
  }

  absl::StatusOr<ExprPtr> ParseVariants() {
    const size_t first = index_;
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    Variants node;
    int height = 0;
    do {
      ASSIGN_OR_RETURN(ExprPtr variant, ParseMetric());
      height = std::max(height, variant->height);
      node.variants.push_back(std::move(variant));
    } while (TakeIf(Kind::kComma));
    if (!TakeIf(Kind::kCloseParenthesis)) return Unexpected();
    RETURN_IF_ERROR(Expect(Kind::kOf));
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    ASSIGN_OR_RETURN(node.of, ParseLogRange());
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    return Make(std::move(node), first, {height});
  }

  // ------------------------------------------------------------------------------------------------------ log ranges

  // {a="b"}[5m] with offset, stages and unwrap in the orders that Loki takes, bare or in parentheses.
  absl::StatusOr<LogRangeExpr> ParseLogRange() {
    const Nesting nesting(&depth_);
    RETURN_IF_ERROR(CheckNesting());
    const size_t first = index_;
    LogRangeExpr log;
    if (At(Kind::kOpenBrace)) {
      ASSIGN_OR_RETURN(log.source.selector, ParseSelector());
      log.source.range = RangeFrom(first);
      RETURN_IF_ERROR(ParseAfterSelector(first, &log));
    } else if (TakeIf(Kind::kOpenParenthesis)) {
      RETURN_IF_ERROR(ParseParenthesized(&log));
    } else {
      return Unexpected({Kind::kOpenBrace, Kind::kOpenParenthesis});
    }
    log.range = RangeFrom(first);
    return log;
  }

  // What follows the selector of a bare range: [5m] offset stages unwrap, or stages unwrap [5m] offset.
  absl::Status ParseAfterSelector(size_t first, LogRangeExpr* log) {
    if (At(Kind::kRange)) {
      RETURN_IF_ERROR(ParseRangeAndOffset(log));
      RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
    if (!At(Kind::kRange)) {
      return log->unwrap ? Unexpected({Kind::kRange, Kind::kPipe}) : Unexpected();
    }
    return ParseRangeAndOffset(log);
  }

  absl::Status ParseRangeAndOffset(LogRangeExpr* log) {
    log->range_ns = Take().duration;
    if (!TakeIf(Kind::kOffset)) return absl::OkStatus();
    if (!At(Kind::kDuration)) return Unexpected({Kind::kDuration});
    log->offset_ns = Take().duration;
    return absl::OkStatus();
  }

  // After the "(": either a whole range, or a selector with stages whose range follows the ")".
  absl::Status ParseParenthesized(LogRangeExpr* log) {
    if (At(Kind::kOpenParenthesis)) {
      ASSIGN_OR_RETURN(*log, ParseLogRange());
      return Expect(Kind::kCloseParenthesis);
    }
    if (!At(Kind::kOpenBrace)) return Unexpected({Kind::kOpenBrace, Kind::kOpenParenthesis});
    const size_t first = index_;
    ASSIGN_OR_RETURN(log->source.selector, ParseSelector());
    log->source.range = RangeFrom(first);
    if (At(Kind::kRange)) {
      RETURN_IF_ERROR(ParseAfterSelector(first, log));
      return Expect(Kind::kCloseParenthesis);
    }
    RETURN_IF_ERROR(ParseStages(first, &log->source, &log->unwrap));
    if (At(Kind::kRange)) {
      RETURN_IF_ERROR(ParseRangeAndOffset(log));
      return Expect(Kind::kCloseParenthesis);
    }
    if (!TakeIf(Kind::kCloseParenthesis)) {
      return log->unwrap ? Unexpected({Kind::kRange, Kind::kCloseParenthesis, Kind::kPipe}) : Unexpected();
    }
    if (!At(Kind::kRange)) return Unexpected({Kind::kRange});
    RETURN_IF_ERROR(ParseRangeAndOffset(log));
    if (log->source.stages.empty() && !log->unwrap && At(Kind::kPipe)) {
      const size_t pipe = index_;
      Take();
      if (!At(Kind::kUnwrap)) return Unexpected({Kind::kUnwrap});
      ASSIGN_OR_RETURN(log->unwrap, ParseUnwrap(pipe));
    }
    return absl::OkStatus();
  }

  // At `unwrap`, the bar taken.
  absl::StatusOr<Unwrap> ParseUnwrap(size_t first) {
    Take();
    Unwrap unwrap;
    switch (token().kind) {
      case Kind::kIdentifier:
        break;
      case Kind::kBytesConversion:
        unwrap.conversion = UnwrapConversion::kBytes;
        break;
      case Kind::kDurationConversion:
        unwrap.conversion = UnwrapConversion::kDuration;
        break;
      case Kind::kDurationSecondsConversion:
        unwrap.conversion = UnwrapConversion::kDurationSeconds;
        break;
      default:
        return Unexpected({Kind::kIdentifier, Kind::kBytesConversion, Kind::kDurationConversion,
                           Kind::kDurationSecondsConversion});
    }
    if (unwrap.conversion == UnwrapConversion::kNone) {
      unwrap.label = Take().text;
    } else {
      Take();
      RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
      ASSIGN_OR_RETURN(unwrap.label, TakeText(Kind::kIdentifier));
      RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    }
    while (TakeIf(Kind::kPipe)) {
      if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
        return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
      }
      ASSIGN_OR_RETURN(LabelFilter filter, ParseLabelFilter());
      unwrap.filters.push_back(std::move(filter));
    }
    unwrap.range = RangeFrom(first);
    return unwrap;
  }

  // ------------------------------------------------------------------------------------------- selectors and stages

  absl::StatusOr<LogSelectorExpr> ParseLog() {
    const size_t first = index_;
    LogSelectorExpr log;
    ASSIGN_OR_RETURN(log.selector, ParseSelector());
    log.range = RangeFrom(first);
    RETURN_IF_ERROR(ParseStages(first, &log, nullptr));
    return log;
  }

  absl::StatusOr<Selector> ParseSelector() {
    const size_t first = index_;
    Selector selector;
    Take();
    if (!At(Kind::kIdentifier) && !At(Kind::kCloseBrace)) return Unexpected({Kind::kIdentifier, Kind::kCloseBrace});
    if (!TakeIf(Kind::kCloseBrace)) {
      for (;;) {
        ASSIGN_OR_RETURN(std::string name, TakeText(Kind::kIdentifier));
        const std::optional<MatchOp> op = MatchOpOf(token().kind);
        if (!op) return Unexpected({Kind::kEq, Kind::kRe, Kind::kNre, Kind::kNeq});
        Take();
        ASSIGN_OR_RETURN(Matcher matcher, TakeMatcher(*op, std::move(name)));
        selector.matchers.push_back(std::move(matcher));
        if (TakeIf(Kind::kCloseBrace)) break;
        if (!TakeIf(Kind::kComma)) return Unexpected({Kind::kCloseBrace, Kind::kComma});
      }
    }
    selector.range = RangeFrom(first);
    return selector;
  }

  // The string of a matcher whose name and operator are taken.
  absl::StatusOr<Matcher> TakeMatcher(MatchOp op, std::string name) {
    ASSIGN_OR_RETURN(std::string value, TakeText(Kind::kString));
    absl::StatusOr<Matcher> matcher = Matcher::Make(op, std::move(name), std::move(value));
    if (!matcher.ok()) return ParseError(MessageOf(matcher.status()));
    return matcher;
  }

  // All stages that follow. With a place for an unwrap, which ends them, one is taken too.
  absl::Status ParseStages(size_t first, LogSelectorExpr* log, std::optional<Unwrap>* unwrap) {
    for (;;) {
      const size_t start = index_;
      if (LineFilterOpOf(token().kind)) {
        RETURN_IF_ERROR(ParseLineFilter(&log->stages));
      } else if (At(Kind::kPipe)) {
        Take();
        if (At(Kind::kUnwrap) && unwrap != nullptr) {
          ASSIGN_OR_RETURN(*unwrap, ParseUnwrap(start));
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(Stage stage, ParseStage(start));
        log->stages.push_back(std::move(stage));
      } else {
        return absl::OkStatus();
      }
      log->range = RangeFrom(first);
    }
  }

  absl::StatusOr<LineFilterOperand> ParseLineFilterOperand() {
    LineFilterOperand operand;
    if (At(Kind::kString)) {
      operand.text = Take().text;
      return operand;
    }
    if (!TakeIf(Kind::kIp)) return Unexpected({Kind::kString, Kind::kIp});
    operand.is_ip = true;
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    ASSIGN_OR_RETURN(operand.text, TakeText(Kind::kString));
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    return operand;
  }

  absl::Status ParseLineFilter(std::vector<Stage>* stages) {
    const size_t first = index_;
    LineFilter filter;
    filter.op = *LineFilterOpOf(Take().kind);
    const bool negative = filter.op == LineFilterOp::kNotContains || filter.op == LineFilterOp::kNotRegex ||
                          filter.op == LineFilterOp::kNotPattern;
    ASSIGN_OR_RETURN(LineFilterOperand operand, ParseLineFilterOperand());
    filter.operands.push_back(std::move(operand));
    bool group_ended = false;  // by an ip(): what follows replaces all but the first operand of a positive chain
    while (TakeIf(Kind::kOr)) {
      if (group_ended && !negative) filter.operands.resize(1);
      ASSIGN_OR_RETURN(operand, ParseLineFilterOperand());
      group_ended = operand.is_ip;
      filter.operands.push_back(std::move(operand));
    }
    filter.range = RangeFrom(first);
    if (!negative) {
      stages->push_back(std::move(filter));
      return absl::OkStatus();
    }
    for (LineFilterOperand& one : filter.operands) stages->push_back(LineFilter{filter.op, {std::move(one)}, filter.range});
    return absl::OkStatus();
  }

  // At what follows the bar.
  absl::StatusOr<Stage> ParseStage(size_t first) {
    switch (token().kind) {
      case Kind::kJson: {
        Take();
        JsonParser stage;
        ASSIGN_OR_RETURN(stage.extractions, ParseExtractions());
        stage.range = RangeFrom(first);
        return Stage(std::move(stage));
      }
      case Kind::kLogfmt: {
        Take();
        LogfmtParser stage;
        while (At(Kind::kFunctionFlag)) (Take().text == "--strict" ? stage.strict : stage.keep_empty) = true;
        ASSIGN_OR_RETURN(stage.extractions, ParseExtractions());
        stage.range = RangeFrom(first);
        return Stage(std::move(stage));
      }
      case Kind::kRegexp: {
        Take();
        RegexpParser stage;
        ASSIGN_OR_RETURN(stage.pattern, TakeText(Kind::kString));
        stage.range = RangeFrom(first);
        RETURN_IF_ERROR(CheckRegexpStage(stage.pattern));
        return Stage(std::move(stage));
      }
      case Kind::kPattern: {
        Take();
        PatternParser stage;
        ASSIGN_OR_RETURN(stage.pattern, TakeText(Kind::kString));
        stage.range = RangeFrom(first);
        if (const auto tokens = ParsePattern(stage.pattern); !tokens.ok()) {
          return ParseError(fmt::format("invalid pattern parser: {}", MessageOf(tokens.status())));
        }
        return Stage(std::move(stage));
      }
      case Kind::kUnpack:
        Take();
        return Stage(Unpack{RangeFrom(first)});
      case Kind::kDecolorize:
        Take();
        return Stage(Decolorize{RangeFrom(first)});
      case Kind::kLineFormat: {
        Take();
        LineFormat stage;
        ASSIGN_OR_RETURN(stage.text, TakeText(Kind::kString));
        stage.range = RangeFrom(first);
        return Stage(std::move(stage));
      }
      case Kind::kLabelFormat:
        return ParseLabelFormat(first);
      case Kind::kDrop: {
        Take();
        Drop stage;
        ASSIGN_OR_RETURN(stage.items, ParseNamesOrMatchers());
        stage.range = RangeFrom(first);
        return Stage(std::move(stage));
      }
      case Kind::kKeep: {
        Take();
        Keep stage;
        ASSIGN_OR_RETURN(stage.items, ParseNamesOrMatchers());
        stage.range = RangeFrom(first);
        return Stage(std::move(stage));
      }
      case Kind::kIdentifier:
      case Kind::kOpenParenthesis: {
        ASSIGN_OR_RETURN(LabelFilter filter, ParseLabelFilter());
        return Stage(std::move(filter));
      }
      default:
        return Unexpected();
    }
  }

  static absl::Status CheckRegexpStage(std::string_view pattern) {
    const auto compiled = CompileGoRegex(pattern);
    std::string error;
    if (!compiled.ok()) {
      error = std::string(MessageOf(compiled.status()));
    } else {
      const std::vector<std::string> names = GoRegexGroupNames(pattern);
      if (names.empty()) error = "at least one named capture must be supplied";
      for (size_t i = 0; i < names.size() && error.empty(); ++i) {
        const auto here = names.begin() + static_cast<ptrdiff_t>(i);
        if (!IsLabelName(names[i])) {
          error = fmt::format("invalid extracted label name '{}'", names[i]);
        } else if (std::find(names.begin(), here, names[i]) != here) {
          error = fmt::format("duplicate extracted label name '{}'", names[i]);
        }
      }
    }
    return error.empty() ? absl::OkStatus() : ParseError(fmt::format("invalid regexp parser: {}", error));
  }

  absl::StatusOr<std::vector<LabelExtraction>> ParseExtractions() {
    std::vector<LabelExtraction> extractions;
    if (!At(Kind::kIdentifier)) return extractions;
    do {
      LabelExtraction extraction;
      ASSIGN_OR_RETURN(extraction.name, TakeText(Kind::kIdentifier));
      extraction.expression = extraction.name;
      if (TakeIf(Kind::kEq)) {
        ASSIGN_OR_RETURN(extraction.expression, TakeText(Kind::kString));
      }
      extractions.push_back(std::move(extraction));
    } while (TakeIf(Kind::kComma));
    return extractions;
  }

  absl::StatusOr<Stage> ParseLabelFormat(size_t first) {
    Take();
    LabelFormat stage;
    do {
      LabelFormatItem item;
      ASSIGN_OR_RETURN(item.name, TakeText(Kind::kIdentifier));
      RETURN_IF_ERROR(Expect(Kind::kEq));
      if (!At(Kind::kIdentifier) && !At(Kind::kString)) return Unexpected({Kind::kIdentifier, Kind::kString});
      item.is_rename = At(Kind::kIdentifier);
      item.value = Take().text;
      stage.items.push_back(std::move(item));
    } while (TakeIf(Kind::kComma));
    stage.range = RangeFrom(first);
    return Stage(std::move(stage));
  }

  absl::StatusOr<std::vector<NameOrMatcher>> ParseNamesOrMatchers() {
    std::vector<NameOrMatcher> items;
    do {
      NameOrMatcher item;
      ASSIGN_OR_RETURN(item.name, TakeText(Kind::kIdentifier));
      if (const std::optional<MatchOp> op = MatchOpOf(token().kind)) {
        Take();
        ASSIGN_OR_RETURN(item.matcher, TakeMatcher(*op, item.name));
      }
      items.push_back(std::move(item));
    } while (TakeIf(Kind::kComma));
    return items;
  }

  // ---------------------------------------------------------------------------------------------------- label filters

  // At an identifier or "(". `and` binds tighter than `or`; a comma, or nothing, takes all that follows as its right side.
  absl::StatusOr<LabelFilter> ParseLabelFilter() {
    filter_operators_ = 0;
    return ParseOrFilter();
  }

  absl::StatusOr<LabelFilter> ParseOrFilter() {
    const Nesting nesting(&depth_);
    RETURN_IF_ERROR(CheckNesting());
    const size_t first = index_;
    ASSIGN_OR_RETURN(LabelFilter left, ParseAndFilter());
    while (TakeIf(Kind::kOr)) {
      if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
        return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
      }
      ASSIGN_OR_RETURN(LabelFilter right, ParseAndFilter());
      RETURN_IF_ERROR(CountFilterOperator());
      left = LabelFilter{OrFilter{std::make_shared<LabelFilter>(std::move(left)),
                                  std::make_shared<LabelFilter>(std::move(right))},
                         RangeFrom(first)};
    }
    return left;
  }

  absl::StatusOr<LabelFilter> ParseAndFilter() {
    const size_t first = index_;
    ASSIGN_OR_RETURN(LabelFilter left, ParseFilterOperand());
    while (TakeIf(Kind::kAnd)) {
      if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
        return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
      }
      ASSIGN_OR_RETURN(LabelFilter right, ParseFilterOperand());
      RETURN_IF_ERROR(CountFilterOperator());
      left = And(std::move(left), std::move(right), AndToken::kAnd, first);
    }
    return left;
  }

  LabelFilter And(LabelFilter left, LabelFilter right, AndToken token_used, size_t first) const {
    return LabelFilter{AndFilter{std::make_shared<LabelFilter>(std::move(left)),
                                 std::make_shared<LabelFilter>(std::move(right)), token_used},
                       RangeFrom(first)};
  }

  // A comparison or a filter in parentheses, and where a comma or another one follows, all the rest.
  absl::StatusOr<LabelFilter> ParseFilterOperand() {
    const size_t first = index_;
    LabelFilter left;
    if (TakeIf(Kind::kOpenParenthesis)) {
      if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
        return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
      }
      ASSIGN_OR_RETURN(left, ParseOrFilter());
      if (!TakeIf(Kind::kCloseParenthesis)) return Unexpected();
      left.range = RangeFrom(first);
    } else {
      ASSIGN_OR_RETURN(left, ParseComparison());
    }
    AndToken token_used = AndToken::kJuxtaposed;
    if (TakeIf(Kind::kComma)) {
      token_used = AndToken::kComma;
      if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
        return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
      }
    } else if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
      return left;
    }
    ASSIGN_OR_RETURN(LabelFilter right, ParseOrFilter());
    RETURN_IF_ERROR(CountFilterOperator());
    return And(std::move(left), std::move(right), token_used, first);
  }

  absl::Status CountFilterOperator() {
    if (++filter_operators_ < kMaxExprHeight) return absl::OkStatus();
    return ParseErrorAt(token().line, token().col, fmt::format("query has too many operators (limit {})", kMaxExprHeight));
  }

  absl::StatusOr<LabelFilter> ParseComparison() {
    const size_t first = index_;
    std::string name = Take().text;
    const Kind op = token().kind;
    const std::optional<MatchOp> match = MatchOpOf(op);
    const std::optional<CompareOp> compare = CompareOpOf(op);
    if (!match && !compare) return Unexpected();
    Take();
    LabelFilter filter;
    if (!compare || (match && At(Kind::kString))) {
      ASSIGN_OR_RETURN(Matcher matcher, TakeMatcher(*match, std::move(name)));
      filter.node = StringFilter{std::move(matcher)};
    } else {
      ASSIGN_OR_RETURN(filter.node, ParseComparedValue(std::move(name), *compare, match.has_value()));
    }
    filter.range = RangeFrom(first);
    return filter;
  }

  absl::StatusOr<decltype(LabelFilter::node)> ParseComparedValue(std::string name, CompareOp op, bool may_be_ip) {
    using Node = decltype(LabelFilter::node);
    switch (token().kind) {
      case Kind::kDuration:
        return Node(DurationFilter{std::move(name), op, Take().duration});
      case Kind::kBytes: {
        const uint64_t bytes = Take().bytes;
        const absl::StatusOr<uint64_t> printed = ParseHumanBytes(FormatHumanBytes(bytes));
        return Node(BytesFilter{std::move(name), op, bytes, printed.ok() ? *printed : bytes});
      }
      case Kind::kIp: {
        if (!may_be_ip) return Unexpected();
        Take();
        RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
        ASSIGN_OR_RETURN(std::string pattern, TakeText(Kind::kString));
        RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
        return Node(IpFilter{std::move(name), op == CompareOp::kNotEqual, std::move(pattern)});
      }
      case Kind::kAdd:
      case Kind::kSub:
      case Kind::kNumber: {
        double sign = 1;
        if (!At(Kind::kNumber)) sign = Take().kind == Kind::kSub ? -1 : 1;
        ASSIGN_OR_RETURN(const std::string text, TakeText(Kind::kNumber));
        const absl::StatusOr<double> value = ParseGoFloat(text);
        if (!value.ok()) return ParseError(fmt::format("unable to parse float: {}", MessageOf(value.status())));
        return Node(NumberFilter{std::move(name), op, sign * *value});
      }
      default:
        return Unexpected();
    }
  }

  std::vector<Token> tokens_;  // ends in kEnd
  size_t index_ = 0;
  int depth_ = 0;
  int filter_operators_ = 0;
  std::unordered_map<const Expr*, std::string> deferred_;
  std::vector<ExprPtr> kept_;
};

// Without the check of selectors where validate is false.
absl::StatusOr<ExprPtr> Parse(std::string_view query, bool validate) {
  if (query.size() >= kMaxQueryBytes) {
    return ParseError(fmt::format("input size too long ({} > {})", query.size(), kMaxQueryBytes));
  }
  Parser parser(query);
  ASSIGN_OR_RETURN(ExprPtr expr, parser.ParseQuery());
  if (validate) RETURN_IF_ERROR(parser.Validate(*expr));
  return expr;
}

}  // namespace

absl::StatusOr<ExprPtr> ParseExpr(std::string_view query) { return Parse(query, true); }

absl::StatusOr<LogSelectorExpr> ParseLogSelector(std::string_view query) {
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(query, true));
  const auto* log = std::get_if<LogSelectorExpr>(&expr->node);
  if (log == nullptr) return InvalidArgument("only log selector is supported");
  return *log;
}

absl::StatusOr<std::vector<Matcher>> ParseMatchers(std::string_view selector, EmptyMatchers empty) {
  // A metric query's other checks come before the answer that it is none of ours; a lone selector has no others.
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(selector, empty == EmptyMatchers::kRefuse));
  const auto* log = std::get_if<LogSelectorExpr>(&expr->node);
  if (log == nullptr || !log->stages.empty()) return InvalidArgument("only label matchers are supported");
  return log->selector.matchers;
}

}  // namespace skald::logql
