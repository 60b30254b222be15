#include "query/logql/scanner.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/runes.h"

namespace skald::logql {
namespace {

int32_t Lower(int32_t rune) { return rune | 0x20; }
bool IsDecimal(int32_t rune) { return rune >= '0' && rune <= '9'; }
bool IsHex(int32_t rune) { return IsDecimal(rune) || (Lower(rune) >= 'a' && Lower(rune) <= 'f'); }

int DigitValue(int32_t rune) {
  if (IsDecimal(rune)) return rune - '0';
  if (IsHex(rune)) return Lower(rune) - 'a' + 10;
  return 16;
}

std::string_view LiteralName(int32_t prefix) {
  switch (prefix) {
    case 'x':
      return "hexadecimal literal";
    case 'o':
    case '0':
      return "octal literal";
    case 'b':
      return "binary literal";
    default:
      return "decimal literal";
  }
}

// Each _ of a number has to stand between digits, a base prefix counting as one.
bool HasMisplacedSeparator(std::string_view number) {
  int32_t base = ' ';
  char previous = '.';  // '_', '0' for any digit, '.' for anything else
  size_t i = 0;
  if (number.size() >= 2 && number[0] == '0') {
    base = Lower(static_cast<unsigned char>(number[1]));
    if (base == 'x' || base == 'o' || base == 'b') {
      previous = '0';
      i = 2;
    }
  }
  for (; i < number.size(); ++i) {
    const char c = number[i];
    if (c == '_') {
      if (previous != '0') return true;
      previous = '_';
    } else if (IsDecimal(c) || (base == 'x' && IsHex(c))) {
      previous = '0';
    } else {
      if (previous == '_') return true;
      previous = '.';
    }
  }
  return previous == '_';
}

}  // namespace

void Scanner::Fail(std::string message) {
  token_end_ = position_ - last_width_;
  if (!error_) error_ = ScanError{line_, col_, std::move(message)};
}

int32_t Scanner::Read() {
  if (position_ >= text_.size()) {
    if (last_width_ > 0) ++column_;
    last_width_ = 0;
    return kEof;
  }
  const DecodedRune decoded = DecodeRune(text_.substr(position_));
  position_ += decoded.size;
  last_width_ = decoded.size;
  ++column_;
  if (!decoded.valid) {
    Fail("invalid UTF-8 encoding");
  } else if (decoded.rune == 0) {
    Fail("invalid character NUL");
  } else if (decoded.rune == '\n') {
    ++row_;
    last_row_length_ = column_;
    column_ = 0;
  }
  return static_cast<int32_t>(decoded.rune);
}

int32_t Scanner::Peek() {
  if (ahead_ == -2) {
    ahead_ = Read();
    if (ahead_ == 0xFEFF) ahead_ = Read();
  }
  return ahead_;
}

int32_t Scanner::Next() {
  line_ = 0;
  const int32_t rune = Peek();
  if (rune != kEof) ahead_ = Read();
  return rune;
}

bool Scanner::IsIdentRune(int32_t rune, bool first) const {
  if (rune < 0) return false;
  const auto r = static_cast<char32_t>(rune);
  return r == '_' || IsLetterRune(r) || (!first && IsDigitRune(r));
}

int32_t Scanner::ReadDigits(int32_t rune, int base, int32_t* invalid, int* seen) {
  for (;; rune = Read()) {
    if (rune == '_') {
      *seen |= 2;
    } else if (base <= 10 ? IsDecimal(rune) : IsHex(rune)) {
      *seen |= 1;
      if (base < 10 && rune >= '0' + base && *invalid == 0) *invalid = rune;
    } else {
      return rune;
    }
  }
}

int32_t Scanner::ScanNumber(int32_t rune, bool seen_dot) {
  int base = 10;
  int32_t prefix = 0;
  int seen = 0;  // bit 0: a digit, bit 1: an underscore
  int32_t invalid = 0;
  bool is_float = seen_dot;
  if (!seen_dot) {
    if (rune == '0') {
      rune = Read();
      switch (Lower(rune)) {
        case 'x':
          base = 16;
          prefix = 'x';
          rune = Read();
          break;
        case 'o':
          base = 8;
          prefix = 'o';
          rune = Read();
          break;
        case 'b':
          base = 2;
          prefix = 'b';
          rune = Read();
          break;
        default:
          base = 8;
          prefix = '0';
          seen = 1;
      }
    }
    rune = ReadDigits(rune, base, &invalid, &seen);
    if (rune == '.') {
      rune = Read();
      is_float = seen_dot = true;
    }
  }
  if (seen_dot) {
    if (prefix == 'o' || prefix == 'b') Fail(fmt::format("invalid radix point in {}", LiteralName(prefix)));
    rune = ReadDigits(rune, base, &invalid, &seen);
  }
  if ((seen & 1) == 0) Fail(fmt::format("{} has no digits", LiteralName(prefix)));
  if (const int32_t e = rune < 0 ? 0 : Lower(rune); e == 'e' || e == 'p') {
    if (e == 'e' && prefix != 0 && prefix != '0') {
      Fail(fmt::format("'{}' exponent requires decimal mantissa", static_cast<char>(rune)));
    } else if (e == 'p' && prefix != 'x') {
      Fail(fmt::format("'{}' exponent requires hexadecimal mantissa", static_cast<char>(rune)));
    }
    rune = Read();
    is_float = true;
    if (rune == '+' || rune == '-') rune = Read();
    int exponent = 0;
    rune = ReadDigits(rune, 10, &invalid, &exponent);
    seen |= exponent;
    if ((exponent & 1) == 0) Fail("exponent has no digits");
  } else if (prefix == 'x' && is_float) {
    Fail("hexadecimal mantissa requires a 'p' exponent");
  }
  if (!is_float && invalid != 0) {
    Fail(fmt::format("invalid digit '{}' in {}", static_cast<char>(invalid), LiteralName(prefix)));
  }
  token_end_ = position_ - last_width_;
  if ((seen & 2) != 0 && HasMisplacedSeparator(token())) Fail("'_' must separate successive digits");
  return rune;
}

int32_t Scanner::ScanDigits(int32_t rune, int base, int count) {
  for (; count > 0 && DigitValue(rune) < base; --count) rune = Read();
  if (count > 0) Fail("invalid char escape");
  return rune;
}

int32_t Scanner::ScanEscape(int32_t quote) {
  const int32_t rune = Read();
  if (rune == quote) return Read();
  switch (rune) {
    case 'a':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
    case '\\':
      return Read();
    case 'x':
      return ScanDigits(Read(), 16, 2);
    case 'u':
      return ScanDigits(Read(), 16, 4);
    case 'U':
      return ScanDigits(Read(), 16, 8);
    default:
      if (rune >= '0' && rune <= '7') return ScanDigits(rune, 8, 3);
      Fail("invalid char escape");
      return rune;
  }
}

// Leaves the closing quote unread; returns the number of characters.
int Scanner::ScanQuoted(int32_t quote) {
  int count = 0;
  for (int32_t rune = Read(); rune != quote; ++count) {
    if (rune == '\n' || rune < 0) {
      Fail("literal not terminated");
      break;
    }
    rune = rune == '\\' ? ScanEscape(quote) : Read();
  }
  return count;
}

void Scanner::ScanRaw() {
  for (int32_t rune = Read(); rune != '`'; rune = Read()) {
    if (rune < 0) return Fail("literal not terminated");
  }
}

// rune is what follows the first slash: '/' or '*'.
int32_t Scanner::SkipComment(int32_t rune) {
  if (rune == '/') {
    rune = Read();
    while (rune != '\n' && rune >= 0) rune = Read();
    return rune;
  }
  rune = Read();
  for (;;) {
    if (rune < 0) {
      Fail("comment not terminated");
      return rune;
    }
    const int32_t previous = rune;
    rune = Read();
    if (previous == '*' && rune == '/') return Read();
  }
}

int32_t Scanner::Scan() {
  int32_t rune = Peek();
  line_ = 0;
  for (;;) {
    while (rune == ' ' || rune == '\t' || rune == '\r' || rune == '\n') rune = Read();
    begin_ = position_ - last_width_;
    token_end_ = begin_;
    // After a newline the position is that of the newline itself.
    line_ = column_ > 0 ? row_ : row_ - 1;
    col_ = column_ > 0 ? column_ : last_row_length_;
    true_line_ = line_;
    if (rune != '/') break;
    const int32_t second = Read();
    if (second != '/' && second != '*') {
      ahead_ = second;
      token_end_ = position_ - last_width_;
      return '/';
    }
    rune = SkipComment(second);
  }
  int32_t token = rune;
  if (IsIdentRune(rune, true)) {
    token = kIdent;
    do {
      rune = Read();
    } while (IsIdentRune(rune, false));
  } else if (IsDecimal(rune)) {
    token = kNumber;
    rune = ScanNumber(rune, false);
  } else if (rune == '"') {
    token = kString;
    ScanQuoted('"');
    rune = Read();
  } else if (rune == '\'') {
    token = kChar;
    if (ScanQuoted('\'') != 1) Fail("invalid char literal");
    rune = Read();
  } else if (rune == '`') {
    token = kRawString;
    ScanRaw();
    rune = Read();
  } else if (rune == '.') {
    rune = Read();
    if (IsDecimal(rune)) {
      token = kNumber;
      rune = ScanNumber(rune, true);
    }
  } else if (rune != kEof) {
    rune = Read();
  }
  token_end_ = position_ - last_width_;
  ahead_ = rune;
  return token;
}

}  // namespace skald::logql
