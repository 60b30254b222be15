// Constants of the block format that encoder and decoder share. Stored: see storage/FORMAT.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skald::block_format {

inline constexpr uint8_t kVersion = 1;
inline constexpr uint8_t kVersionWithSummary = 2;  // sections 6 and 7 stand before the others
inline constexpr uint8_t kVersionCompacted = 3;    // sections of other codecs than LZ4, written by compaction
inline constexpr uint8_t kVersionWithSample = 4;   // the same, and section 9 in the place of section 7
// magic (8), CRC (4), header size (4)
inline constexpr size_t kFixedHeaderSize = 16;
inline constexpr size_t kHeaderCrcOffset = 8;
inline constexpr size_t kHeaderSizeOffset = 12;  // what the CRC covers begins here

// First byte of the times section.
inline constexpr int kTimeUnits = 4;
inline constexpr int64_t kTimeUnitNs[kTimeUnits] = {1, 1'000, 1'000'000, 1'000'000'000};

// Time counts: the widths that a block chooses from, by their place, each a multiple of the one before.
inline constexpr int64_t kCountWidthNs[] = {
    1'000'000'000,   5'000'000'000,     10'000'000'000,    30'000'000'000,     60'000'000'000,
    300'000'000'000, 1'800'000'000'000, 3'600'000'000'000, 21'600'000'000'000, 86'400'000'000'000};
inline constexpr size_t kMaxTimeCounts = 128;
inline constexpr uint32_t kRowsPerTimeCount = 4;  // at least, over all: fewer are as quickly decoded

// Grams: no more than this part of the block's other sections, and none for texts below this size.
inline constexpr size_t kGramsPart = 17;
inline constexpr uint32_t kMinGramsText = 2048;
inline constexpr uint8_t kGramsFlagBackslash = 1;

// Patterns: the same. Blocks whose every line is of a kind of its own, or comes minutes after the one before,
// have none: their lines are looked at when somebody asks.
inline constexpr size_t kPatternsPart = 16;

// How a metadata section keeps its indexes.
enum class IndexMode : uint8_t { kRuns = 0, kU8 = 1, kU16 = 2, kU32 = 4 };

}  // namespace skald::block_format
