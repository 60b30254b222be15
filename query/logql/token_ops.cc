#include "query/logql/token_ops.h"

namespace skald::logql {

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

}  // namespace skald::logql
