#include "base/allocator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace skald {
namespace {

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Allocator, WhatIsFreeBetweenPiecesGoesBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "another allocator";
#endif
  constexpr size_t kPiece = 20'000;
  constexpr size_t kPieces = 6'000;
  constexpr size_t kStays = 16;  // each so many-th
  std::vector<std::unique_ptr<char[]>> pieces;
  for (size_t i = 0; i < kPieces; ++i) {
    pieces.push_back(std::make_unique<char[]>(kPiece));
    std::memset(pieces.back().get(), 1, kPiece);
  }
  const int64_t full = ResidentBytes();
  for (size_t i = 0; i < kPieces; ++i) {
    if (i % kStays != 0) pieces[i].reset();
  }
  ReturnFreedMemory();
  EXPECT_LT(ResidentBytes(), full - static_cast<int64_t>(kPiece * kPieces / 2));
  for (size_t i = 0; i < kPieces; i += kStays) EXPECT_EQ(pieces[i][kPiece - 1], 1);
}

}  // namespace
}  // namespace skald
