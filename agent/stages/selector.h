// The selector of a match stage: a stream selector of LogQL with line filters behind it.
//   {app="nginx", env=~"prod|stage"} |= "error" or "fatal" !~ `health.*`
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "base/labels.h"
#include "base/matcher.h"

namespace skald::agent {

// Immutable and thread-safe.
class Selector {
 public:
  // InvalidArgument with the position (1-based, in bytes) of what is wrong.
  static absl::StatusOr<Selector> Parse(std::string_view text);

  bool Matches(const Labels& labels, std::string_view line) const;

 private:
  // A line passes if one of the texts is in it (or, negated, none).
  struct Filter {
    bool negated = false;
    std::vector<std::string> texts;
    std::vector<std::shared_ptr<const re2::RE2>> regexes;
  };
  friend class SelectorParser;

  std::vector<Matcher> matchers_;
  std::vector<Filter> filters_;
};

}  // namespace skald::agent
