// The tokens of a query and the place of reading in it; the base of the parser's layers
// (label_filter_parser.h, log_parser.h, parser.cc), each of which adds a part of the grammar. One parse, one
// thread.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "query/logql/parse_options.h"
#include "query/logql/token.h"

namespace skald::logql {

class TokenStream {
 public:
  explicit TokenStream(std::string_view query, ParseOptions options = {});

 protected:
  const ParseOptions& options() const { return options_; }
  const Token& token() const { return tokens_[index_]; }
  size_t index() const { return index_; }
  bool At(TokenKind kind) const { return token().kind == kind; }
  TokenKind KindAfter(size_t count) const;

  // The last token, kEnd, stays.
  const Token& Take();
  bool TakeIf(TokenKind kind);
  absl::Status Expect(TokenKind kind);
  absl::StatusOr<std::string> TakeText(TokenKind kind);
  // The string of a matcher whose name and operator are taken.
  absl::StatusOr<Matcher> TakeMatcher(MatchOp op, std::string name);

  // The syntax error at the current token. expected: what could stand here instead, in any order; left out
  // where that is more than four, as Loki lists no more.
  absl::Status Unexpected(std::initializer_list<TokenKind> expected = {}) const;
  // An error at the current token.
  absl::Status ErrorHere(std::string_view message) const;

  // From the start of token `first` to the end of the last token taken.
  SourceRange RangeFrom(size_t first) const;

  // Stands in each function that the descent recurses over, which its checks count.
  class Nesting {
   public:
    explicit Nesting(TokenStream* stream) : stream_(stream) { ++stream_->depth_; }
    ~Nesting() { --stream_->depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    TokenStream* stream_;
  };
  absl::Status CheckNesting() const;
  absl::Status TooManyOperators() const;

 private:
  const ParseOptions options_;
  std::vector<Token> tokens_;  // ends in kEnd
  size_t index_ = 0;
  int depth_ = 0;
};

}  // namespace skald::logql
