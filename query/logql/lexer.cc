#include "query/logql/lexer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "query/logql/scanner.h"
#include "text/runes.h"
#include "text/units.h"

namespace skald::logql {
namespace {

bool IsDurationRune(int32_t rune) {
  switch (rune) {
    case 'n':
    case 'u':
    case 0xB5:  // the micro sign; the Greek mu is none
    case 'm':
    case 's':
    case 'h':
    case 'd':
    case 'w':
    case 'y':
      return true;
    default:
      return false;
  }
}

bool IsBytesRune(int32_t rune) {
  return rune > 0 && rune < 0x80 &&
         std::string_view("BikKMGTP").find(static_cast<char>(rune)) != std::string_view::npos;
}

void SkipSpace(Scanner* scanner) {
  while (scanner->Peek() >= 0 && IsSpaceRune(static_cast<char32_t>(scanner->Peek()))) scanner->Next();
}

// Whether a function word stands where a function is called: before "(", or before by/without and "(".
bool IsCall(Scanner ahead) {
  SkipSpace(&ahead);
  std::string seen;
  while (seen.size() < 7) {
    const int32_t rune = ahead.Next();
    if (rune < 0 || rune > 0x7F) return false;
    if (rune == '(') return seen.empty();
    seen += static_cast<char>(rune >= 'A' && rune <= 'Z' ? rune + 32 : rune);
    if (seen == "by" || seen == "without") {
      SkipSpace(&ahead);
      return ahead.Next() == '(';
    }
  }
  return false;
}

class Lexer {
 public:
  explicit Lexer(std::string_view query) : scanner_(query) {}

  std::vector<Token> Run() {
    std::vector<Token> tokens;
    do {
      tokens.push_back(NextToken());
    } while (tokens.back().kind != TokenKind::kEnd);
    return tokens;
  }

 private:
  Token NextToken() {
    token_ = Token();
    token_.kind = ReadToken();
    token_.line = scanner_.line();
    token_.col = scanner_.col();
    token_.range =
        SourceRange{static_cast<uint32_t>(scanner_.begin()), static_cast<uint32_t>(scanner_.end()),
                    static_cast<uint32_t>(scanner_.true_line()), static_cast<uint32_t>(scanner_.col())};
    if (scanner_.error()) {
      token_.kind = TokenKind::kEnd;
      token_.error = scanner_.error()->message;
      token_.line = scanner_.error()->line;
      token_.col = scanner_.error()->col;
    }
    return std::move(token_);
  }

  // A failure of the lexer's own; those of the scanner come first and win.
  TokenKind Fail(std::string message) {
    token_.error = std::move(message);
    return TokenKind::kEnd;
  }

  TokenKind ReadToken() {
    int32_t rune = scanner_.Scan();
    while (rune == '#') {
      while (scanner_.Peek() != '\n' && scanner_.Peek() != Scanner::kEof) scanner_.Next();
      rune = scanner_.Scan();
    }
    switch (rune) {
      case Scanner::kEof:
        return TokenKind::kEnd;
      case Scanner::kNumber:
        return ReadNumber();
      case Scanner::kString:
      case Scanner::kRawString:
        return ReadString(rune == Scanner::kRawString);
      case '-':
        return ReadDash();
      case '[':
        return ReadRange();
      default:
        return ReadWord();
    }
  }

  TokenKind ReadNumber() {
    token_.text = std::string(scanner_.token());
    if (TakeDuration(token_.text)) return TokenKind::kDuration;
    if (TakeBytes(token_.text)) return TokenKind::kBytes;
    return TokenKind::kNumber;
  }

  TokenKind ReadDash() {
    if (scanner_.Peek() == '-') {
      Scanner ahead = scanner_;
      std::string flag = "-";
      size_t taken = 0;
      for (int32_t rune = ahead.Peek();
           rune == '-' || (rune >= 0 && IsLetterRune(static_cast<char32_t>(rune)));
           rune = ahead.Peek(), ++taken) {
        AppendRune(&flag, static_cast<char32_t>(rune));
        ahead.Next();
      }
      if (flag == "--strict" || flag == "--keep-empty") {
        Advance(taken);
        token_.text = std::move(flag);
        return TokenKind::kFunctionFlag;
      }
    }
    return TakeDuration("-") ? TokenKind::kDuration : TokenKind::kSub;
  }

  TokenKind ReadString(bool raw) {
    if (scanner_.error()) return TokenKind::kEnd;
    std::string_view text = scanner_.token();
    text = text.substr(1, text.size() - 2);
    if (raw) {
      token_.text = std::string(text);
    } else if (!UnquoteGo(text, '"', &token_.text)) {
      return Fail("invalid syntax");
    }
    return TokenKind::kString;
  }

  TokenKind ReadRange() {
    std::string text;
    for (int32_t rune = scanner_.Next(); rune != Scanner::kEof; rune = scanner_.Next()) {
      if (rune != ']') {
        AppendRune(&text, static_cast<char32_t>(rune));
        continue;
      }
      const absl::StatusOr<int64_t> duration = ParsePrometheusDuration(text);
      if (!duration.ok()) return Fail(std::string(MessageOf(duration.status())));
      token_.duration = *duration;
      return TokenKind::kRange;
    }
    return Fail("missing closing ']' in duration");
  }

  TokenKind ReadWord() {
    const std::string_view text = scanner_.token();
    if (text.size() == 1 && scanner_.Peek() > 0 && scanner_.Peek() < 0x80) {
      const char two[2] = {text[0], static_cast<char>(scanner_.Peek())};
      if (const auto kind = FindPunctuation(std::string_view(two, 2))) {
        scanner_.Next();
        return *kind;
      }
    }
    if (const auto kind = FindPunctuation(text)) return *kind;
    token_.text = std::string(text);
    if (const auto word = FindWord(text)) {
      if (word->word_class == WordClass::kReserved || IsCall(scanner_)) return word->kind;
    }
    return TokenKind::kIdentifier;
  }

  void Advance(size_t runes) {
    for (; runes > 0; --runes) scanner_.Next();
  }

  // The text after the current token as far as takes(rune) holds.
  template <typename Takes>
  std::string LookAhead(Takes takes, size_t* runes) const {
    Scanner ahead = scanner_;
    std::string text;
    for (int32_t rune = ahead.Peek(); rune >= 0; rune = ahead.Peek(), ++*runes) {
      if (rune != '.' && !IsDigitRune(static_cast<char32_t>(rune)) && !takes(rune)) break;
      AppendRune(&text, static_cast<char32_t>(rune));
      ahead.Next();
    }
    return text;
  }

  bool TakeDuration(std::string text) {
    size_t runes = 0;
    text += LookAhead(IsDurationRune, &runes);
    if (runes == 0) return false;
    const absl::StatusOr<int64_t> duration = ParseQueryDuration(text);
    if (!duration.ok()) return false;
    token_.duration = *duration;
    Advance(runes);
    return true;
  }

  bool TakeBytes(std::string text) {
    size_t runes = 0;
    text += LookAhead(IsBytesRune, &runes);
    if (runes == 0) return false;
    const absl::StatusOr<uint64_t> bytes = ParseHumanBytes(text);
    if (!bytes.ok()) return false;
    token_.bytes = *bytes;
    Advance(runes);
    return true;
  }

  Scanner scanner_;
  Token token_;
};

}  // namespace

std::vector<Token> Lex(std::string_view query) { return Lexer(query).Run(); }

}  // namespace skald::logql
