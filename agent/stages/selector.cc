#include "agent/stages/selector.h"

#include <algorithm>

#include "base/error.h"
#include "base/go_regex.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::agent {

class SelectorParser {
 public:
  explicit SelectorParser(std::string_view text) : text_(text) {}

  absl::StatusOr<Selector> Parse() {
    Selector selector;
    RETURN_IF_ERROR(Matchers(&selector));
    while (Skip(), at_ < text_.size()) RETURN_IF_ERROR(LineFilter(&selector));
    return selector;
  }

 private:
  absl::Status Wrong(std::string_view expected) const {
    return InvalidArgument("selector {}: expected {} at position {}", text_, expected, at_ + 1);
  }
  void Skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool Take(std::string_view token) {
    Skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view Word() {
    Skip();
    size_t end = at_;
    while (end < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '_'))
      ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    return word;
  }
  absl::StatusOr<std::string> String() {
    Skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '"' && quote != '`') return Wrong("a quoted text");
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += quote == '"' && text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return Wrong("a text with its closing quote");
    const std::string_view raw = text_.substr(at_ + 1, end - at_ - 1);
    std::string out;
    if (quote == '`') {
      out = raw;
    } else if (!UnquoteGo(raw, quote, &out)) {
      return Wrong("escapes as Go has them");
    }
    at_ = end + 1;
    return out;
  }

  absl::Status Matchers(Selector* selector) {
    if (!Take("{")) return Wrong("{");
    bool selective = false;
    while (!Take("}")) {
      const std::string name(Word());
      if (!IsLabelName(name)) return Wrong("a label name");
      MatchOp op = MatchOp::kEqual;
      if (Take("=~")) {
        op = MatchOp::kRegex;
      } else if (Take("!~")) {
        op = MatchOp::kNotRegex;
      } else if (Take("!=")) {
        op = MatchOp::kNotEqual;
      } else if (!Take("=")) {
        return Wrong("=, !=, =~ or !~");
      }
      ASSIGN_OR_RETURN(std::string value, String());
      ASSIGN_OR_RETURN(Matcher matcher, Matcher::Make(op, name, std::move(value)));
      selective |= !matcher.MatchesEmpty();
      selector->matchers_.push_back(std::move(matcher));
      if (Take(",")) continue;
      if (!Take("}")) return Wrong(", or }");
      break;
    }
    if (!selector->matchers_.empty() && !selective) {
      return InvalidArgument(
          "selector {}: at least one matcher must not match the empty value, like {{app=~\".+\"}}", text_);
    }
    return absl::OkStatus();
  }

  absl::Status LineFilter(Selector* selector) {
    Selector::Filter filter;
    bool regex = false;
    if (Take("|=")) {
    } else if (Take("|~")) {
      regex = true;
    } else if (Take("!=")) {
      filter.negated = true;
    } else if (Take("!~")) {
      filter.negated = regex = true;
    } else {
      return Wrong("|=, !=, |~ or !~");
    }
    do {
      ASSIGN_OR_RETURN(std::string text, String());
      if (regex) {
        ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> compiled, CompileGoRegex(text));
        filter.regexes.push_back(std::move(compiled));
      } else {
        filter.texts.push_back(std::move(text));
      }
    } while (TakeOr());
    selector->filters_.push_back(std::move(filter));
    return absl::OkStatus();
  }
  bool TakeOr() {
    const size_t before = at_;
    if (Word() == "or") return true;
    at_ = before;
    return false;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<Selector> Selector::Parse(std::string_view text) { return SelectorParser(text).Parse(); }

bool Selector::Matches(const Labels& labels, std::string_view line) const {
  for (const Matcher& matcher : matchers_) {
    if (!matcher.Matches(labels.Get(matcher.name()))) return false;
  }
  return std::all_of(filters_.begin(), filters_.end(), [&](const Filter& filter) {
    const bool found =
        std::any_of(filter.texts.begin(), filter.texts.end(),
                    [&](const std::string& text) { return line.find(text) != std::string_view::npos; }) ||
        std::any_of(filter.regexes.begin(), filter.regexes.end(), [&](const auto& regex) {
          return re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *regex);
        });
    return found != filter.negated;
  });
}

}  // namespace skald::agent
