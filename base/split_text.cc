#include "base/split_text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/simd.h"

namespace skald {
namespace {

// Stored: never changed. Control characters that logs rarely hold; tab, line feed and carriage return are not
// among them.
constexpr unsigned char kDigitCodes[16] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                           0x0b, 0x0c, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13};
constexpr unsigned char kHex8 = 0x14;
constexpr unsigned char kHex16 = 0x15;
constexpr unsigned char kHex32 = 0x16;
constexpr unsigned char kHexOfLength = 0x17;  // the next byte is the length
constexpr unsigned char kLiteral = 0x18;      // the next byte stands for itself
constexpr unsigned char kLastCode = kLiteral;
constexpr size_t kMinHex = 8;
constexpr size_t kMaxHex = 255;

// Of each byte up to kLastCode: 0 it stands for itself, 1 to 16 so many digits, above: others.
constexpr std::array<unsigned char, kLastCode + 1> kMeaning = [] {
  std::array<unsigned char, kLastCode + 1> out{};
  for (unsigned char i = 0; i < 16; ++i) out[kDigitCodes[i]] = static_cast<unsigned char>(i + 1);
  for (unsigned char c = kHex8; c <= kLastCode; ++c) out[c] = c;
  return out;
}();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexLetter(char c) { return c >= 'a' && c <= 'f'; }
bool IsWord(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

void SplitTextInto(std::string_view text, SplitText* out) {
  const size_t n = text.size();
  for (size_t i = 0; i < n;) {
    const char c = text[i];
    if (!IsDigit(c) && !IsHexLetter(c)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte <= kLastCode && kMeaning[byte] != 0) out->rest += static_cast<char>(kLiteral);
      out->rest += c;
      ++i;
      continue;
    }
    // A word of digits and letters to f, some of either, is taken for a hexadecimal number.
    if (i == 0 || !IsWord(text[i - 1])) {
      size_t end = i;
      bool digits = false;
      bool letters = false;
      for (; end < n && (IsDigit(text[end]) || IsHexLetter(text[end])); ++end) {
        digits = digits || IsDigit(text[end]);
        letters = letters || IsHexLetter(text[end]);
      }
      const size_t size = end - i;
      if (digits && letters && size >= kMinHex && size <= kMaxHex && (end == n || !IsWord(text[end]))) {
        if (size == 8 || size == 16 || size == 32) {
          out->rest += static_cast<char>(size == 8 ? kHex8 : size == 16 ? kHex16 : kHex32);
        } else {
          out->rest += static_cast<char>(kHexOfLength);
          out->rest += static_cast<char>(size);
        }
        out->hex.append(text.substr(i, size));
        i = end;
        continue;
      }
    }
    if (!IsDigit(c)) {
      out->rest += c;
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < n && end - i < 16 && IsDigit(text[end])) ++end;
    out->rest += static_cast<char>(kDigitCodes[end - i - 1]);
    out->digits.append(text.substr(i, end - i));
    i = end;
  }
}

bool JoinText(std::string_view rest, std::string_view digits, std::string_view hex, char* out, size_t n) {
  const char* r = rest.data();
  const char* const r_end = r + rest.size();
  const char* d = digits.data();
  const char* const d_end = d + digits.size();
  const char* h = hex.data();
  const char* const h_end = h + hex.size();
  char* const end = out + n;
  const __m128i last_code = _mm_set1_epi8(static_cast<char>(kLastCode));
  while (r < r_end) {
    // Far from all ends: sixteen bytes at once, of which those before the first that may be a code count, and
    // then sixteen digits, of which as many count as the code says. A byte that stands for itself takes the
    // same way.
    while (r_end - r >= 17 && end - out >= 48 && d_end - d >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(r));
      const auto codes =
          static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last_code), bytes)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
      if (codes == 0) {
        r += 16;
        out += 16;
        continue;
      }
      const int plain = std::countr_zero(codes);
      const auto code = static_cast<unsigned char>(r[plain]);
      const size_t meaning = kMeaning[code];
      if (meaning > 16) {
        if (code > kHex32 || h_end - h < 32) break;  // below
        const size_t size = size_t{8} << (code - kHex8);
        r += plain + 1;
        std::memcpy(out + plain, h, 32);
        h += size;
        out += plain + size;
        continue;
      }
      r += plain + 1;
      out += plain;
      const bool itself = meaning == 0;
      std::memcpy(out, d, 16);
      *out = itself ? static_cast<char>(code) : *d;
      d += meaning;
      out += meaning + (itself ? 1 : 0);
    }
    // The same step by step, also near the ends.
    if (end - out >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(r));
      const auto codes =
          static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last_code), bytes)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
      const size_t plain = std::min<size_t>(codes == 0 ? 16 : static_cast<size_t>(std::countr_zero(codes)),
                                            static_cast<size_t>(r_end - r));
      r += plain;
      out += plain;
      if (plain == 16 || r == r_end) continue;
    }
    const auto code = static_cast<unsigned char>(*r++);
    const unsigned char meaning = code <= kLastCode ? kMeaning[code] : 0;
    if (meaning == 0) {
      if (out == end) return false;
      *out++ = static_cast<char>(code);
      continue;
    }
    if (meaning <= 16) {
      const size_t size = meaning;
      if (static_cast<size_t>(d_end - d) < size || static_cast<size_t>(end - out) < size) return false;
      if (end - out >= 16) {
        std::memcpy(out, d, 16);  // d has its slack
      } else {
        std::memcpy(out, d, size);
      }
      d += size;
      out += size;
      continue;
    }
    if (meaning == kLiteral) {
      if (r == r_end || out == end) return false;
      *out++ = *r++;
      continue;
    }
    size_t size = meaning == kHex8 ? 8 : meaning == kHex16 ? 16 : 32;
    if (meaning == kHexOfLength) {
      if (r == r_end) return false;
      size = static_cast<unsigned char>(*r++);
    }
    if (static_cast<size_t>(h_end - h) < size || static_cast<size_t>(end - out) < size) return false;
    std::memcpy(out, h, size);
    h += size;
    out += size;
  }
  return out == end && d == d_end && h == h_end;
}

}  // namespace skald
