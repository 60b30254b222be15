// The shape of a JSON or logfmt line: the fixed text between its values. Lines of one program mostly share
// one, and a line that has the shape of another gives the same members in the same order, which is found out
// with a few comparisons instead of a parser's work. A line that does not is left to the parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/simd.h"

namespace skald {

// Learned from one line, then matched against others. Not thread-safe while it learns.
class LineShape {
 public:
  // Bytes that must be readable behind the end of a matched line.
  static constexpr size_t kPadding = 64;

  // Of a JSON object. False where it is none, or holds what a shape does not tell (escapes in keys or
  // strings, arrays, very many members). A line that matches is one that JsonFlattener gives the same fields
  // of, in the same order, without an error.
  bool LearnJson(std::string_view line);
  // Of a logfmt line up to its last value that is not empty and not behind an error. A line that matches
  // begins with pairs of the same keys that LogfmtScanner gives, with values that are not empty.
  bool LearnLogfmt(std::string_view line);

  // The values' names as labels (sanitised, JSON paths joined with `_`), in order; "" where there is none.
  size_t size() const { return pieces_.size(); }
  const std::string& name(size_t i) const { return names_[i]; }

  // What follows value i is not looked at any more. A value's end still is.
  void CutAfter(size_t i);

  // Whether line has the shape; then values[i] is the text of value i (strings without their quotes). line is
  // followed by kPadding readable bytes. values has size() places.
  bool Match(std::string_view line, std::string_view* values) const {
    const char* at = MatchValues(line, line.data(), 0, size(), values);
    return at != nullptr && MatchEnd(line, at);
  }
  // The same in parts: values [from, to), of which the text before the first begins at `at`. Returns where
  // the last of them ends, null for no match.
  const char* MatchValues(std::string_view line, const char* at, size_t from, size_t to,
                          std::string_view* values) const;
  // Whether both lines have the shape, at less than the cost of two matches. Says nothing of either where it
  // is false.
  bool MatchBoth(const std::string_view lines[2], std::string_view* const values[2]) const;
  // What follows the last value, which ended at `at`.
  bool MatchEnd(std::string_view line, const char* at) const;

 private:
  enum class Kind : uint8_t {
    kString,  // up to the next quote; a backslash is no match
    kNumber,  // a JSON number, by its first byte
    kBool,
    kBare,  // a logfmt value without quotes
  };
  struct Piece {
    // The text before the value, in text_.
    uint32_t begin = 0;
    uint32_t size = 0;
    Kind kind = Kind::kString;
  };

  static constexpr size_t kMaxPieces = 64;

  bool AddJsonObject(const char** p, const char* end, const std::string& path, int depth,
                     const char** literal);
  void AddPiece(const char* literal, const char* value, Kind kind, std::string name);
  template <class V, size_t kLines>
  bool MatchLines(const std::string_view* lines, const char** at, size_t from, size_t to,
                  std::string_view* const* values) const;
  template <size_t kLines>
  bool MatchLinesAvx2(const std::string_view* lines, const char** at, size_t from, size_t to,
                      std::string_view* const* values) const;

  std::vector<Piece> pieces_;
  std::vector<std::string> names_;
  std::string text_;  // all literals, end to end, padded
  Piece last_;        // what must follow the last value
  std::string scratch_;
  bool has_avx2_ = CpuHasAvx2();
};

}  // namespace skald
