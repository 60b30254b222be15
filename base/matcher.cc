#include "base/matcher.h"

#include <re2/re2.h>

#include "base/go_regex.h"
#include "base/status_macros.h"

namespace skald {

absl::StatusOr<Matcher> Matcher::Make(MatchOp op, std::string name, std::string value) {
  Matcher matcher;
  matcher.op_ = op;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  if (op == MatchOp::kRegex || op == MatchOp::kNotRegex) {
    re2::RE2::Options options;
    options.set_dot_nl(true);
    ASSIGN_OR_RETURN(matcher.regex_, CompileGoRegex(matcher.value_, options));
  }
  matcher.matches_empty_ = matcher.Matches("");
  return matcher;
}

bool Matcher::Matches(std::string_view label_value) const {
  switch (op_) {
    case MatchOp::kEqual:
      return label_value == value_;
    case MatchOp::kNotEqual:
      return label_value != value_;
    case MatchOp::kRegex:
    case MatchOp::kNotRegex: {
      const bool hit = re2::RE2::FullMatch(re2::StringPiece(label_value.data(), label_value.size()), *regex_);
      return hit == (op_ == MatchOp::kRegex);
    }
  }
  return false;
}

}  // namespace skald
