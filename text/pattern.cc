#include "text/pattern.h"

namespace skald {

PatternMatcher::PatternMatcher(const std::vector<PatternPiece>& pieces) {
  size_t i = 0;
  if (!pieces.empty() && !pieces[0].capture) prefix_ = pieces[i++].literal;
  while (i < pieces.size()) {
    const int slot = pieces[i++].slot;
    const bool bounded = i < pieces.size();
    steps_.push_back({slot, bounded, SubstringFinder(bounded ? std::string_view(pieces[i].literal) : "")});
    ++i;
  }
}

LinePattern::LinePattern(const std::vector<PatternPiece>& pieces) {
  for (const PatternPiece& piece : pieces) {
    if (!piece.capture) literals_.emplace_back(piece.literal);
  }
  if (!pieces.empty()) {
    begins_with_literal_ = !pieces.front().capture;
    ends_with_capture_ = pieces.back().capture;
  }
}

bool LinePattern::Matches(std::string_view line) const {
  if (line.empty() || (literals_.empty() && !ends_with_capture_)) {
    return line.empty() && literals_.empty() && !ends_with_capture_;
  }
  size_t at = 0;
  for (size_t i = 0; i < literals_.size(); ++i) {
    const size_t found = literals_[i].Find(line, at);
    if (found == SubstringFinder::kNotFound) return false;
    const bool after_capture = i > 0 || !begins_with_literal_;
    if (after_capture && found == at) return false;
    at = found + literals_[i].needle().size();
  }
  return ends_with_capture_ ? at < line.size() : at == line.size();
}

std::string_view LinePattern::longest_literal() const {
  std::string_view longest;
  for (const SubstringFinder& literal : literals_) {
    if (literal.needle().size() > longest.size()) longest = literal.needle();
  }
  return longest;
}

}  // namespace skald
