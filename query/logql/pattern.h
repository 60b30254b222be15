// The pattern language of `| pattern "<ip> - <_>"` and `|> "<_> error <_>"`: captures between literals.
// Pure and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace skald::logql {

struct PatternToken {
  enum class Kind {
    kLiteral,  // text itself, never empty
    kNamed,    // <text>
    kUnnamed,  // <_>, takes text but keeps nothing
  };
  Kind kind = Kind::kLiteral;
  std::string text;  // empty for kUnnamed

  friend bool operator==(const PatternToken&, const PatternToken&) = default;
};

// A pattern stage: at least one named capture, no two captures without text between, no name twice.
// Everything that is not <name> is literal text (<1a>, <a b>, <>). InvalidArgument with Loki's text, without
// "invalid pattern parser: ".
absl::StatusOr<std::vector<PatternToken>> ParsePattern(std::string_view text);

// A pattern line filter: only <_> and literals; "" gives no tokens. InvalidArgument with Loki's text
// otherwise.
absl::StatusOr<std::vector<PatternToken>> ParseLinePattern(std::string_view text);

}  // namespace skald::logql
