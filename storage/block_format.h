// Constants of the block format that encoder and decoder share. Stored: see storage/FORMAT.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skald::block_format {

inline constexpr uint8_t kVersion = 1;
// magic (8), CRC (4), header size (4)
inline constexpr size_t kFixedHeaderSize = 16;
inline constexpr size_t kHeaderCrcOffset = 8;
inline constexpr size_t kHeaderSizeOffset = 12;  // what the CRC covers begins here

// First byte of the times section.
inline constexpr int kTimeUnits = 4;
inline constexpr int64_t kTimeUnitNs[kTimeUnits] = {1, 1'000, 1'000'000, 1'000'000'000};

// How a metadata section keeps its indexes.
enum class IndexMode : uint8_t { kRuns = 0, kU8 = 1, kU16 = 2, kU32 = 4 };

}  // namespace skald::block_format
