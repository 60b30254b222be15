// What patterns the lines of a block are of, and how many of each over time: counted when the block is made,
// so that a question for patterns reads no line. storage/FORMAT.md describes the stored form.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/rows.h"
#include "text/pattern_miner.h"

namespace skald {

// Times are told in steps of this width: t is in bucket floor(t / width).
inline constexpr int64_t kPatternBucketNs = 10'000'000'000;
// Patterns of one block; lines of further kinds are of the pattern `<_>`.
inline constexpr size_t kMaxPatternsPerBlock = 64;

struct BlockPatterns {
  struct Series {
    uint32_t pattern = 0;  // in texts
    uint32_t level = 0;    // in levels
  };
  struct Count {
    int64_t bucket = 0;
    uint32_t series = 0;
    uint32_t rows = 0;
  };
  struct Slice {
    uint32_t row_begin = 0;
    uint32_t rows = 0;
    std::vector<Count> counts;  // by bucket; they add up to the slice's rows
  };
  std::vector<std::string> texts;
  std::vector<std::string> levels;  // values of detected_level, "" for none
  std::vector<Series> series;
  std::vector<Slice> slices;  // all of the block's, in its order

  // Null if there is none.
  const Slice* Find(uint32_t row_begin) const;
};

// Collects the patterns of one block after the other. Not thread-safe.
class BlockPatternsBuilder {
 public:
  BlockPatternsBuilder() : miner_(kMaxPatternsPerBlock) {}

  // A new block.
  void Clear();
  // Rows that are added from here on are of another slice, whose times begin anew.
  void BeginSlice();
  // Rows [begin, end), which ascend in time from those before in the slice.
  void Add(const Rows& rows, uint32_t begin, uint32_t end);
  // The builder is to be cleared after it.
  BlockPatterns Take();

 private:
  void EndBucket();
  uint32_t LevelOf(std::string_view level);
  uint32_t SeriesOf(uint32_t pattern, uint32_t level);

  PatternMiner miner_;
  BlockPatterns out_;
  std::vector<std::vector<uint32_t>> series_of_;  // [pattern][level], 1 + the series, 0 = not met
  std::vector<uint32_t> counts_;                  // of each series in the current bucket
  std::vector<uint32_t> touched_;                 // series with counts in it
  std::vector<uint32_t> levels_of_column_;
  bool in_bucket_ = false;
  int64_t bucket_ = 0;
  uint64_t bucket_begin_ns_ = 0;
};

// Appends the stored form.
void EncodeBlockPatterns(const BlockPatterns& patterns, std::string* out);
// False for malformed bytes, or counts that do not add up to block_rows.
bool DecodeBlockPatterns(std::string_view raw, uint32_t block_rows, BlockPatterns* out);

}  // namespace skald
