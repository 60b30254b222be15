#include "text/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/labels.h"
#include "base/utf8.h"
#include "text/runes.h"

namespace skald {
namespace {

constexpr char32_t kEnd = 0xFFFFFFFF;

bool IsSpace(char32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsAlphaNumeric(char32_t c) { return c != kEnd && (c == '_' || IsLetterRune(c) || IsDigitRune(c)); }

class Lexer {
 public:
  explicit Lexer(std::string_view input) : input_(input) {}

  std::vector<TemplateToken> Run() {
    while (!done_) inside_ ? Inside() : Text();
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return input_.substr(pos_); }
  char32_t Peek() const {
    if (pos_ >= input_.size()) return kEnd;
    return DecodeRune(rest()).rune;
  }
  char32_t Next() {
    if (pos_ >= input_.size()) return kEnd;
    const DecodedRune rune = DecodeRune(rest());
    pos_ += rune.size;
    return rune.rune;
  }
  void Ignore() {
    line_ += static_cast<int>(std::count(input_.begin() + static_cast<std::ptrdiff_t>(start_),
                                         input_.begin() + static_cast<std::ptrdiff_t>(pos_), '\n'));
    start_ = pos_;
  }
  void Emit(TokenType type) {
    tokens_.push_back({type, start_, line_, std::string(input_.substr(start_, pos_ - start_))});
    Ignore();
    done_ = type == TokenType::kEof;
  }
  void Error(std::string message) {
    tokens_.push_back({TokenType::kError, start_, line_, std::move(message)});
    done_ = true;
  }
  static std::string RuneName(char32_t rune) {
    if (rune == kEnd) return "U+FFFFFFFFFFFFFFFF";
    std::string out = fmt::format("U+{:04X}", static_cast<uint32_t>(rune));
    if (IsPrintRune(rune)) {
      out += " '";
      AppendRune(&out, rune);
      out += '\'';
    }
    return out;
  }
  bool Accept(std::string_view chars) {
    if (pos_ >= input_.size() || chars.find(input_[pos_]) == std::string_view::npos) return false;
    ++pos_;
    return true;
  }
  void AcceptRun(std::string_view chars) {
    while (Accept(chars)) {
    }
  }

  static bool TrimsRight(std::string_view text) {
    return text.size() >= 2 && IsSpace(static_cast<unsigned char>(text[0])) && text[1] == '-';
  }
  // *trims: the delimiter is " -}}".
  bool AtRightDelim(bool* trims) const {
    *trims = TrimsRight(rest()) && rest().substr(2).starts_with("}}");
    return *trims || rest().starts_with("}}");
  }
  void SkipSpace() {
    while (pos_ < input_.size() && IsSpace(static_cast<unsigned char>(input_[pos_]))) ++pos_;
    Ignore();
  }

  void Text() {
    const size_t at = input_.find("{{", pos_);
    if (at == std::string_view::npos) {
      pos_ = input_.size();
      if (pos_ > start_) Emit(TokenType::kText);
      Emit(TokenType::kEof);
      return;
    }
    const std::string_view after = input_.substr(at + 2);
    const bool trims = after.size() >= 2 && after[0] == '-' && IsSpace(static_cast<unsigned char>(after[1]));
    pos_ = at;
    if (trims) {
      while (pos_ > start_ && IsSpace(static_cast<unsigned char>(input_[pos_ - 1]))) --pos_;
    }
    if (pos_ > start_) Emit(TokenType::kText);
    pos_ = at;
    Ignore();
    pos_ += 2;
    const size_t marker = trims ? 2 : 0;
    if (input_.substr(pos_ + marker).starts_with("/*")) {
      pos_ += marker;
      Comment();
      return;
    }
    Emit(TokenType::kLeftDelim);
    pos_ += marker;
    Ignore();
    parens_ = 0;
    inside_ = true;
  }

  void Comment() {
    Ignore();
    const size_t end = input_.find("*/", pos_ + 2);
    if (end == std::string_view::npos) return Error("unclosed comment");
    pos_ = end + 2;
    bool trims = false;
    if (!AtRightDelim(&trims)) return Error("comment ends before closing delimiter");
    pos_ += trims ? 4 : 2;
    Ignore();
    if (trims) SkipSpace();
  }

  void RightDelim(bool trims) {
    if (trims) {
      pos_ += 2;
      Ignore();
    }
    pos_ += 2;
    Emit(TokenType::kRightDelim);
    if (trims) SkipSpace();
    inside_ = false;
  }

  void Inside() {
    bool trims = false;
    if (AtRightDelim(&trims)) {
      if (parens_ == 0) return RightDelim(trims);
      return Error("unclosed left paren");
    }
    const char32_t c = Peek();
    if (c == kEnd) return Error("unclosed action");
    if (IsSpace(c)) return Space();
    if (c == '+' || c == '-' || (c >= '0' && c <= '9')) return Number();
    if (IsAlphaNumeric(c)) return Identifier();
    Next();
    switch (c) {
      case '=':
        return Emit(TokenType::kAssign);
      case ':':
        if (Next() != '=') return Error("expected :=");
        return Emit(TokenType::kDeclare);
      case '|':
        return Emit(TokenType::kPipe);
      case '"':
        return Quote();
      case '`':
        pos_ = input_.find('`', pos_);
        if (pos_ == std::string_view::npos) return Error("unterminated raw quoted string");
        ++pos_;
        return Emit(TokenType::kRawString);
      case '$':
        return FieldOrVariable(TokenType::kVariable);
      case '\'':
        return Char();
      case '.':
        if (pos_ < input_.size() && input_[pos_] >= '0' && input_[pos_] <= '9') {
          --pos_;
          return Number();
        }
        return FieldOrVariable(TokenType::kField);
      case '(':
        ++parens_;
        return Emit(TokenType::kLeftParen);
      case ')':
        if (--parens_ < 0) return Error("unexpected right paren");
        return Emit(TokenType::kRightParen);
      default:
        if (c < 0x7F && c >= 0x20) return Emit(TokenType::kChar);
        return Error("unrecognized character in action: " + RuneName(c));
    }
  }

  void Space() {
    while (IsSpace(Peek())) ++pos_;
    // The last space may belong to a delimiter that trims.
    if (TrimsRight(input_.substr(pos_ - 1)) && input_.substr(pos_ + 1).starts_with("}}")) {
      --pos_;
      if (pos_ == start_) return RightDelim(true);
    }
    Emit(TokenType::kSpace);
  }

  bool AtTerminator() const {
    const char32_t c = Peek();
    return c == kEnd || IsSpace(c) || c == '.' || c == ',' || c == '|' || c == ':' || c == ')' || c == '(' ||
           rest().starts_with("}}");
  }

  void Identifier() {
    while (IsAlphaNumeric(Peek())) Next();
    if (!AtTerminator()) return Error("bad character " + RuneName(Peek()));
    constexpr std::pair<std::string_view, TokenType> kWords[] = {{"block", TokenType::kBlock},
                                                                 {"break", TokenType::kBreak},
                                                                 {"continue", TokenType::kContinue},
                                                                 {"define", TokenType::kDefine},
                                                                 {"else", TokenType::kElse},
                                                                 {"end", TokenType::kEnd},
                                                                 {"if", TokenType::kIf},
                                                                 {"range", TokenType::kRange},
                                                                 {"nil", TokenType::kNil},
                                                                 {"template", TokenType::kTemplate},
                                                                 {"with", TokenType::kWith},
                                                                 {"true", TokenType::kBool},
                                                                 {"false", TokenType::kBool}};
    const std::string_view word = input_.substr(start_, pos_ - start_);
    for (const auto& [text, type] : kWords) {
      if (text == word) return Emit(type);
    }
    Emit(TokenType::kIdentifier);
  }

  void FieldOrVariable(TokenType type) {
    if (AtTerminator()) return Emit(type == TokenType::kVariable ? type : TokenType::kDot);
    while (IsAlphaNumeric(Peek())) Next();
    if (!AtTerminator()) return Error("bad character " + RuneName(Peek()));
    Emit(type);
  }

  void Quote() {
    while (true) {
      char32_t c = Next();
      if (c == '\\') {
        c = Next();
        if (c != kEnd && c != '\n') continue;
      }
      if (c == kEnd || c == '\n') return Error("unterminated quoted string");
      if (c == '"') return Emit(TokenType::kString);
    }
  }

  void Char() {
    while (true) {
      char32_t c = Next();
      if (c == '\\') {
        c = Next();
        if (c != kEnd && c != '\n') continue;
      }
      if (c == kEnd || c == '\n') return Error("unterminated character constant");
      if (c == '\'') return Emit(TokenType::kCharConstant);
    }
  }

  void Number() {
    Accept("+-");
    std::string_view digits = "0123456789_";
    if (Accept("0")) {
      if (Accept("xX")) {
        digits = "0123456789abcdefABCDEF_";
      } else if (Accept("oO")) {
        digits = "01234567_";
      } else if (Accept("bB")) {
        digits = "01_";
      }
    }
    AcceptRun(digits);
    if (Accept(".")) AcceptRun(digits);
    if ((digits.size() == 11 && Accept("eE")) || (digits.size() == 23 && Accept("pP"))) {
      Accept("+-");
      AcceptRun("0123456789_");
    }
    const bool sign = Peek() == '+' || Peek() == '-';  // a complex number, which no label is
    if (sign || IsAlphaNumeric(Peek())) {
      Next();
      std::string message = "bad number syntax: ";
      AppendGoQuoted(&message, input_.substr(start_, pos_ - start_));
      return Error(std::move(message));
    }
    Emit(TokenType::kNumber);
  }

  const std::string_view input_;
  std::vector<TemplateToken> tokens_;
  size_t start_ = 0;
  size_t pos_ = 0;
  int line_ = 1;
  int parens_ = 0;
  bool inside_ = false;
  bool done_ = false;
};

}  // namespace

std::vector<TemplateToken> LexTemplate(std::string_view input) { return Lexer(input).Run(); }

}  // namespace skald
