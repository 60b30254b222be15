#include "query/logql/token.h"

#include <array>
#include <unordered_map>

namespace skald::logql {
namespace {

struct Entry {
  TokenKind kind;
  std::string_view spelling;  // in queries; "" where there is none of its own
  std::string_view display;
};

constexpr Entry kPunctuation[] = {
    {TokenKind::kEq, "=", ""},
    {TokenKind::kRe, "=~", ""},
    {TokenKind::kNre, "!~", ""},
    {TokenKind::kNpa, "!>", ""},
    {TokenKind::kOpenBrace, "{", ""},
    {TokenKind::kCloseBrace, "}", ""},
    {TokenKind::kOpenBracket, "[", ""},
    {TokenKind::kCloseBracket, "]", ""},
    {TokenKind::kComma, ",", ""},
    {TokenKind::kDot, ".", ""},
    {TokenKind::kPipeMatch, "|~", ""},
    {TokenKind::kPipeExact, "|=", ""},
    {TokenKind::kPipePattern, "|>", ""},
    {TokenKind::kOpenParenthesis, "(", ""},
    {TokenKind::kCloseParenthesis, ")", ""},
    {TokenKind::kPipe, "|", ""},
    {TokenKind::kCmpEq, "==", ""},
    {TokenKind::kNeq, "!=", ""},
    {TokenKind::kLt, "<", ""},
    {TokenKind::kLte, "<=", ""},
    {TokenKind::kGt, ">", ""},
    {TokenKind::kGte, ">=", ""},
    {TokenKind::kAdd, "+", ""},
    {TokenKind::kSub, "-", ""},
    {TokenKind::kMul, "*", ""},
    {TokenKind::kDiv, "/", ""},
    {TokenKind::kMod, "%", ""},
    {TokenKind::kPow, "^", ""},
};

constexpr Entry kReserved[] = {
    {TokenKind::kBy, "by", ""},
    {TokenKind::kWithout, "without", ""},
    {TokenKind::kBool, "bool", ""},
    {TokenKind::kOffset, "offset", ""},
    {TokenKind::kOn, "on", ""},
    {TokenKind::kIgnoring, "ignoring", ""},
    {TokenKind::kGroupLeft, "group_left", ""},
    {TokenKind::kGroupRight, "group_right", ""},
    {TokenKind::kOr, "or", ""},
    {TokenKind::kAnd, "and", ""},
    {TokenKind::kUnless, "unless", ""},
    {TokenKind::kJson, "json", ""},
    {TokenKind::kRegexp, "regexp", ""},
    {TokenKind::kLogfmt, "logfmt", ""},
    {TokenKind::kUnpack, "unpack", ""},
    {TokenKind::kPattern, "pattern", ""},
    {TokenKind::kLabelFormat, "label_format", ""},
    {TokenKind::kLineFormat, "line_format", ""},
    {TokenKind::kUnwrap, "unwrap", ""},
    {TokenKind::kDecolorize, "decolorize", ""},
    {TokenKind::kDrop, "drop", ""},
    {TokenKind::kKeep, "keep", ""},
    {TokenKind::kVariants, "variants", ""},
    {TokenKind::kOf, "of", ""},
};

constexpr Entry kFunctions[] = {
    {TokenKind::kRate, "rate", "RATE"},
    {TokenKind::kRateCounter, "rate_counter", "RATE_COUNTER"},
    {TokenKind::kCountOverTime, "count_over_time", "COUNT_OVER_TIME"},
    {TokenKind::kBytesRate, "bytes_rate", "BYTES_RATE"},
    {TokenKind::kBytesOverTime, "bytes_over_time", "BYTES_OVER_TIME"},
    {TokenKind::kAvgOverTime, "avg_over_time", "AVG_OVER_TIME"},
    {TokenKind::kSumOverTime, "sum_over_time", "SUM_OVER_TIME"},
    {TokenKind::kMinOverTime, "min_over_time", "MIN_OVER_TIME"},
    {TokenKind::kMaxOverTime, "max_over_time", "MAX_OVER_TIME"},
    {TokenKind::kStdvarOverTime, "stdvar_over_time", "STDVAR_OVER_TIME"},
    {TokenKind::kStddevOverTime, "stddev_over_time", "STDDEV_OVER_TIME"},
    {TokenKind::kQuantileOverTime, "quantile_over_time", "QUANTILE_OVER_TIME"},
    {TokenKind::kFirstOverTime, "first_over_time", "FIRST_OVER_TIME"},
    {TokenKind::kLastOverTime, "last_over_time", "LAST_OVER_TIME"},
    {TokenKind::kAbsentOverTime, "absent_over_time", "ABSENT_OVER_TIME"},
    {TokenKind::kVector, "vector", "VECTOR"},
    {TokenKind::kSum, "sum", "SUM"},
    {TokenKind::kAvg, "avg", "AVG"},
    {TokenKind::kMax, "max", "MAX"},
    {TokenKind::kMin, "min", "MIN"},
    {TokenKind::kCount, "count", "COUNT"},
    {TokenKind::kStddev, "stddev", "STDDEV"},
    {TokenKind::kStdvar, "stdvar", "STDVAR"},
    {TokenKind::kBottomk, "bottomk", "BOTTOMK"},
    {TokenKind::kTopk, "topk", "TOPK"},
    {TokenKind::kSort, "sort", "SORT"},
    {TokenKind::kSortDesc, "sort_desc", "SORT_DESC"},
    {TokenKind::kApproxTopk, "approx_topk", "APPROX_TOPK"},
    {TokenKind::kLabelReplace, "label_replace", "label_replace"},
    {TokenKind::kBytesConversion, "bytes", "BYTES_CONV"},
    {TokenKind::kDurationConversion, "duration", "DURATION_CONV"},
    {TokenKind::kDurationSecondsConversion, "duration_seconds", "DURATION_SECONDS_CONV"},
    {TokenKind::kIp, "ip", "ip"},
};

constexpr Entry kValues[] = {
    {TokenKind::kEnd, "", "$end"},
    {TokenKind::kBytes, "", "BYTES"},
    {TokenKind::kIdentifier, "", "IDENTIFIER"},
    {TokenKind::kString, "", "STRING"},
    {TokenKind::kNumber, "", "NUMBER"},
    {TokenKind::kFunctionFlag, "", "FUNCTION_FLAG"},
    {TokenKind::kDuration, "", "DURATION"},
    {TokenKind::kRange, "", "RANGE"},
};

constexpr size_t kKinds = static_cast<size_t>(TokenKind::kPow) + 1;

template <size_t N>
constexpr void AddNames(const Entry (&entries)[N], std::array<std::string_view, kKinds>* names) {
  for (const Entry& entry : entries) {
    (*names)[static_cast<size_t>(entry.kind)] = entry.display.empty() ? entry.spelling : entry.display;
  }
}

constexpr std::array<std::string_view, kKinds> MakeNames() {
  std::array<std::string_view, kKinds> names{};
  AddNames(kPunctuation, &names);
  AddNames(kReserved, &names);
  AddNames(kFunctions, &names);
  AddNames(kValues, &names);
  return names;
}

constexpr bool AllNamed(const std::array<std::string_view, kKinds>& names) {
  for (const std::string_view name : names) {
    if (name.empty()) return false;
  }
  return true;
}

constexpr std::array<std::string_view, kKinds> kNames = MakeNames();
static_assert(AllNamed(kNames), "each token kind stands in one of the tables");

}  // namespace

std::string_view DisplayName(TokenKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<Word> FindWord(std::string_view text) {
  static const auto* const words = [] {
    auto* map = new std::unordered_map<std::string_view, Word>();
    for (const Entry& entry : kReserved) map->emplace(entry.spelling, Word{entry.kind, WordClass::kReserved});
    for (const Entry& entry : kFunctions)
      map->emplace(entry.spelling, Word{entry.kind, WordClass::kFunction});
    return map;
  }();
  constexpr size_t kLongest = 18;  // quantile_over_time
  if (text.size() > kLongest) return std::nullopt;
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  const auto it = words->find(lower);
  if (it == words->end()) return std::nullopt;
  return it->second;
}

std::optional<TokenKind> FindPunctuation(std::string_view text) {
  for (const Entry& entry : kPunctuation) {
    if (entry.spelling == text) return entry.kind;
  }
  return std::nullopt;
}

}  // namespace skald::logql
