#include "text/decolorize.h"

#include "text/byte_scan.h"

namespace skald {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsIntroducer(char c) { return std::string_view("[]()#;?").find(c) != std::string_view::npos; }

bool IsFinal(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'P') || (c >= 'f' && c <= 'n') ||
         std::string_view("RZcqtry=><~").find(c) != std::string_view::npos;
}

constexpr size_t kNone = std::string_view::npos;

// [A-Za-z0-9;]* BEL at text[i]: behind it.
size_t MatchTitle(std::string_view text, size_t i) {
  while (i < text.size() && (IsDigit(text[i]) || text[i] == ';' || (text[i] >= 'a' && text[i] <= 'z') ||
                             (text[i] >= 'A' && text[i] <= 'Z'))) {
    ++i;
  }
  return i < text.size() && text[i] == '\a' ? i + 1 : kNone;
}

size_t DigitsAt(std::string_view text, size_t i) {
  size_t n = 0;
  while (n < 4 && i + n < text.size() && IsDigit(text[i + n])) ++n;
  return n;
}

// (;\d{0,4})* and the final byte at text[i]: behind it. As much as possible first, as a regex would. Where
// digits are given back, the next byte is a digit and thus final, so only the greedy way of each parameter
// and its shorter neighbour can count.
size_t MatchParameters(std::string_view text, size_t i) {
  // Behind the furthest ; group, then back from it.
  size_t end = i;
  while (end < text.size() && text[end] == ';') end += 1 + DigitsAt(text, end + 1);
  while (true) {
    if (end < text.size() && IsFinal(text[end])) return end + 1;
    if (end == i) return kNone;
    --end;  // gives back a digit (which is then the final byte) or the ; of an empty group
  }
}

size_t MatchControl(std::string_view text, size_t i) {
  const size_t digits = DigitsAt(text, i);
  if (digits > 0) {
    if (const size_t end = MatchParameters(text, i + digits); end != kNone) return end;
    if (digits > 1) return i + digits;  // the last digit is the final byte
  }
  return i < text.size() && IsFinal(text[i]) ? i + 1 : kNone;
}

// The escape sequence whose introducers begin at text[i]: behind it.
size_t MatchSequence(std::string_view text, size_t i) {
  size_t body = i;
  while (body < text.size() && IsIntroducer(text[body])) ++body;
  for (;; --body) {
    if (const size_t end = MatchTitle(text, body); end != kNone) return end;
    if (const size_t end = MatchControl(text, body); end != kNone) return end;
    if (body == i) return kNone;
  }
}

}  // namespace

std::string_view Decolorize(std::string_view line, std::string* scratch) {
  const char* const end = line.data() + line.size();
  bool copied = false;
  size_t kept = 0;  // up to here the line is in *scratch, or left out
  for (const char* p = line.data();;) {
    p = FindByte(p, end, AnyOf<'\x1b', '\xc2'>());
    if (p == end) break;
    const auto at = static_cast<size_t>(p - line.data());
    const size_t width = *p == '\x1b' ? 1 : p + 1 < end && p[1] == '\x9b' ? 2 : 0;
    const size_t behind = width == 0 ? kNone : MatchSequence(line, at + width);
    if (behind == kNone) {
      ++p;
      continue;
    }
    if (!copied) scratch->clear();
    copied = true;
    scratch->append(line.substr(kept, at - kept));
    kept = behind;
    p = line.data() + behind;
  }
  if (!copied) return line;
  scratch->append(line.substr(kept));
  return *scratch;
}

}  // namespace skald
