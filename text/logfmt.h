// Reads a logfmt line pair by pair (key=value key="quoted value" key), tolerant: a bad pair is reported and
// stepped over.
//
//   LogfmtScanner scanner(line);
//   while (scanner.Next() != LogfmtScanner::kEnd) ...
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace skald {

// Views point into the line, or, for quoted values with escapes, into the scanner until its next Next.
// Allocates for those alone.
class LogfmtScanner {
 public:
  enum Result { kPair, kError, kEnd };

  explicit LogfmtScanner(std::string_view line) { Reset(line); }
  LogfmtScanner() : LogfmtScanner(std::string_view()) {}
  LogfmtScanner(const LogfmtScanner&) = delete;
  LogfmtScanner& operator=(const LogfmtScanner&) = delete;

  // Begins anew and keeps the scratch memory.
  void Reset(std::string_view line) {
    begin_ = line.data();
    p_ = begin_;
    end_ = begin_ + line.size();
  }

  // After kError the scanner stands behind the bad pair, and Next may be called again.
  Result Next();

  std::string_view key() const { return key_; }      // not empty after kPair, as it stands in the line
  std::string_view value() const { return value_; }  // "" for a bare key too; not checked for valid UTF-8

  // After kError: `logfmt syntax error at pos 27 : unexpected '='`, pos the 1-based byte offset.
  std::string ErrorText() const;

 private:
  Result Quoted();
  Result Fail(const char* message, const char* at);
  Result FailAndSkip(const char* message, const char* at);
  bool Unescape(std::string_view raw);

  const char* begin_ = nullptr;
  const char* p_ = nullptr;
  const char* end_ = nullptr;
  std::string_view key_;
  std::string_view value_;
  const char* error_ = "";
  size_t error_pos_ = 0;
  std::string unescaped_;
};

}  // namespace skald
