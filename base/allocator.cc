#include "base/allocator.h"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace skald {

void KeepLittleFreeMemory() {
  // Setting it keeps glibc from raising it to 32 MiB as pieces are freed. Pieces below are frequent, and
  // asking the system for each costs more than it gains.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 4 << 20);
  ::mallopt(M_ARENA_MAX, static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 2u, 16u)));
}

void ReturnFreedMemory() {
  constexpr size_t kMuch = size_t{16} << 20;
  if (::mallinfo2().fordblks >= kMuch) ::malloc_trim(0);
}

}  // namespace skald
