#include "query/logql/ast.h"

#include <array>
#include <cmath>
#include <limits>

namespace skald::logql {
namespace {

// In the order of the enums.
constexpr std::array<std::string_view, 16> kRangeOps = {"count_over_time",  "rate",
                                                        "rate_counter",     "bytes_over_time",
                                                        "bytes_rate",       "avg_over_time",
                                                        "sum_over_time",    "min_over_time",
                                                        "max_over_time",    "stdvar_over_time",
                                                        "stddev_over_time", "quantile_over_time",
                                                        "first_over_time",  "last_over_time",
                                                        "absent_over_time", "count_distinct_over_time"};
constexpr std::array<std::string_view, 12> kVectorOps = {"sum",     "avg",         "min",    "max",
                                                         "count",   "stddev",      "stdvar", "topk",
                                                         "bottomk", "approx_topk", "sort",   "sort_desc"};
constexpr std::array<std::string_view, 15> kBinaryOps = {"or", "and", "unless", "==", "!=", ">", ">=", "<",
                                                         "<=", "+",   "-",      "*",  "/",  "%", "^"};
constexpr std::array<std::string_view, 6> kCompareOps = {"==", "!=", ">", ">=", "<", "<="};
constexpr std::array<std::string_view, 6> kLineFilterOps = {"|=", "!=", "|~", "!~", "|>", "!>"};
constexpr std::array<std::string_view, 4> kMatchOps = {"=", "!=", "=~", "!~"};
constexpr std::array<std::string_view, 4> kConversions = {"", "bytes", "duration", "duration_seconds"};

}  // namespace

std::string_view Name(RangeOp op) { return kRangeOps[static_cast<size_t>(op)]; }
std::string_view Name(VectorOp op) { return kVectorOps[static_cast<size_t>(op)]; }
std::string_view Name(BinaryOpKind op) { return kBinaryOps[static_cast<size_t>(op)]; }
std::string_view Name(CompareOp op) { return kCompareOps[static_cast<size_t>(op)]; }
std::string_view Name(LineFilterOp op) { return kLineFilterOps[static_cast<size_t>(op)]; }
std::string_view Name(MatchOp op) { return kMatchOps[static_cast<size_t>(op)]; }
std::string_view Name(UnwrapConversion conversion) { return kConversions[static_cast<size_t>(conversion)]; }

bool IsSetOp(BinaryOpKind op) {
  return op == BinaryOpKind::kOr || op == BinaryOpKind::kAnd || op == BinaryOpKind::kUnless;
}

bool IsComparison(BinaryOpKind op) { return op >= BinaryOpKind::kEqual && op <= BinaryOpKind::kLessEqual; }

double EvaluateScalars(BinaryOpKind op, double lhs, double rhs) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  switch (op) {
    case BinaryOpKind::kOr:
    case BinaryOpKind::kAnd:
    case BinaryOpKind::kUnless:
      return kNan;
    case BinaryOpKind::kEqual:
      return lhs == rhs ? 1 : 0;
    case BinaryOpKind::kNotEqual:
      return lhs != rhs ? 1 : 0;
    case BinaryOpKind::kGreater:
      return lhs > rhs ? 1 : 0;
    case BinaryOpKind::kGreaterEqual:
      return lhs >= rhs ? 1 : 0;
    case BinaryOpKind::kLess:
      return lhs < rhs ? 1 : 0;
    case BinaryOpKind::kLessEqual:
      return lhs <= rhs ? 1 : 0;
    case BinaryOpKind::kAdd:
      return lhs + rhs;
    case BinaryOpKind::kSub:
      return lhs - rhs;
    case BinaryOpKind::kMul:
      return lhs * rhs;
    case BinaryOpKind::kDiv:
      return rhs == 0 ? kNan : lhs / rhs;
    case BinaryOpKind::kMod:
      return rhs == 0 ? kNan : std::fmod(lhs, rhs);
    case BinaryOpKind::kPow:
      return std::pow(lhs, rhs);
  }
  return kNan;
}

}  // namespace skald::logql
