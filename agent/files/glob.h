// File patterns as Promtail's __path__ takes them: *, ?, [a-z], [!a-z] within one path component, {a,b}
// alternatives, and ** as a whole component for any number of directories, none included. A leading dot is
// nothing special.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace skald::agent {

// a{b,c{d,e}} -> ab, acd, ace. A brace without its partner stands for itself.
std::vector<std::string> ExpandBraces(std::string_view pattern);

// One component against one name; neither holds a '/'. A '[' without ']' stands for itself, '\' takes the
// next byte as it is.
bool MatchComponent(std::string_view pattern, std::string_view name);

// True if text has any of * ? [ { that is not escaped.
bool HasWildcard(std::string_view text);

// One absolute pattern without braces. Immutable.
class GlobPattern {
 public:
  // InvalidArgument unless the pattern is absolute and names something below "/".
  static absl::StatusOr<GlobPattern> Parse(std::string_view pattern);
  // Braces expanded first.
  static absl::StatusOr<std::vector<GlobPattern>> ParseAll(std::string_view pattern);

  // The directory in front of the first component with a wildcard, without trailing slash ("" is the root).
  const std::string& root() const { return root_; }
  // What follows root, at least one; the last one names files, the others directories. Never ends in "**"
  // ("**/*" is put for it).
  const std::vector<std::string>& components() const { return components_; }
  bool Matches(std::string_view path) const;

 private:
  std::string root_;
  std::vector<std::string> components_;
};

}  // namespace skald::agent
