// Counts distinct hashes in bounded memory (HyperLogLog, Flajolet et al. 2007, with Ertl's estimator of 2017,
// which needs no bias tables).
//
// Up to kExact distinct hashes are kept as they are, and the count is exact but for equal hashes of different
// values (1 in 2^64). Beyond that 2^14 registers of a byte, 16 KiB, are kept: the standard error is
// 1.04 / sqrt(2^14) = 0.81 %, whatever the count is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace skald {

// Not thread-safe; one per thread, merged at the end. The order of additions and merges does not change the
// count.
class HyperLogLog {
 public:
  static constexpr size_t kExact = 1024;

  // hash: 64 well-mixed bits (XXH3).
  void Add(uint64_t hash);
  void Merge(const HyperLogLog& other);
  uint64_t Count() const;
  // Of memory held beside the object itself.
  size_t bytes() const { return hashes_.capacity() * sizeof(uint64_t) + registers_.capacity(); }

 private:
  static constexpr int kPrecision = 14;
  static constexpr size_t kRegisters = size_t{1} << kPrecision;
  static constexpr int kMaxRank = 64 - kPrecision + 1;

  void AddToRegisters(uint64_t hash);
  void SortHashes();
  void LeaveExact();

  std::vector<uint64_t> hashes_;  // sorted and distinct up to sorted_; empty once there are registers
  size_t sorted_ = 0;
  std::vector<uint8_t> registers_;  // the highest rank seen, 0 = none
};

}  // namespace skald
