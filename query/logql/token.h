// The tokens of LogQL. Their order is the one in which a syntax error lists what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "query/logql/ast.h"

namespace skald::logql {

enum class TokenKind : uint8_t {
  kEnd,  // also what a lexing error ends in; Token::error tells
  // Tokens with a value.
  kBytes,
  kIdentifier,
  kString,
  kNumber,
  kFunctionFlag,
  kDuration,
  kRange,
  // Punctuation of selectors and filters.
  kEq,
  kRe,
  kNre,
  kNpa,
  kOpenBrace,
  kCloseBrace,
  kOpenBracket,
  kCloseBracket,
  kComma,
  kDot,
  kPipeMatch,
  kPipeExact,
  kPipePattern,
  kOpenParenthesis,
  kCloseParenthesis,
  // Words.
  kBy,
  kWithout,
  kCountOverTime,
  kRate,
  kRateCounter,
  kSum,
  kSort,
  kSortDesc,
  kAvg,
  kMax,
  kMin,
  kCount,
  kStddev,
  kStdvar,
  kBottomk,
  kTopk,
  kApproxTopk,
  kBytesOverTime,
  kBytesRate,
  kBool,
  kJson,
  kRegexp,
  kLogfmt,
  kPipe,
  kLineFormat,
  kLabelFormat,
  kUnwrap,
  kAvgOverTime,
  kSumOverTime,
  kMinOverTime,
  kMaxOverTime,
  kStdvarOverTime,
  kStddevOverTime,
  kQuantileOverTime,
  kBytesConversion,
  kDurationConversion,
  kDurationSecondsConversion,
  kFirstOverTime,
  kLastOverTime,
  kAbsentOverTime,
  kVector,
  kLabelReplace,
  kUnpack,
  kOffset,
  kPattern,
  kIp,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kDecolorize,
  kDrop,
  kKeep,
  kVariants,
  kOf,
  // Binary operators.
  kOr,
  kAnd,
  kUnless,
  kCmpEq,
  kNeq,
  kLt,
  kLte,
  kGt,
  kGte,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
};

// As syntax errors write it: `}`, `IDENTIFIER`, `COUNT_OVER_TIME`, `$end`.
std::string_view DisplayName(TokenKind kind);

enum class WordClass {
  kReserved,  // never a label name
  kFunction,  // a keyword only before "(", or before by/without and "("
};
struct Word {
  TokenKind kind;
  WordClass word_class;
};
// The keyword that text spells, in any case of letters.
std::optional<Word> FindWord(std::string_view text);
// The operator or punctuation mark that text is; "" and unknown text give none.
std::optional<TokenKind> FindPunctuation(std::string_view text);

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;      // identifiers and numbers as written, strings unquoted, flags with their dashes
  int64_t duration = 0;  // kDuration, kRange: nanoseconds
  uint64_t bytes = 0;    // kBytes
  // Where errors place it. The line is 0 where completing the token took a look further.
  int line = 0;
  int col = 0;
  SourceRange range;
  std::string error;  // not empty: the text is broken here, and this is the last token
};

}  // namespace skald::logql
