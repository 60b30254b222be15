// The patterns of log lines: what lines of one kind have in common, with `<_>` where they differ. Lines are
// cut into tokens; lines with as many tokens, of which most are the same, are of one pattern, and a token in
// which two of them differ becomes a placeholder. (After P. He et al., "Drain: An Online Log Parsing Approach
// with Fixed Depth Tree", ICWS 2017, with one flat list for each number of tokens.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/simd.h"

namespace skald {

// What stands for a part that differs from line to line.
inline constexpr std::string_view kPatternPlaceholder = "<_>";

// Not thread-safe. Each line is of exactly one pattern, so that counts of patterns add up to the lines. A
// pattern's number never changes; its text may become more general with each Add.
class PatternMiner {
 public:
  // Bytes that must be readable behind the end of an added line.
  static constexpr size_t kPadding = 64;
  // What lies behind so many bytes or tokens of a line is one placeholder.
  static constexpr size_t kMaxBytes = 1024;
  static constexpr size_t kMaxTokens = 96;

  // When max_patterns are known, lines of a new kind are of the pattern `<_>`, one of them.
  explicit PatternMiner(size_t max_patterns);

  // The number of the line's pattern. A line that is a pattern's text is of that pattern or a more general
  // one.
  uint32_t Add(std::string_view line);

  size_t size() const { return patterns_.size(); }
  std::string Text(uint32_t pattern) const;

  void Clear();

 private:
  // A token's hash; 0 never matches another but a placeholder.
  static constexpr uint32_t kAny = 0;

  struct Pattern {
    uint32_t tokens = 0;
    uint32_t first = 0;            // of its tokens, in hashes_ and masks_
    std::string text;              // of the line that it began with, up to its last token or kMaxBytes
    std::vector<uint16_t> bounds;  // in text, two for each token: begin and end
    bool open_end = false;         // more follows that nobody looked at
  };

  bool Tokenize(std::string_view line);
  bool Matches(const Pattern& pattern) const;
  // How many tokens that are words are the same; -1: the pattern cannot take in the line.
  int Similarity(const Pattern& pattern, bool strict) const;
  void Generalise(const Pattern& pattern);
  uint32_t Create(std::string_view line, bool open_end);

  const size_t max_patterns_;
  std::vector<Pattern> patterns_;
  // Tokens of all patterns; a mask is 0 where the pattern has a placeholder, else all ones. Padded with
  // placeholders to a multiple of kLanes.
  static constexpr size_t kLanes = 8;
  std::vector<uint32_t> hashes_;
  std::vector<uint32_t> masks_;
  std::vector<uint8_t> variable_;  // 1 where tokens are numbers or the like: they may differ at no cost
  std::vector<std::vector<uint32_t>> by_tokens_;  // patterns by their number of tokens, last used first
  int64_t rest_ = -1;                             // the pattern of lines for which there was no room

  // Of the line in hand.
  uint32_t line_tokens_ = 0;
  alignas(32) uint32_t line_hashes_[kMaxTokens + kLanes];
  uint8_t line_variable_[kMaxTokens + kLanes];
  uint16_t line_bounds_[2 * kMaxTokens];
  const bool has_avx2_ = CpuHasAvx2();
};

}  // namespace skald
