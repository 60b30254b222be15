#include "agent/files/glob.h"

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::agent {
namespace {

constexpr size_t kMaxAlternatives = 4096;  // {a,b}{a,b}{a,b}... doubles with each

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  while (begin <= path.size()) {
    size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Matches the class that starts at pattern[*p] == '['. Moves *p behind its ']'. False in *is_class if there
// is no ']'.
bool MatchClass(std::string_view pattern, size_t* p, unsigned char c, bool* is_class) {
  size_t i = *p + 1;
  bool negated = false;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    negated = true;
    ++i;
  }
  bool hit = false;
  bool first = true;
  while (i < pattern.size() && (pattern[i] != ']' || first)) {
    first = false;
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    const auto low = static_cast<unsigned char>(pattern[i]);
    auto high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      i += 2;
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      high = static_cast<unsigned char>(pattern[i]);
    }
    hit |= low <= c && c <= high;
    ++i;
  }
  if (i >= pattern.size()) {
    *is_class = false;
    return false;
  }
  *is_class = true;
  *p = i + 1;
  return hit != negated;
}

bool MatchParts(const std::vector<std::string>& pattern, size_t p, const std::vector<std::string_view>& parts,
                size_t n) {
  for (; p < pattern.size(); ++p, ++n) {
    if (pattern[p] == "**") {
      for (size_t skip = n; skip < parts.size(); ++skip) {
        if (MatchParts(pattern, p + 1, parts, skip)) return true;
      }
      return false;
    }
    if (n >= parts.size() || !MatchComponent(pattern[p], parts[n])) return false;
  }
  return n == parts.size();
}

}  // namespace

std::vector<std::string> ExpandBraces(std::string_view pattern) {
  for (size_t open = 0; open < pattern.size(); ++open) {
    if (pattern[open] == '\\') {
      ++open;
      continue;
    }
    if (pattern[open] != '{') continue;
    std::vector<size_t> cuts{open};
    int depth = 0;
    size_t close = open;
    for (; close < pattern.size(); ++close) {
      const char c = pattern[close];
      if (c == '\\') {
        ++close;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}') {
        if (--depth == 0) break;
      } else if (c == ',' && depth == 1) {
        cuts.push_back(close);
      }
    }
    if (close >= pattern.size()) continue;
    cuts.push_back(close);
    std::vector<std::string> all;
    for (size_t k = 0; k + 1 < cuts.size(); ++k) {
      std::string one(pattern.substr(0, open));
      one += pattern.substr(cuts[k] + 1, cuts[k + 1] - cuts[k] - 1);
      one += pattern.substr(close + 1);
      for (std::string& expanded : ExpandBraces(one)) {
        if (all.size() < kMaxAlternatives) all.push_back(std::move(expanded));
      }
    }
    return all;
  }
  return {std::string(pattern)};
}

bool MatchComponent(std::string_view pattern, std::string_view name) {
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;  // behind the last '*', to fall back to
  size_t star_name = 0;
  while (n < name.size() || p < pattern.size()) {
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star = ++p;
        star_name = n;
        continue;
      }
      if (n < name.size()) {
        if (c == '?') {
          ++p;
          ++n;
          continue;
        }
        bool is_class = false;
        if (c == '[') {
          size_t behind = p;
          const bool hit = MatchClass(pattern, &behind, static_cast<unsigned char>(name[n]), &is_class);
          if (is_class && hit) {
            p = behind;
            ++n;
            continue;
          }
        }
        if (!is_class) {
          const bool escaped = c == '\\' && p + 1 < pattern.size();
          if (name[n] == (escaped ? pattern[p + 1] : c)) {
            p += escaped ? 2 : 1;
            ++n;
            continue;
          }
        }
      }
    }
    if (star == std::string_view::npos || star_name >= name.size()) return false;
    p = star;
    n = ++star_name;
  }
  return true;
}

bool HasWildcard(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '*' || text[i] == '?' || text[i] == '[' || text[i] == '{') {
      return true;
    }
  }
  return false;
}

absl::StatusOr<GlobPattern> GlobPattern::Parse(std::string_view pattern) {
  if (pattern.empty() || pattern.front() != '/') {
    return InvalidArgument("file pattern \"{}\" is not an absolute path", pattern);
  }
  const std::vector<std::string_view> parts = SplitPath(pattern);
  if (parts.empty()) return InvalidArgument("file pattern \"{}\" names no file", pattern);
  GlobPattern glob;
  size_t fixed = 0;
  while (fixed + 1 < parts.size() && !HasWildcard(parts[fixed])) ++fixed;
  for (size_t i = 0; i < fixed; ++i) {
    glob.root_ += '/';
    glob.root_ += parts[i];
  }
  for (size_t i = fixed; i < parts.size(); ++i) {
    if (parts[i] == "**" && !glob.components_.empty() && glob.components_.back() == "**") continue;
    glob.components_.emplace_back(parts[i]);
  }
  if (glob.components_.back() == "**") glob.components_.emplace_back("*");
  return glob;
}

absl::StatusOr<std::vector<GlobPattern>> GlobPattern::ParseAll(std::string_view pattern) {
  std::vector<GlobPattern> globs;
  for (const std::string& one : ExpandBraces(pattern)) {
    ASSIGN_OR_RETURN(GlobPattern glob, Parse(one));
    globs.push_back(std::move(glob));
  }
  return globs;
}

bool GlobPattern::Matches(std::string_view path) const {
  if (path.substr(0, root_.size()) != root_ || path.size() <= root_.size() || path[root_.size()] != '/')
    return false;
  return MatchParts(components_, 0, SplitPath(path.substr(root_.size())), 0);
}

}  // namespace skald::agent
