#include "base/hyper_log_log.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace skald {
namespace {

// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1;
  double z = x;
  double before = 0;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1;
  double z = 1 - x;
  double before = 0;
  do {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

}  // namespace

void HyperLogLog::Add(uint64_t hash) {
  if (!registers_.empty()) return AddToRegisters(hash);
  hashes_.push_back(hash);
  if (hashes_.size() < 16 || hashes_.size() < 2 * sorted_) return;
  SortHashes();
  if (hashes_.size() > kExact) LeaveExact();
}

void HyperLogLog::Merge(const HyperLogLog& other) {
  for (const uint64_t hash : other.hashes_) Add(hash);
  if (other.registers_.empty()) return;
  if (registers_.empty()) LeaveExact();
  for (size_t i = 0; i < kRegisters; ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

uint64_t HyperLogLog::Count() const {
  if (registers_.empty()) {
    HyperLogLog copy = *this;
    copy.SortHashes();
    if (copy.hashes_.size() <= kExact) return copy.hashes_.size();
    copy.LeaveExact();
    return copy.Count();
  }
  std::array<uint32_t, kMaxRank + 1> with_rank{};
  for (const uint8_t rank : registers_) ++with_rank[rank];
  constexpr double kM = static_cast<double>(kRegisters);
  double z = kM * Tau(1 - with_rank[kMaxRank] / kM);
  for (int rank = kMaxRank - 1; rank >= 1; --rank) z = 0.5 * (z + with_rank[static_cast<size_t>(rank)]);
  z += kM * Sigma(with_rank[0] / kM);
  return static_cast<uint64_t>(std::llround(kM * kM / (2 * std::log(2.0) * z)));
}

void HyperLogLog::AddToRegisters(uint64_t hash) {
  const size_t place = hash >> (64 - kPrecision);
  const int rank = std::min(std::countl_zero(hash << kPrecision) + 1, kMaxRank);
  registers_[place] = std::max(registers_[place], static_cast<uint8_t>(rank));
}

void HyperLogLog::SortHashes() {
  std::sort(hashes_.begin(), hashes_.end());
  hashes_.erase(std::unique(hashes_.begin(), hashes_.end()), hashes_.end());
  sorted_ = hashes_.size();
}

void HyperLogLog::LeaveExact() {
  registers_.resize(kRegisters);
  for (const uint64_t hash : hashes_) AddToRegisters(hash);
  std::vector<uint64_t>().swap(hashes_);  // gives the memory back
  sorted_ = 0;
}

}  // namespace skald
