#include "query/exec/label_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/runes.h"

namespace skald::exec {
namespace {

bool IsGoSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view TrimGoSpace(std::string_view text) {
  while (!text.empty() && IsGoSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsGoSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Bytes of the identifier that text begins with.
size_t IdentifierSize(std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const DecodedRune rune = DecodeRune(text.substr(size));
    if (!rune.valid || !(rune.rune == '_' || IsLetterRune(rune.rune) || IsDigitRune(rune.rune))) break;
    size += rune.size;
  }
  return size;
}

}  // namespace

std::vector<std::string> TemplateFields(std::string_view text) {
  std::vector<std::string> out;
  for (size_t open = text.find("{{"); open != std::string_view::npos; open = text.find("{{", open + 2)) {
    const size_t close = std::min(text.find("}}", open), text.size());
    char quote = 0;
    for (size_t i = open + 2; i < close; ++i) {
      const char c = text[i];
      if (quote != 0) {
        if (c == '\\' && quote == '"') {
          ++i;
        } else if (c == quote) {
          quote = 0;
        }
      } else if (c == '"' || c == '`') {
        quote = c;
      } else if (c == '.') {
        const size_t size = IdentifierSize(text.substr(i + 1));
        // Not $x.field, nor a field of a field, nor a number.
        const bool begins = i == open + 2 || std::string_view(" \t\r\n(|-").find(text[i - 1]) != std::string_view::npos;
        if (size > 0 && begins) out.emplace_back(text.substr(i + 1, size));
        i += size;
      }
    }
  }
  return out;
}

absl::StatusOr<LabelTemplate> LabelTemplate::Parse(std::string_view text) {
  LabelTemplate out;
  const auto unsupported = [&] {
    return Unimplemented("template actions other than {{{{.label}}}} are not supported yet: {}", text);
  };
  bool trim_left = false;  // the last action ended in -}}
  while (true) {
    const size_t open = text.find("{{");
    std::string_view literal = text.substr(0, open);
    if (trim_left) {
      while (!literal.empty() && IsGoSpace(literal.front())) literal.remove_prefix(1);
    }
    if (open == std::string_view::npos) {
      if (!literal.empty()) out.parts_.push_back({false, std::string(literal)});
      break;
    }
    std::string_view action = text.substr(open + 2);
    const size_t close = action.find("}}");
    if (close == std::string_view::npos) return unsupported();
    text = action.substr(close + 2);
    action = action.substr(0, close);
    if (action.size() >= 2 && action[0] == '-' && IsGoSpace(action[1])) {
      action.remove_prefix(1);
      while (!literal.empty() && IsGoSpace(literal.back())) literal.remove_suffix(1);
    }
    trim_left = action.size() >= 2 && action.back() == '-' && IsGoSpace(action[action.size() - 2]);
    if (trim_left) action.remove_suffix(1);
    if (!literal.empty()) out.parts_.push_back({false, std::string(literal)});
    const std::string_view body = TrimGoSpace(action);
    if (body.size() < 2 || body[0] != '.' || IdentifierSize(body.substr(1)) + 1 != body.size()) return unsupported();
    out.parts_.push_back({true, std::string(body.substr(1))});
    if (std::find(out.fields_.begin(), out.fields_.end(), body.substr(1)) == out.fields_.end()) {
      out.fields_.emplace_back(body.substr(1));
    }
  }
  return out;
}

std::string_view LabelTemplate::only_field() const {
  return parts_.size() == 1 && parts_[0].is_field ? std::string_view(parts_[0].text) : std::string_view();
}

}  // namespace skald::exec
