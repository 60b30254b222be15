// One stream matcher of a selector: name="value", !=, =~, !~.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace skald {

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };

// Regexes are fully anchored and in dot-all mode, as Loki compiles them. Immutable, copyable, thread-safe.
class Matcher {
 public:
  // InvalidArgument with Go's "error parsing regexp: ..." for a regex that does not compile
  // (base/go_regex.h).
  static absl::StatusOr<Matcher> Make(MatchOp op, std::string name, std::string value);

  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  MatchOp op() const { return op_; }

  // A missing label has the value "".
  bool Matches(std::string_view label_value) const;
  bool MatchesEmpty() const { return matches_empty_; }

 private:
  Matcher() = default;

  MatchOp op_ = MatchOp::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;  // null for kEqual and kNotEqual
  bool matches_empty_ = false;
};

}  // namespace skald
