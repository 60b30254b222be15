// Which operator of the tree a token stands for, nullopt where it is none of that kind.
#pragma once

#include <optional>

#include "query/logql/token.h"

namespace skald::logql {

std::optional<RangeOp> RangeOpOf(TokenKind kind);
std::optional<VectorOp> VectorOpOf(TokenKind kind);

struct BinaryToken {
  BinaryOpKind op;
  int precedence;  // 1 binds least
};
std::optional<BinaryToken> BinaryTokenOf(TokenKind kind);
std::optional<LineFilterOp> LineFilterOpOf(TokenKind kind);
std::optional<MatchOp> MatchOpOf(TokenKind kind);
std::optional<CompareOp> CompareOpOf(TokenKind kind);

}  // namespace skald::logql
