#include "query/logql/token_stream.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"
#include "query/logql/lexer.h"
#include "query/logql/parser.h"

namespace skald::logql {

TokenStream::TokenStream(std::string_view query, ParseOptions options)
    : options_(options), tokens_(Lex(query)) {}

TokenKind TokenStream::KindAfter(size_t count) const {
  return tokens_[std::min(index_ + count, tokens_.size() - 1)].kind;
}

const Token& TokenStream::Take() {
  const Token& taken = tokens_[index_];
  if (index_ + 1 < tokens_.size()) ++index_;
  return taken;
}

bool TokenStream::TakeIf(TokenKind kind) {
  if (!At(kind)) return false;
  Take();
  return true;
}

absl::Status TokenStream::Expect(TokenKind kind) {
  if (!At(kind)) return Unexpected({kind});
  Take();
  return absl::OkStatus();
}

absl::StatusOr<std::string> TokenStream::TakeText(TokenKind kind) {
  if (!At(kind)) return Unexpected({kind});
  return Take().text;
}

absl::StatusOr<Matcher> TokenStream::TakeMatcher(MatchOp op, std::string name) {
  ASSIGN_OR_RETURN(std::string value, TakeText(TokenKind::kString));
  absl::StatusOr<Matcher> matcher = Matcher::Make(op, std::move(name), std::move(value));
  if (!matcher.ok()) return ParseError(MessageOf(matcher.status()));
  return matcher;
}

absl::Status TokenStream::Unexpected(std::initializer_list<TokenKind> expected) const {
  if (!token().error.empty()) return ErrorHere(token().error);
  std::vector<TokenKind> kinds(expected);
  std::sort(kinds.begin(), kinds.end());
  std::string message = fmt::format("syntax error: unexpected {}", DisplayName(token().kind));
  std::string_view before = ", expecting ";
  for (const TokenKind kind : kinds) {
    message.append(before).append(DisplayName(kind));
    before = " or ";
  }
  return ErrorHere(message);
}

absl::Status TokenStream::ErrorHere(std::string_view message) const {
  return ParseErrorAt(token().line, token().col, message);
}

SourceRange TokenStream::RangeFrom(size_t first) const {
  SourceRange range = tokens_[first].range;
  range.end = tokens_[std::max(first + 1, index_) - 1].range.end;
  return range;
}

absl::Status TokenStream::CheckNesting() const {
  if (depth_ <= kMaxNesting) return absl::OkStatus();
  return ErrorHere(fmt::format("query is nested too deeply (limit {})", kMaxNesting));
}

absl::Status TokenStream::TooManyOperators() const {
  return ErrorHere(fmt::format("query has too many operators (limit {})", kMaxExprHeight));
}

}  // namespace skald::logql
