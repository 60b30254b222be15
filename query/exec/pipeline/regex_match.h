// A regex as Go runs it on bytes that may not be UTF-8: each invalid byte counts as one U+FFFD, which `.` and
// negated classes take.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "query/logql/needed_literals.h"
#include "text/substring.h"

namespace skald::exec {

// Text that stands in everything a regex matches, if that can be told from how it is written.
struct RequiredLiteral {
  std::string text;  // at least two bytes
  bool fold_ascii = false;
};
std::optional<RequiredLiteral> FindRequiredLiteral(std::string_view regex);

// Immutable and thread-safe.
class RegexMatch {
 public:
  // Unanchored, `.` does not take \n. InvalidArgument with Go's text.
  static absl::StatusOr<RegexMatch> Make(std::string_view regex);
  // As ^(?:regex)$.
  static absl::StatusOr<RegexMatch> MakeAnchored(std::string_view regex);

  bool Matches(std::string_view text) const;

  // The first match's groups, group 0 the match itself: views into text, which need not be valid UTF-8; null
  // data where a group took no part. False for no match. groups is resized to the number of groups plus one.
  bool Capture(std::string_view text, std::vector<std::string_view>* groups, std::string* scratch) const;

  // Texts of which one stands in all that matches; empty where nothing is known, and after MakeAnchored.
  const std::vector<logql::NeededLiteral>& needed() const { return needed_; }
  // Such texts too: those that are looked for fastest.
  const std::vector<logql::NeededLiteral>& searched() const { return searched_; }
  // What FindRequiredLiteral says, ready to search; null for none.
  const SubstringFinder* required() const { return required_.has_value() ? &*required_ : nullptr; }

 private:
  RegexMatch() = default;
  std::shared_ptr<const re2::RE2> regex_;
  std::optional<SubstringFinder> required_;
  std::vector<logql::NeededLiteral> needed_;
  std::vector<logql::NeededLiteral> searched_;
};

}  // namespace skald::exec
