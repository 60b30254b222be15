#include "base/go_regex.h"

#include <algorithm>

#include "base/error.h"

namespace skald {
namespace {

constexpr int64_t kMaxProgramBytes = 64 << 20;

enum class Piece { kText, kNamedGroup, kAnyByte };

// Calls fn(Piece, text) for the parts of a regex; a named group's text is "(?P<name>" or "(?<name>", kAnyByte
// is \C.
template <typename Fn>
void ForEachPiece(std::string_view regex, Fn fn) {
  size_t i = 0;
  size_t start = 0;
  const auto flush = [&] {
    if (i > start) fn(Piece::kText, regex.substr(start, i - start));
    start = i;
  };
  while (i < regex.size()) {
    const std::string_view rest = regex.substr(i);
    if (rest[0] == '\\') {
      if (rest.starts_with("\\Q")) {
        const size_t end = rest.find("\\E");
        i = end == std::string_view::npos ? regex.size() : i + end + 2;
      } else if (rest.starts_with("\\C")) {
        flush();
        fn(Piece::kAnyByte, rest.substr(0, 2));
        start = i += 2;
      } else {
        i = std::min(i + 2, regex.size());
      }
    } else if (rest[0] == '[') {
      ++i;
      if (i < regex.size() && regex[i] == '^') ++i;
      if (i < regex.size() && regex[i] == ']') ++i;
      while (i < regex.size() && regex[i] != ']') {
        if (regex[i] == '\\') {
          i = std::min(i + 2, regex.size());
        } else if (regex.substr(i, 2) == "[:") {
          const size_t end = regex.find(":]", i + 2);
          i = end == std::string_view::npos ? i + 1 : end + 2;
        } else {
          ++i;
        }
      }
      if (i < regex.size()) ++i;
    } else if ((rest.starts_with("(?P<") && rest.size() > 4) ||
               (rest.starts_with("(?<") && rest.size() > 3)) {
      const size_t end = rest.find('>');
      flush();
      const size_t size = end == std::string_view::npos ? rest.find('<') + 1 : end + 1;
      fn(Piece::kNamedGroup, rest.substr(0, size));
      start = i += size;
    } else {
      ++i;
    }
  }
  flush();
}

std::string_view GroupName(std::string_view group) {
  const size_t open = group.find('<') + 1;
  const size_t close = group.find('>');
  return close == std::string_view::npos ? std::string_view() : group.substr(open, close - open);
}

// What Go says for RE2's error codes.
std::string_view GoMessage(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
      return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
      return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
      return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
      return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    case re2::RE2::ErrorPatternTooLarge:
      return "expression too large";
    case re2::RE2::NoError:
    case re2::RE2::ErrorInternal:
      break;
  }
  return "regexp/syntax: internal error";
}

// The offending part as it stands in the regex that was given, not in the one RE2 saw.
std::string ErrorFragment(const re2::RE2& compiled, std::string_view regex) {
  if (compiled.error_code() == re2::RE2::ErrorTrailingBackslash) return "";
  const std::string& fragment = compiled.error_arg();
  if (regex.find(fragment) != std::string_view::npos) return fragment;
  if (fragment == compiled.pattern()) return std::string(regex);
  std::string restored = fragment;
  for (size_t at = restored.find("(?P<"); at != std::string::npos; at = restored.find("(?P<", at + 1)) {
    restored.erase(at + 2, 1);
  }
  return regex.find(restored) != std::string_view::npos ? restored : fragment;
}

}  // namespace

std::string GoRegexToRe2(std::string_view regex) {
  std::string out;
  out.reserve(regex.size() + 8);
  std::vector<std::string_view> names;
  ForEachPiece(regex, [&](Piece piece, std::string_view text) {
    if (piece != Piece::kNamedGroup) {
      out.append(text);
      return;
    }
    const std::string_view name = GroupName(text);
    if (!name.empty() && std::find(names.begin(), names.end(), name) != names.end()) {
      out += '(';
      return;
    }
    names.push_back(name);
    out.append("(?P<").append(text.substr(text.find('<') + 1));
  });
  return out;
}

std::vector<std::string> GoRegexGroupNames(std::string_view regex) {
  std::vector<std::string> names;
  ForEachPiece(regex, [&](Piece piece, std::string_view text) {
    if (piece == Piece::kNamedGroup) names.emplace_back(GroupName(text));
  });
  return names;
}

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileGoRegex(std::string_view regex,
                                                               re2::RE2::Options options) {
  options.set_log_errors(false);
  options.set_max_mem(std::max(options.max_mem(), kMaxProgramBytes));
  bool any_byte = false;
  std::string_view foreign_name;  // RE2 takes letters of all alphabets in names of groups, Go does not
  ForEachPiece(regex, [&](Piece piece, std::string_view text) {
    any_byte = any_byte || piece == Piece::kAnyByte;
    const auto is_foreign = [](char c) { return static_cast<signed char>(c) < 0; };
    if (piece == Piece::kNamedGroup && foreign_name.empty() &&
        std::any_of(text.begin(), text.end(), is_foreign))
      foreign_name = text;
  });
  if (any_byte) return InvalidArgument("error parsing regexp: invalid escape sequence: `\\C`");
  if (!foreign_name.empty()) {
    return InvalidArgument("error parsing regexp: invalid named capture: `{}`", foreign_name);
  }
  auto compiled = std::make_shared<const re2::RE2>(GoRegexToRe2(regex), options);
  if (!compiled->ok()) {
    return InvalidArgument("error parsing regexp: {}: `{}`", GoMessage(compiled->error_code()),
                           ErrorFragment(*compiled, regex));
  }
  return compiled;
}

}  // namespace skald
