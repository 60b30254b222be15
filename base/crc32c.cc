#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#define SKALD_CRC_INSTRUCTION
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define SKALD_CRC_INSTRUCTION
#endif

namespace skald {
namespace {

#ifdef SKALD_CRC_INSTRUCTION
#ifdef __SSE4_2__
inline uint32_t Step1(uint32_t crc, unsigned char byte) { return _mm_crc32_u8(crc, byte); }
inline uint32_t StepWord(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
#else
inline uint32_t Step1(uint32_t crc, unsigned char byte) { return __crc32cb(crc, byte); }
inline uint32_t StepWord(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }
#endif
inline uint32_t Step8(uint32_t crc, const char* p) {
  uint64_t word;
  std::memcpy(&word, p, 8);
  return StepWord(crc, word);
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

#ifdef SKALD_CRC_INSTRUCTION
// The instruction takes three cycles but a new one may begin in each, so three lanes are worked at once and
// put together: a lane behind counts as if that many zero bytes stood before it.
constexpr size_t kLane = 1024;

// What kLane zero bytes do to a CRC, by each of its four bytes.
using LaneTable = std::array<std::array<uint32_t, 256>, 4>;

LaneTable MakeLaneTable() {
  LaneTable table{};
  for (uint32_t bit = 0; bit < 32; ++bit) {
    uint32_t crc = uint32_t{1} << bit;
    for (size_t i = 0; i < kLane / 8; ++i) crc = StepWord(crc, 0);
    for (uint32_t value = 0; value < 256; ++value) {
      if ((value >> bit % 8 & 1) != 0) table[bit / 8][value] ^= crc;
    }
  }
  return table;
}

uint32_t AfterLane(const LaneTable& table, uint32_t crc) {
  return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24];
}

uint32_t ThreeLanes(uint32_t crc, const char** p, size_t* n) {
  static const LaneTable kLaneTable = MakeLaneTable();
  while (*n >= 3 * kLane) {
    uint32_t second = 0;
    uint32_t third = 0;
    const char* q = *p;
    for (size_t i = 0; i < kLane; i += 8, q += 8) {
      crc = Step8(crc, q);
      second = Step8(second, q + kLane);
      third = Step8(third, q + 2 * kLane);
    }
    crc = AfterLane(kLaneTable, AfterLane(kLaneTable, crc) ^ second) ^ third;
    *p += 3 * kLane;
    *n -= 3 * kLane;
  }
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  crc = ~crc;
  const char* p = bytes.data();
  size_t n = bytes.size();
#ifdef SKALD_CRC_INSTRUCTION
  crc = ThreeLanes(crc, &p, &n);
#endif
  for (; n >= 8; n -= 8, p += 8) crc = Step8(crc, p);
  for (; n > 0; --n, ++p) crc = Step1(crc, static_cast<unsigned char>(*p));
  return ~crc;
}

}  // namespace skald
