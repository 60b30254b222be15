#include "base/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace skald {
namespace {

#ifdef __SSE4_2__
inline uint32_t Step1(uint32_t crc, unsigned char byte) { return _mm_crc32_u8(crc, byte); }
inline uint32_t Step8(uint32_t crc, const char* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
#else
constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();
inline uint32_t Step1(uint32_t crc, unsigned char byte) { return (crc >> 8) ^ kTable[(crc ^ byte) & 255]; }
inline uint32_t Step8(uint32_t crc, const char* p) {
  for (int i = 0; i < 8; ++i) crc = Step1(crc, static_cast<unsigned char>(p[i]));
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  crc = ~crc;
  const char* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) crc = Step8(crc, p);
  for (; n > 0; --n, ++p) crc = Step1(crc, static_cast<unsigned char>(*p));
  return ~crc;
}

}  // namespace skald
