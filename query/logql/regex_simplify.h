// Regexes of line filters and label filters that are really tests for literal text. Loki rewrites them so,
// for speed, and the rewriting shows: `x =~ "err.*"` as a label filter finds "err" anywhere. Stream
// selectors, drop/keep matchers and label_replace are not rewritten. Pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::logql {

struct RegexTest {
  enum class Kind {
    kAlways,    // any text, the empty one too
    kNonEmpty,  // any text but the empty one
    kLiteral,   // line filter: contains `text`; label filter: equals it (both under fold_case)
    kContains,  // contains `text`, in label filters too
    kAnyOf,     // one of `legs`, which is not empty; no leg is kAlways
  };
  Kind kind = Kind::kAlways;
  std::string text;  // in lower case under fold_case, to be compared with the text in lower case
  bool fold_case = false;
  std::vector<RegexTest> legs;
};

// Nullopt where the regex (Go syntax) is invalid or has to run as a regex: label filters then anchor it as
// ^(?:re)$.
// !~ is the inverse of the same test.
std::optional<RegexTest> SimplifyRegex(std::string_view regex);

}  // namespace skald::logql
