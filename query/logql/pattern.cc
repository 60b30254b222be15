#include "query/logql/pattern.h"

#include <algorithm>

#include "base/error.h"
#include "base/status_macros.h"

namespace skald::logql {
namespace {

bool IsNameByte(char c, bool first) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

// The bytes of a capture <name> at the start of text, 0 if there is none.
size_t CaptureSize(std::string_view text) {
  if (text.size() < 3 || text[0] != '<' || !IsNameByte(text[1], true)) return 0;
  size_t i = 2;
  while (i < text.size() && IsNameByte(text[i], false)) ++i;
  return i < text.size() && text[i] == '>' ? i + 1 : 0;
}

std::vector<PatternToken> Split(std::string_view text) {
  std::vector<PatternToken> tokens;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) tokens.push_back({PatternToken::Kind::kLiteral, std::move(literal)});
    literal.clear();
  };
  for (size_t i = 0; i < text.size();) {
    const size_t size = CaptureSize(text.substr(i));
    if (size == 0) {
      literal += text[i++];
      continue;
    }
    flush();
    const std::string_view name = text.substr(i + 1, size - 2);
    if (name == "_") {
      tokens.push_back({PatternToken::Kind::kUnnamed, ""});
    } else {
      tokens.push_back({PatternToken::Kind::kNamed, std::string(name)});
    }
    i += size;
  }
  flush();
  return tokens;
}

std::string Written(const PatternToken& token) {
  switch (token.kind) {
    case PatternToken::Kind::kLiteral:
      return token.text;
    case PatternToken::Kind::kNamed:
      return fmt::format("<{}>", token.text);
    case PatternToken::Kind::kUnnamed:
      return "<_>";
  }
  return "";
}

absl::Status CheckNoneAdjacent(const std::vector<PatternToken>& tokens) {
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i - 1].kind != PatternToken::Kind::kLiteral &&
        tokens[i].kind != PatternToken::Kind::kLiteral) {
      return InvalidArgument("found consecutive capture '{}{}': invalid expression", Written(tokens[i - 1]),
                             Written(tokens[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PatternToken>> ParsePattern(std::string_view text) {
  if (text.empty()) {
    return InvalidArgument(
        "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL");
  }
  std::vector<PatternToken> tokens = Split(text);
  std::vector<std::string_view> names;
  for (const PatternToken& token : tokens) {
    if (token.kind == PatternToken::Kind::kNamed) names.push_back(token.text);
  }
  if (names.empty()) return InvalidArgument("at least one capture is required");
  RETURN_IF_ERROR(CheckNoneAdjacent(tokens));
  for (size_t i = 1; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + static_cast<ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<ptrdiff_t>(i)) {
      return InvalidArgument("duplicate capture name ({}): invalid expression", names[i]);
    }
  }
  return tokens;
}

absl::StatusOr<std::vector<PatternToken>> ParseLinePattern(std::string_view text) {
  std::vector<PatternToken> tokens = Split(text);
  RETURN_IF_ERROR(CheckNoneAdjacent(tokens));
  for (const PatternToken& token : tokens) {
    if (token.kind == PatternToken::Kind::kNamed) {
      return InvalidArgument("named captures are not allowed: found '{}'", Written(token));
    }
  }
  return tokens;
}

}  // namespace skald::logql
