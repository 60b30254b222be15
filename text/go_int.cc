#include "text/go_int.h"

namespace skald {

std::optional<int64_t> ParseGoInt(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  unsigned base = 10;
  bool after_digit = false;  // an underscore may stand here
  if (text[0] == '0' && text.size() > 1) {
    const char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
    after_digit = true;
  }
  if (text.empty() || text.back() == '_') return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c == '_') {
      if (!after_digit) return std::nullopt;
      after_digit = false;
      continue;
    }
    const char lower = static_cast<char>(c | 0x20);
    const unsigned digit = c >= '0' && c <= '9'           ? static_cast<unsigned>(c - '0')
                           : lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a' + 10)
                                                          : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{base}, &value) ||
        __builtin_add_overflow(value, uint64_t{digit}, &value)) {
      return std::nullopt;
    }
    after_digit = true;
  }
  const uint64_t limit = uint64_t{1} << 63;
  if (negative ? value > limit : value >= limit) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - value : value);
}

}  // namespace skald
