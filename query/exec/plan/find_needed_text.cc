#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "query/exec/plan/passes.h"
#include "query/exec/regex_match.h"
#include "query/logql/pattern.h"
#include "query/logql/printer.h"
#include "query/logql/regex_simplify.h"

namespace skald::exec {
namespace {

std::optional<NeededText> OfRegex(const std::string& regex) {
  if (const auto simple = logql::SimplifyRegex(regex)) {
    const bool literal =
        simple->kind == logql::RegexTest::Kind::kLiteral || simple->kind == logql::RegexTest::Kind::kContains;
    if (!literal || simple->text.empty()) return std::nullopt;
    // Letters beyond ASCII fold in ways that a search for bytes does not know.
    const bool ascii = std::all_of(simple->text.begin(), simple->text.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (simple->fold_case && !ascii) return std::nullopt;
    return NeededText{simple->text, simple->fold_case};
  }
  auto literal = FindRequiredLiteral(regex);
  if (!literal.has_value()) return std::nullopt;
  return NeededText{std::move(literal->text), literal->fold_ascii};
}

std::optional<NeededText> OfPattern(const std::string& pattern) {
  const auto tokens = logql::ParseLinePattern(pattern);
  if (!tokens.ok()) return std::nullopt;
  std::string longest;
  for (const logql::PatternToken& token : *tokens) {
    if (token.kind == logql::PatternToken::Kind::kLiteral && token.text.size() > longest.size())
      longest = token.text;
  }
  if (longest.empty()) return std::nullopt;
  return NeededText{std::move(longest), false};
}

// Of several alternatives none is needed.
std::optional<NeededText> Of(const logql::LineFilter& filter) {
  if (filter.operands.size() != 1 || filter.IsIpFilter()) return std::nullopt;
  const std::string& text = filter.operands[0].text;
  switch (filter.op) {
    case logql::LineFilterOp::kContains:
      return text.empty() ? std::nullopt : std::optional(NeededText{text, false});
    case logql::LineFilterOp::kRegex:
      return OfRegex(text);
    case logql::LineFilterOp::kPattern:
      return OfPattern(text);
    default:
      return std::nullopt;
  }
}

}  // namespace

absl::Status FindNeededText(Plan* plan, const QueryLimits&) {
  for (size_t i = 0; i < plan->reads.size(); ++i) {
    ReadPlan& read = plan->reads[i];
    for (const logql::LineFilter& filter : read.pipeline.leading) {
      std::optional<NeededText> text = Of(filter);
      if (!text.has_value()) continue;
      if (filter.op != logql::LineFilterOp::kContains) {
        plan->notes.push_back(
            {{}, fmt::format("read {}: {} needs the text {}", i, logql::PrintStage(filter), Shown(*text))});
      }
      read.needed_text.push_back(*std::move(text));
    }
  }
  return absl::OkStatus();
}

}  // namespace skald::exec
