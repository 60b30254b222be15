// A recursive descent that answers as Loki's LALR parser does. Two things follow from that:
// - A place that lists what it expects (Unexpected({...})) is one where that parser's state has nothing to
// reduce. After a
//   complete construct it reduces first and fails further out, mostly after an expression, where more than
//   four tokens could follow and none is listed.
// - Checks come at two times: some as soon as the construct is read, so that they go before a later syntax
// error (matchers,
//   the regexp and pattern stages); the others, recorded by Defer, only when all of the text was read.
#include "query/logql/parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "query/logql/log_parser.h"
#include "query/logql/token_ops.h"
#include "text/units.h"

namespace skald::logql {
namespace {

using Kind = TokenKind;

bool TakesUnwrap(RangeOp op) {
  return op != RangeOp::kCountOverTime && op != RangeOp::kBytesOverTime && op != RangeOp::kBytesRate &&
         op != RangeOp::kCountDistinctOverTime;
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
    case RangeOp::kCountDistinctOverTime:
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

class Parser : public LogParser {
 public:
  using LogParser::LogParser;

  absl::StatusOr<ExprPtr> ParseQuery() {
    ASSIGN_OR_RETURN(ExprPtr expr, ParseBinary(1));
    if (!At(Kind::kEnd) || !token().error.empty()) return Unexpected();
    return expr;
  }

  // The deferred checks, outermost first.
  absl::Status Validate(const Expr& expr) const {
    if (const auto it = deferred_.find(&expr); it != deferred_.end()) return ParseError(it->second);
    return std::visit(
        Overloaded{
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
  template <typename Node>
  absl::StatusOr<ExprPtr> Make(Node node, size_t first, std::initializer_list<int> child_heights = {}) {
    auto expr = std::make_shared<Expr>();
    expr->node = std::move(node);
    expr->range = RangeFrom(first);
    for (const int height : child_heights) expr->height = std::max(expr->height, height + 1);
    if (expr->height > kMaxExprHeight) {
      return TooManyOperators();
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

  // -------------------------------------------------------------------------------- metric expressions

  // Binary operators of at least this precedence. All are left-associative but ^.
  absl::StatusOr<ExprPtr> ParseBinary(int precedence) {
    const Nesting nesting(this);
    RETURN_IF_ERROR(CheckNesting());
    const size_t first = index();
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
        error = fmt::format("unexpected type for {} leg of binary operation ({}): *syntax.{}", side,
                            Name(node.op), log->stages.empty() ? "MatchersExpr" : "PipelineExpr");
      }
    }
    if (error.empty() && IsSetOp(node.op) && (left != nullptr || right != nullptr)) {
      error = fmt::format("unexpected literal for {} leg of logical/set binary operation ({}): {:f}",
                          left != nullptr ? "left" : "right", Name(node.op),
                          (left != nullptr ? left : right)->value);
    }
    if (error.empty() && left != nullptr && right != nullptr) {
      ASSIGN_OR_RETURN(ExprPtr folded,
                       Make(Literal{EvaluateScalars(node.op, left->value, right->value)}, first));
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
    const size_t first = index();
    switch (token().kind) {
      case Kind::kOpenBrace: {
        ASSIGN_OR_RETURN(LogSelectorExpr log, ParseLog());
        return Make(std::move(log), first);
      }
      case Kind::kOpenParenthesis: {
        Take();
        ASSIGN_OR_RETURN(ExprPtr inner, ParseBinary(1));
        if (IsVariants(*inner) || !TakeIf(Kind::kCloseParenthesis)) return Unexpected();
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
      case Kind::kVariants:
        return ParseVariants();
      default:
        break;
    }
    if (const auto op = RangeOpOf(token().kind)) return ParseRangeAggregation(*op);
    if (AtCountDistinct()) return ParseRangeAggregation(RangeOp::kCountDistinctOverTime);
    if (const auto op = VectorOpOf(token().kind)) return ParseVectorAggregation(*op);
    return Unexpected();
  }

  // No token of its own: where extensions are off it is a name as any other.
  bool AtCountDistinct() const {
    return options().extensions && At(Kind::kIdentifier) && KindAfter(1) == Kind::kOpenParenthesis &&
           token().text == Name(RangeOp::kCountDistinctOverTime);
  }

  static bool IsVariants(const Expr& expr) { return std::holds_alternative<Variants>(expr.node); }

  // Where the grammar wants a metric expression. A log query, and variants that are no operand, are only
  // noticed by what follows them.
  absl::StatusOr<ExprPtr> ParseMetric() {
    ASSIGN_OR_RETURN(ExprPtr expr, ParseBinary(1));
    if (IsLogQuery(*expr) || IsVariants(*expr)) return Unexpected();
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseLiteral() {
    const size_t first = index();
    double sign = 1;
    if (!At(Kind::kNumber)) sign = Take().kind == Kind::kSub ? -1 : 1;
    ASSIGN_OR_RETURN(const std::string text, TakeText(Kind::kNumber));
    const absl::StatusOr<double> value = ParseGoFloat(text);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(Literal{value.ok() ? sign * *value : 0}, first));
    if (!value.ok())
      Defer(expr, fmt::format("unable to parse literal as a float: {}", MessageOf(value.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseVectorLiteral() {
    const size_t first = index();
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    ASSIGN_OR_RETURN(const std::string text, TakeText(Kind::kNumber));
    RETURN_IF_ERROR(Expect(Kind::kCloseParenthesis));
    const absl::StatusOr<double> value = ParseGoFloat(text);
    ASSIGN_OR_RETURN(ExprPtr expr, Make(VectorLiteral{value.ok() ? *value : 0}, first));
    if (!value.ok())
      Defer(expr, fmt::format("unable to parse vectorExpr as a float: {}", MessageOf(value.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseLabelReplace() {
    const size_t first = index();
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
    if (!compiled.ok())
      Defer(expr, fmt::format("invalid regex in label_replace: {}", MessageOf(compiled.status())));
    return expr;
  }

  absl::StatusOr<ExprPtr> ParseRangeAggregation(RangeOp op) {
    const size_t first = index();
    Take();
    RETURN_IF_ERROR(Expect(Kind::kOpenParenthesis));
    RangeAggregation node;
    node.op = op;
    std::optional<std::string> parameter;
    if (op == RangeOp::kCountDistinctOverTime) {
      ASSIGN_OR_RETURN(node.counted_label, TakeText(Kind::kIdentifier));
      RETURN_IF_ERROR(Expect(Kind::kComma));
    }
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
  static std::string CheckRangeAggregation(const std::optional<std::string>& parameter,
                                           RangeAggregation* node) {
    const std::string_view name = Name(node->op);
    if (parameter) {
      if (node->op != RangeOp::kQuantileOverTime) {
        return fmt::format("parameter {} not supported for operation {}", *parameter, name);
      }
      const absl::StatusOr<double> value = ParseGoFloat(*parameter);
      if (!value.ok())
        return fmt::format("invalid parameter for operation {}: {}", name, MessageOf(value.status()));
      node->parameter = *value;
    } else if (node->op == RangeOp::kQuantileOverTime) {
      return fmt::format("parameter required for operation {}", name);
    }
    if (node->grouping && !TakesGrouping(node->op))
      return fmt::format("grouping not allowed for {} aggregation", name);
    const bool has_unwrap = node->log_range.unwrap.has_value();
    if (has_unwrap && !TakesUnwrap(node->op)) return fmt::format("invalid aggregation {} with unwrap", name);
    if (!has_unwrap && NeedsUnwrap(node->op))
      return fmt::format("invalid aggregation {} without unwrap", name);
    return "";
  }

  absl::StatusOr<ExprPtr> ParseVectorAggregation(VectorOp op) {
    const size_t first = index();
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
  static std::string CheckVectorAggregation(const std::optional<std::string>& parameter,
                                            VectorAggregation* node) {
    const std::string_view name = Name(node->op);
    if (TakesK(node->op)) {
      if (!parameter) return fmt::format("parameter required for operation {}", name);
      const char* end = parameter->data() + parameter->size();
      const auto [stop, status] = std::from_chars(parameter->data(), end, node->k);
      if (status != std::errc() || stop != end)
        return fmt::format("invalid parameter {}({},", name, *parameter);
      if (node->k <= 0)
        return fmt::format("invalid parameter (must be greater than 0) {}({}", name, *parameter);
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
    const size_t first = index();
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
    const size_t first = index();
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

  std::unordered_map<const Expr*, std::string> deferred_;
  std::vector<ExprPtr> kept_;
};

// Without the check of selectors where validate is false.
absl::StatusOr<ExprPtr> Parse(std::string_view query, bool validate, ParseOptions options = {}) {
  if (query.size() >= kMaxQueryBytes) {
    return ParseError(fmt::format("input size too long ({} > {})", query.size(), kMaxQueryBytes));
  }
  Parser parser(query, options);
  ASSIGN_OR_RETURN(ExprPtr expr, parser.ParseQuery());
  if (validate) RETURN_IF_ERROR(parser.Validate(*expr));
  return expr;
}

}  // namespace

absl::StatusOr<ExprPtr> ParseExpr(std::string_view query, ParseOptions options) {
  return Parse(query, true, options);
}

absl::StatusOr<LogSelectorExpr> ParseLogSelector(std::string_view query) {
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(query, true));
  const auto* log = std::get_if<LogSelectorExpr>(&expr->node);
  if (log == nullptr) return InvalidArgument("only log selector is supported");
  return *log;
}

absl::StatusOr<std::vector<Matcher>> ParseMatchers(std::string_view selector, EmptyMatchers empty) {
  // A metric query's other checks come before the answer that it is none of ours; a lone selector has no
  // others.
  ASSIGN_OR_RETURN(const ExprPtr expr, Parse(selector, empty == EmptyMatchers::kRefuse));
  const auto* log = std::get_if<LogSelectorExpr>(&expr->node);
  if (log == nullptr || !log->stages.empty()) return InvalidArgument("only label matchers are supported");
  return log->selector.matchers;
}

}  // namespace skald::logql
