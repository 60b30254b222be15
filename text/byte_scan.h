// Finding the next byte of a small set, sixteen at a time. All functions look at [p, end) only and return end
// where there is none.
#pragma once

#include "base/simd.h"

namespace skald {

// Each set is a type with Match(vector) and Match(byte), so that the loop below is compiled once a set.
template <class Set>
inline const char* FindByte(const char* p, const char* end, Set set) {
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const int mask = _mm_movemask_epi8(set.Match(bytes));
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
  while (p < end && !set.Match(*p)) ++p;
  return p;
}

// One of the given bytes.
template <char... kBytes>
struct AnyOf {
  __m128i Match([[maybe_unused]] __m128i bytes) const {
    __m128i out = _mm_setzero_si128();
    ((out = _mm_or_si128(out, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(kBytes)))), ...);
    return out;
  }
  bool Match([[maybe_unused]] char c) const { return ((c == kBytes) || ...); }
};

// A byte <= 0x20, or one of the given bytes.
template <char... kBytes>
struct BlankOr {
  __m128i Match([[maybe_unused]] __m128i bytes) const {
    const __m128i blank = _mm_set1_epi8(0x20);
    return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, blank), bytes), AnyOf<kBytes...>().Match(bytes));
  }
  bool Match(char c) const { return static_cast<unsigned char>(c) <= 0x20 || AnyOf<kBytes...>().Match(c); }
};

struct NonAscii {
  __m128i Match(__m128i bytes) const { return bytes; }  // movemask takes the top bit of each
  bool Match(char c) const { return static_cast<signed char>(c) < 0; }
};

}  // namespace skald
