// The character level of the lexer: tokens as Go's language has them (identifiers, numbers, quoted text),
// comments and space skipped, and the position rules by which Loki's errors are placed. One scan, one thread;
// cheap to copy, which is how the lexer looks ahead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skald::logql {

struct ScanError {
  int line = 0;
  int col = 0;
  std::string message;
};

class Scanner {
 public:
  // What Scan returns: one of these, or the rune of a single-character token.
  enum : int32_t { kEof = -1, kIdent = -2, kNumber = -3, kChar = -4, kString = -5, kRawString = -6 };

  // text must outlive the scanner and its copies.
  explicit Scanner(std::string_view text) : text_(text) {}

  int32_t Scan();
  // Takes one rune outside of any token. From then on line() is 0 until the next Scan (the position counts as
  // unknown, which Loki's errors show), while col() and the token's begin stay.
  int32_t Next();
  int32_t Peek();

  int line() const { return line_; }
  int col() const { return col_; }
  // As line(), but kept by Next.
  int true_line() const { return true_line_; }
  // Bytes of the last token; end moves on with Next.
  size_t begin() const { return begin_; }
  size_t end() const { return position_ - last_width_; }
  std::string_view token() const { return text_.substr(begin_, token_end_ - begin_); }

  // The first error since the start; the scan goes on after it.
  const std::optional<ScanError>& error() const { return error_; }

 private:
  int32_t Read();
  void Fail(std::string message);
  bool IsIdentRune(int32_t rune, bool first) const;
  int32_t ReadDigits(int32_t rune, int base, int32_t* invalid, int* seen);
  int32_t ScanNumber(int32_t rune, bool seen_dot);
  int32_t ScanDigits(int32_t rune, int base, int count);
  int32_t ScanEscape(int32_t quote);
  int ScanQuoted(int32_t quote);
  void ScanRaw();
  int32_t SkipComment(int32_t rune);

  std::string_view text_;
  size_t position_ = 0;    // after the look-ahead rune
  size_t last_width_ = 0;  // bytes of the look-ahead rune, 0 at the end
  int32_t ahead_ = -2;     // the look-ahead rune; -2 before the first read
  int row_ = 1;            // of the look-ahead rune
  int column_ = 0;
  int last_row_length_ = 0;

  size_t begin_ = 0;
  size_t token_end_ = 0;
  int line_ = 0;
  int col_ = 0;
  int true_line_ = 0;
  std::optional<ScanError> error_;
};

}  // namespace skald::logql
