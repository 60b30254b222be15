// A gram set (gram_filter.h) for dense text that may have few bits: of the grams a part is chosen by their
// hashes, so that about half of the bits stay 0. A literal is held against those of its grams that are of the
// chosen part: half as many questions at a set that is half full refuse far more than all of them at a set
// that is nearly full. storage/FORMAT.md has the stored form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/gram_filter.h"

namespace skald {

// In the place of a set's log2_bits, for GramNeed::MayHold and BlockSummary: the bits are such a sample, and
// SampleHead stands before them.
inline constexpr int kSampledGrams = 0;

// Of 256 grams so many are chosen (1 to 256), out of the set of `bits` bits.
struct SampleHead {
  uint32_t bits = 0;
  uint32_t chosen = 256;
};

// Stored: never changed. Of a gram's hash the top 20 bits count; multiplied, the top 8 choose, and the 32
// below them name the bit.
inline uint64_t SampleHash(uint32_t gram_hash) { return uint64_t{gram_hash >> 12} * 0xD6E8FEB86659FD93u; }
inline bool IsChosen(uint64_t sample_hash, uint32_t chosen) { return (sample_hash >> 56) < chosen; }
inline uint32_t SampleBit(uint64_t sample_hash, uint32_t bits) {
  return static_cast<uint32_t>((sample_hash >> 24 & 0xffffffff) * bits >> 32);
}

// Collects the grams of several texts. Keeps its memory (1 MiB) between uses. Not thread-safe.
class GramSampleBuilder {
 public:
  // Below this a set of all grams does as well.
  static constexpr size_t kMinText = 128 << 10;
  static constexpr size_t kMaxSetBytes = 64 << 10;

  void Start();
  void Add(std::string_view text);
  // Appends the bits, max_bytes of them or kMaxSetBytes; answers how many of 256 grams are chosen.
  // max_bytes > 0.
  uint32_t Finish(size_t max_bytes, std::string* out);

 private:
  std::vector<unsigned char> marks_;  // 0 or 1, by the top 20 bits of a gram's hash
};

}  // namespace skald
