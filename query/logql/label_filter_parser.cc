#include "query/logql/label_filter_parser.h"

#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/parser.h"
#include "query/logql/token_ops.h"
#include "text/units.h"

namespace skald::logql {

using Kind = TokenKind;

absl::Status LabelFilterParser::CheckFilterStart() const {
  if (At(Kind::kIdentifier) || At(Kind::kOpenParenthesis)) return absl::OkStatus();
  return Unexpected({Kind::kIdentifier, Kind::kOpenParenthesis});
}

absl::StatusOr<LabelFilter> LabelFilterParser::ParseLabelFilter() {
  operators_ = 0;
  return ParseOrFilter();
}

absl::StatusOr<LabelFilter> LabelFilterParser::ParseOrFilter() {
  const Nesting nesting(this);
  RETURN_IF_ERROR(CheckNesting());
  const size_t first = index();
  ASSIGN_OR_RETURN(LabelFilter left, ParseAndFilter());
  while (TakeIf(Kind::kOr)) {
    RETURN_IF_ERROR(CheckFilterStart());
    ASSIGN_OR_RETURN(LabelFilter right, ParseAndFilter());
    RETURN_IF_ERROR(CountFilterOperator());
    left = LabelFilter{OrFilter{std::make_shared<LabelFilter>(std::move(left)),
                                std::make_shared<LabelFilter>(std::move(right))},
                       RangeFrom(first)};
  }
  return left;
}

absl::StatusOr<LabelFilter> LabelFilterParser::ParseAndFilter() {
  const size_t first = index();
  ASSIGN_OR_RETURN(LabelFilter left, ParseFilterOperand());
  while (TakeIf(Kind::kAnd)) {
    RETURN_IF_ERROR(CheckFilterStart());
    ASSIGN_OR_RETURN(LabelFilter right, ParseFilterOperand());
    RETURN_IF_ERROR(CountFilterOperator());
    left = And(std::move(left), std::move(right), AndToken::kAnd, first);
  }
  return left;
}

LabelFilter LabelFilterParser::And(LabelFilter left, LabelFilter right, AndToken token_used,
                                   size_t first) const {
  return LabelFilter{AndFilter{std::make_shared<LabelFilter>(std::move(left)),
                               std::make_shared<LabelFilter>(std::move(right)), token_used},
                     RangeFrom(first)};
}

absl::StatusOr<LabelFilter> LabelFilterParser::ParseFilterOperand() {
  const size_t first = index();
  LabelFilter left;
  if (TakeIf(Kind::kOpenParenthesis)) {
    RETURN_IF_ERROR(CheckFilterStart());
    ASSIGN_OR_RETURN(left, ParseOrFilter());
    if (!TakeIf(Kind::kCloseParenthesis)) return Unexpected();
    left.range = RangeFrom(first);
  } else {
    ASSIGN_OR_RETURN(left, ParseComparison());
  }
  AndToken token_used = AndToken::kJuxtaposed;
  if (TakeIf(Kind::kComma)) {
    token_used = AndToken::kComma;
    RETURN_IF_ERROR(CheckFilterStart());
  } else if (!At(Kind::kIdentifier) && !At(Kind::kOpenParenthesis)) {
    return left;
  }
  ASSIGN_OR_RETURN(LabelFilter right, ParseOrFilter());
  RETURN_IF_ERROR(CountFilterOperator());
  return And(std::move(left), std::move(right), token_used, first);
}

absl::Status LabelFilterParser::CountFilterOperator() {
  if (++operators_ < kMaxExprHeight) return absl::OkStatus();
  return TooManyOperators();
}

absl::StatusOr<LabelFilter> LabelFilterParser::ParseComparison() {
  const size_t first = index();
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

absl::StatusOr<decltype(LabelFilter::node)> LabelFilterParser::ParseComparedValue(std::string name,
                                                                                  CompareOp op,
                                                                                  bool may_be_ip) {
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
      // Loki overlooks the error of a number that is none (0x10) and goes on with what its reader left: 0, or
      // an infinity for one too large.
      const absl::StatusOr<double> read = ParseGoFloat(text);
      double value = 0;
      if (read.ok()) {
        value = *read;
      } else if (MessageOf(read.status()).ends_with("value out of range")) {
        value = std::numeric_limits<double>::infinity();
      }
      return Node(NumberFilter{std::move(name), op, sign * value});
    }
    default:
      return Unexpected();
  }
}

}  // namespace skald::logql
