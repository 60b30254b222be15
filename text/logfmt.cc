#include "text/logfmt.h"

#include <fmt/format.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "text/byte_scan.h"

namespace skald {
namespace {

bool IsBlank(char c) { return static_cast<unsigned char>(c) <= 0x20; }

// XXXX of \uXXXX at raw[at], -1 where it is not there.
int32_t Hex4(std::string_view raw, size_t at) {
  if (at + 4 > raw.size()) return -1;
  int32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const int digit = HexDigit(raw[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

bool HasBadRune(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const DecodedRune rune = DecodeRune(text.substr(i));
    if (!rune.valid || rune.rune == kReplacementRune) return true;
    i += rune.size;
  }
  return false;
}

}  // namespace

LogfmtScanner::Result LogfmtScanner::Fail(const char* message, const char* at) {
  error_ = message;
  error_pos_ = static_cast<size_t>(at - begin_) + 1;
  return kError;
}

LogfmtScanner::Result LogfmtScanner::FailAndSkip(const char* message, const char* at) {
  p_ = FindByte(at, end_, BlankOr<>());
  return Fail(message, at);
}

std::string LogfmtScanner::ErrorText() const {
  return fmt::format("logfmt syntax error at pos {} : {}", error_pos_, error_);
}

LogfmtScanner::Result LogfmtScanner::Next() {
  while (p_ < end_ && IsBlank(*p_)) ++p_;
  if (p_ == end_) return kEnd;
  const char* const key_begin = p_;
  p_ = FindByte(p_, end_, BlankOr<'=', '"'>());
  key_ = {key_begin, static_cast<size_t>(p_ - key_begin)};
  value_ = {};
  if (p_ < end_ && *p_ == '"') return FailAndSkip("unexpected '\"'", p_);
  if (key_.empty()) return FailAndSkip("unexpected '='", p_);
  if (FindByte(key_begin, p_, NonAscii()) != p_ && HasBadRune(key_)) return FailAndSkip("invalid key", p_);
  if (p_ == end_ || *p_ != '=') return kPair;
  ++p_;
  if (p_ == end_ || IsBlank(*p_)) return kPair;
  if (*p_ == '"') return Quoted();
  const char* const value_begin = p_;
  p_ = FindByte(p_, end_, BlankOr<'=', '"'>());
  if (p_ < end_ && *p_ == '=') return FailAndSkip("unexpected '='", p_);
  if (p_ < end_ && *p_ == '"') return FailAndSkip("unexpected '\"'", p_);
  value_ = {value_begin, static_cast<size_t>(p_ - value_begin)};
  return kPair;
}

LogfmtScanner::Result LogfmtScanner::Quoted() {
  const char* const value_begin = ++p_;
  bool escaped = false;
  while (true) {
    p_ = FindByte(p_, end_, AnyOf<'"', '\\'>());
    if (p_ == end_) return Fail("unterminated quoted value", end_);
    if (*p_ == '"') break;
    escaped = true;
    p_ = end_ - p_ >= 2 ? p_ + 2 : end_;
  }
  const std::string_view raw(value_begin, static_cast<size_t>(p_ - value_begin));
  ++p_;
  if (!escaped) {
    value_ = raw;
  } else if (!Unescape(raw)) {
    return Fail("invalid quoted value", p_);
  }
  return kPair;
}

bool LogfmtScanner::Unescape(std::string_view raw) {
  unescaped_.clear();
  for (size_t i = 0; i < raw.size();) {
    const size_t slash = std::min(raw.find('\\', i), raw.size());
    unescaped_.append(raw.substr(i, slash - i));
    if (slash == raw.size()) break;
    if (slash + 1 == raw.size()) return false;
    const char c = raw[slash + 1];
    i = slash + 2;
    switch (c) {
      case '"':
      case '\\':
      case '/':
      case '\'':
        unescaped_ += c;
        break;
      case 'b':
        unescaped_ += '\b';
        break;
      case 'f':
        unescaped_ += '\f';
        break;
      case 'n':
        unescaped_ += '\n';
        break;
      case 'r':
        unescaped_ += '\r';
        break;
      case 't':
        unescaped_ += '\t';
        break;
      case 'u': {
        const int32_t first = Hex4(raw, i);
        if (first < 0) return false;
        i += 4;
        char32_t rune = static_cast<char32_t>(first);
        if (first >= 0xD800 && first < 0xE000) {
          rune = kReplacementRune;
          if (first < 0xDC00 && raw.substr(i, 2) == "\\u") {
            const int32_t second = Hex4(raw, i + 2);
            if (second >= 0xDC00 && second < 0xE000) {
              rune = 0x10000 + (static_cast<char32_t>(first - 0xD800) << 10) +
                     static_cast<char32_t>(second - 0xDC00);
              i += 6;
            }
          }
        }
        AppendRune(&unescaped_, rune);
        break;
      }
      default:
        return false;
    }
  }
  value_ = unescaped_;
  return true;
}

}  // namespace skald
