#include "proto/push/label_text.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald {
namespace {

enum class Kind { kEnd, kName, kString, kNumber, kWord, kOperator, kSign };

struct Token {
  Kind kind = Kind::kEnd;
  std::string_view text;  // a string with its quotes
  size_t pos = 0;
};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string QuotedCharacter(std::string_view character) {
  if (character == "'") return "'\\''";
  if (character == "\"") return "'\"'";
  std::string quoted;
  AppendGoQuoted(&quoted, character);
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

std::string QuotedShort(std::string_view text) {
  std::string out;
  if (text.size() <= 10) {
    AppendGoQuoted(&out, text);
    return out;
  }
  size_t end = 0;
  for (int runes = 0; runes < 10 && end < text.size(); ++runes) end += DecodeRune(text.substr(end)).size;
  AppendGoQuoted(&out, text.substr(0, end));
  return out + "...";
}

// Words that a metric's name may be, but that are named otherwise where nothing may follow.
bool IsKeyword(std::string_view lower) {
  static constexpr std::string_view kWords[] = {"offset",     "by",          "without", "on",    "ignoring",
                                                "group_left", "group_right", "bool",    "start", "end"};
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Labels::Pair>> Parse() {
    std::string metric;
    ASSIGN_OR_RETURN(Token token, Outside());
    if (token.kind == Kind::kName || token.kind == Kind::kWord) {
      metric = token.text;
      ASSIGN_OR_RETURN(token, Outside());
    }
    if (token.text == "{" && token.kind == Kind::kSign) {
      RETURN_IF_ERROR(Braces());
      ASSIGN_OR_RETURN(token, Outside());
    }
    if (token.kind != Kind::kEnd) return Unexpected(token, "");
    if (!metric.empty()) {
      std::erase_if(pairs_, [](const Labels::Pair& pair) { return pair.first == "__name__"; });
      pairs_.emplace_back("__name__", metric);
    }
    std::erase_if(pairs_, [](const Labels::Pair& pair) { return pair.second.empty(); });
    std::stable_sort(pairs_.begin(), pairs_.end(),
                     [](const Labels::Pair& a, const Labels::Pair& b) { return a.first < b.first; });
    return std::move(pairs_);
  }

 private:
  absl::Status Error(size_t pos, std::string_view what) const {
    const std::string_view before = text_.substr(0, pos);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return InvalidArgument("{}:{}: parse error: {}", line, pos - begin + 1, what);
  }

  absl::Status Unexpected(const Token& token, std::string_view expected) const {
    std::string shown;
    switch (token.kind) {
      case Kind::kEnd:
        shown = "end of input";
        break;
      case Kind::kName:
        shown = (token.text.find(':') == std::string_view::npos ? "identifier " : "metric identifier ") +
                QuotedShort(token.text);
        break;
      case Kind::kString:
        shown = "string " + QuotedShort(token.text);
        break;
      case Kind::kNumber:
        shown = "number " + QuotedShort(token.text);
        break;
      case Kind::kWord:
        shown = fmt::format("<{}>", token.text);
        break;
      case Kind::kOperator:
        shown = fmt::format("<op:{}>", token.text);
        break;
      case Kind::kSign:
        shown = QuotedShort(token.text);
        break;
    }
    if (expected.empty()) return Error(token.pos, fmt::format("unexpected {}", shown));
    return Error(token.pos, fmt::format("unexpected {} in label set, expected {}", shown, expected));
  }

  // Blanks and comments.
  void Skip() {
    while (pos_ < text_.size()) {
      if (IsBlank(text_[pos_])) {
        ++pos_;
      } else if (text_[pos_] == '#') {
        pos_ = std::min(text_.find('\n', pos_), text_.size());
      } else {
        return;
      }
    }
  }

  Token Take(Kind kind, size_t size) {
    const Token token{kind, text_.substr(pos_, size), pos_};
    pos_ += size;
    return token;
  }

  size_t NameSize(bool colons) const {
    size_t end = pos_;
    while (end < text_.size() &&
           (IsLetter(text_[end]) || IsDigit(text_[end]) || (colons && text_[end] == ':')))
      ++end;
    return end - pos_;
  }

  std::string_view Character() const { return text_.substr(pos_, DecodeRune(text_.substr(pos_)).size); }

  absl::StatusOr<Token> Outside() {
    Skip();
    if (pos_ == text_.size()) return Token{Kind::kEnd, {}, pos_};
    const char c = text_[pos_];
    if (IsLetter(c) || c == ':') {
      const size_t size = NameSize(true);
      std::string lower(text_.substr(pos_, size));
      for (char& letter : lower) letter = letter >= 'A' && letter <= 'Z' ? letter + 32 : letter;
      if (lower == "inf" || lower == "nan") return Take(Kind::kNumber, size);
      return Take(IsKeyword(lower) ? Kind::kWord : Kind::kName, size);
    }
    if (IsDigit(c)) {
      size_t end = pos_;
      while (end < text_.size() && (IsDigit(text_[end]) || IsLetter(text_[end]) || text_[end] == '.')) ++end;
      return Take(Kind::kNumber, end - pos_);
    }
    if (c == '"' || c == '\'' || c == '`') return String();
    if (c == '=' || std::string_view("(){}[],").find(c) != std::string_view::npos) {
      if (c == '}') return Error(pos_, "unexpected character: '}'");
      return Take(Kind::kSign, 1);
    }
    if (std::string_view("+-*/%^@<>").find(c) != std::string_view::npos) return Take(Kind::kOperator, 1);
    return Error(pos_, fmt::format("unexpected character: {}", QuotedCharacter(Character())));
  }

  absl::StatusOr<Token> Inside() {
    Skip();
    if (pos_ == text_.size()) return Error(pos_, "unexpected end of input inside braces");
    const char c = text_[pos_];
    if (IsLetter(c)) return Take(Kind::kName, NameSize(false));
    if (c == '"' || c == '\'' || c == '`') return String();
    if (c == '}' || c == ',') return Take(Kind::kSign, 1);
    const char next = pos_ + 1 < text_.size() ? text_[pos_ + 1] : '\0';
    if (c == '=') return next == '~' ? Take(Kind::kOperator, 2) : Take(Kind::kSign, 1);
    if (c == '!') {
      if (next == '~' || next == '=') return Take(Kind::kOperator, 2);
      ++pos_;
      return Error(pos_, fmt::format("unexpected character after '!' inside braces: {}",
                                     QuotedCharacter(Character())));
    }
    if (c == '{') return Error(pos_, "unexpected left brace '{'");
    return Error(pos_, fmt::format("unexpected character inside braces: {}", QuotedCharacter(Character())));
  }

  absl::StatusOr<Token> String() {
    const char quote = text_[pos_];
    size_t end = pos_ + 1;
    while (true) {
      if (end >= text_.size() || (text_[end] == '\n' && quote != '`'))
        return Error(pos_, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
      if (text_[end] == quote) break;
      if (text_[end] == '\\' && quote != '`') {
        if (end + 1 >= text_.size()) return Error(pos_, "escape sequence not terminated");
        const char escape = text_[end + 1];
        if (escape != quote &&
            std::string_view("abfnrtv\\01234567xuU").find(escape) == std::string_view::npos)
          return Error(pos_, fmt::format("unknown escape sequence U+{:04X} '{}'",
                                         static_cast<unsigned char>(escape), escape));
        end += 2;
        continue;
      }
      const auto rune = DecodeRune(text_.substr(end));
      if (rune.size == 1 && static_cast<unsigned char>(text_[end]) >= 0x80)
        return Error(pos_, "invalid UTF-8 rune");
      end += rune.size;
    }
    return Take(Kind::kString, end + 1 - pos_);
  }

  absl::StatusOr<std::string> Value(const Token& token) const {
    const std::string_view raw = token.text.substr(1, token.text.size() - 2);
    if (token.text[0] == '`') return std::string(raw);
    std::string out;
    if (!UnquoteGo(raw, token.text[0], &out)) return Error(token.pos, "invalid escape sequence");
    return out;
  }

  // What follows `{`.
  absl::Status Braces() {
    ASSIGN_OR_RETURN(Token token, Inside());
    while (token.kind != Kind::kSign || token.text != "}") {
      if (token.kind != Kind::kName && token.kind != Kind::kString)
        return Unexpected(token, "identifier or \"}\"");
      const Token first = token;
      std::string name(first.text);
      if (first.kind == Kind::kString) {
        ASSIGN_OR_RETURN(name, Value(first));
      }
      ASSIGN_OR_RETURN(token, Inside());
      if (token.kind == Kind::kSign && token.text == "=") {
        ASSIGN_OR_RETURN(token, Inside());
        if (token.kind != Kind::kString) return Unexpected(token, "string");
        // No question could ask for another.
        if (!IsLabelName(name)) {
          return Error(first.pos, fmt::format("invalid label name {}: letters, digits and _ make one",
                                              QuotedShort(name)));
        }
        ASSIGN_OR_RETURN(std::string value, Value(token));
        pairs_.emplace_back(std::move(name), std::move(value));
        ASSIGN_OR_RETURN(token, Inside());
      } else if (first.kind == Kind::kString) {
        pairs_.emplace_back("__name__", std::move(name));
      } else {
        return Unexpected(token, "\"=\"");
      }
      if (token.kind == Kind::kSign && token.text == ",") {
        ASSIGN_OR_RETURN(token, Inside());
      } else if (token.kind != Kind::kSign || token.text != "}") {
        return Unexpected(token, "\",\" or \"}\"");
      }
    }
    return absl::OkStatus();
  }

  const std::string_view text_;
  size_t pos_ = 0;
  std::vector<Labels::Pair> pairs_;
};

}  // namespace

absl::StatusOr<std::vector<Labels::Pair>> ParseLabelText(std::string_view text) {
  return Parser(text).Parse();
}

}  // namespace skald
