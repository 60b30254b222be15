// Which runs of four bytes ("grams") stand in a text, as a bit set: tells that a literal does not stand in it
// without a look at the text. Letters count alike in both cases, so one set serves searches of either kind.
// May say "maybe" for what is not there, never "no" for what is. storage/FORMAT.md has the stored form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skald {

inline constexpr size_t kGramBytes = 4;

// Stored: never changed. The place in a set of 2^n bits is the top n bits.
inline uint32_t GramHash(uint32_t little_endian_bytes) {
  return (little_endian_bytes | 0x20202020u) * 0x9E3779B1u;
}

// Collects the grams of several texts. Keeps its memory between uses. Not thread-safe.
class GramSetBuilder {
 public:
  static constexpr int kMinLog2Bits = 9;
  static constexpr int kMaxLog2Bits = 17;

  // Begins anew. text_bytes: about what will be added, which decides how fine the set can get.
  void Start(size_t text_bytes);
  void Add(std::string_view text);
  // Appends the set, 2^n bits (n in *log2_bits), as few as fit into max_bytes. False, and nothing appended,
  // where not even the smallest set does.
  bool Finish(size_t max_bytes, int* log2_bits, std::string* out);

 private:
  std::vector<unsigned char> marks_;  // 0 or 1, one a place
  int log2_places_ = 0;
};

// Literals of which at least one must stand in a text.
class GramNeed {
 public:
  // Literals shorter than a gram say nothing: the need then holds for any text.
  void AddAlternative(std::string_view literal);
  // Several literals that must all stand there, as one alternative.
  void AddAlternative(const std::vector<std::string_view>& literals);

  bool Trivial() const { return alternatives_.empty() || trivial_; }
  // bits: a set of 2^log2_bits bits.
  bool MayHold(const unsigned char* bits, int log2_bits) const;

 private:
  std::vector<std::vector<uint32_t>> alternatives_;  // hashes of grams
  bool trivial_ = false;
};

}  // namespace skald
