#include "query/exec/metric/label_replace.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "base/go_regex.h"
#include "base/status_macros.h"
#include "query/exec/pipeline/regex_match.h"

namespace skald::exec {
namespace {

// A piece of a replacement: text, or the group whose match stands here (-1 where the regex has no such group:
// nothing).
struct Piece {
  std::string text;
  std::optional<int> group;
};

bool IsWordByte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

int GroupNamed(const re2::RE2& regex, std::string_view name) {
  if (name.find_first_not_of("0123456789") == std::string_view::npos && name.size() < 9) {
    const int number = std::stoi(std::string(name));
    return number <= regex.NumberOfCapturingGroups() ? number : -1;
  }
  const auto it = regex.NamedCapturingGroups().find(std::string(name));
  return it == regex.NamedCapturingGroups().end() ? -1 : it->second;
}

// Go's rules: $name takes the longest run of letters, digits and _; ${name} is exact; $$ is $; any other $
// stands for itself.
std::vector<Piece> ParseReplacement(const re2::RE2& regex, std::string_view text) {
  std::vector<Piece> pieces(1);
  const auto add_text = [&](std::string_view more) {
    if (pieces.back().group.has_value()) pieces.emplace_back();
    pieces.back().text.append(more);
  };
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    add_text(text.substr(0, dollar));
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (!text.empty() && text[0] == '$') {
      add_text("$");
      text.remove_prefix(1);
      continue;
    }
    const bool braced = !text.empty() && text[0] == '{';
    const size_t begin = braced ? 1 : 0;
    size_t end = begin;
    while (end < text.size() && IsWordByte(text[end])) ++end;
    if (end == begin || (braced && (end == text.size() || text[end] != '}'))) {
      add_text("$");
      continue;
    }
    Piece piece;
    piece.group = GroupNamed(regex, text.substr(begin, end - begin));
    pieces.push_back(std::move(piece));
    text.remove_prefix(braced ? end + 1 : end);
  }
  return pieces;
}

}  // namespace

absl::StatusOr<StepVector> ApplyLabelReplace(const logql::LabelReplace& replace, const StepVector& input) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const re2::RE2> regex,
                   CompileGoRegex("^(?:" + replace.regex + ")$"));
  ASSIGN_OR_RETURN(const RegexMatch match, RegexMatch::MakeAnchored(replace.regex));
  const std::vector<Piece> pieces = ParseReplacement(*regex, replace.replacement);
  std::vector<std::string_view> groups;
  std::string scratch;
  StepVector out;
  out.reserve(input.size());
  for (const StepSeries& series : input) {
    out.push_back(series);
    if (!match.Capture(series.labels.Get(replace.src), &groups, &scratch)) continue;
    std::string value;
    for (const Piece& piece : pieces) {
      if (!piece.group.has_value()) {
        value += piece.text;
      } else if (*piece.group >= 0) {
        value += groups[static_cast<size_t>(*piece.group)];
      }
    }
    std::vector<Labels::Pair> pairs;
    for (const Labels::Pair& pair : series.labels) {
      if (pair.first != replace.dst && !pair.second.empty()) pairs.push_back(pair);
    }
    if (!value.empty()) pairs.emplace_back(replace.dst, std::move(value));
    out.back().labels = Labels(std::move(pairs));
  }
  return out;
}

}  // namespace skald::exec
