// Text taken apart for compression: runs of digits and hexadecimal numbers in streams of their own, and the
// rest with a code in the place of each run. What is left of a log line is then nearly the same as of the
// line before, and digits take the bits that digits need. storage/FORMAT.md describes the codes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace skald {

struct SplitText {
  std::string rest;
  std::string digits;
  std::string hex;
};

// Appends to the streams of *out. Joined again it is the same text, whatever its bytes.
void SplitTextInto(std::string_view text, SplitText* out);

// Bytes that each of the streams given to JoinText must have behind its end; their values do not matter.
inline constexpr size_t kJoinSlack = 16;

// Writes exactly n bytes to out. False if the streams do not join to just that; out is undefined then. Never
// reads beyond the streams and their slack, nor writes beyond out + n.
bool JoinText(std::string_view rest, std::string_view digits, std::string_view hex, char* out, size_t n);

}  // namespace skald
