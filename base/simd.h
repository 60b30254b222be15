// The vector instructions that the code is written in: x86's, and on other processors SIMDe's translation of
// them (Debian's libsimde-dev), which makes NEON of the sixteen-byte ones. The only place that includes them.
//
// SKALD_AVX2 marks a function that may use 32-byte vectors; call it only where CpuHasAvx2().
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#define SKALD_AVX2 __attribute__((target("avx2")))
#else
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#define SKALD_AVX2
#endif

namespace skald {

inline bool CpuHasAvx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

}  // namespace skald
