#include "storage/block/block_patterns.h"

#include <algorithm>

#include "base/coding.h"
#include "text/level.h"

namespace skald {
namespace {

int64_t BucketOf(int64_t t_ns) {
  const int64_t bucket = t_ns / kPatternBucketNs;
  return t_ns % kPatternBucketNs < 0 ? bucket - 1 : bucket;
}

constexpr std::string_view kLevelColumn = "detected_level";

}  // namespace

const BlockPatterns::Slice* BlockPatterns::Find(uint32_t row_begin) const {
  const auto at = std::lower_bound(slices.begin(), slices.end(), row_begin,
                                   [](const Slice& slice, uint32_t row) { return slice.row_begin < row; });
  return at != slices.end() && at->row_begin == row_begin ? &*at : nullptr;
}

void BlockPatternsBuilder::Clear() {
  miner_.Clear();
  out_ = BlockPatterns();
  for (std::vector<uint32_t>& of_level : series_of_) of_level.clear();
  counts_.clear();
  touched_.clear();
  in_bucket_ = false;
}

void BlockPatternsBuilder::BeginSlice() {
  EndBucket();
  BlockPatterns::Slice slice;
  if (!out_.slices.empty()) slice.row_begin = out_.slices.back().row_begin + out_.slices.back().rows;
  out_.slices.push_back(std::move(slice));
}

void BlockPatternsBuilder::EndBucket() {
  if (!in_bucket_) return;
  std::sort(touched_.begin(), touched_.end());
  for (const uint32_t series : touched_) {
    out_.slices.back().counts.push_back({bucket_, series, counts_[series]});
    counts_[series] = 0;
  }
  touched_.clear();
  in_bucket_ = false;
}

uint32_t BlockPatternsBuilder::LevelOf(std::string_view level) {
  const auto at = std::find(out_.levels.begin(), out_.levels.end(), level);
  if (at != out_.levels.end()) return static_cast<uint32_t>(at - out_.levels.begin());
  out_.levels.emplace_back(level);
  return static_cast<uint32_t>(out_.levels.size() - 1);
}

uint32_t BlockPatternsBuilder::SeriesOf(uint32_t pattern, uint32_t level) {
  if (pattern >= series_of_.size()) series_of_.resize(pattern + 1);
  std::vector<uint32_t>& of_level = series_of_[pattern];
  if (level >= of_level.size()) of_level.resize(level + 1);
  if (of_level[level] == 0) {
    out_.series.push_back({pattern, level});
    counts_.push_back(0);
    of_level[level] = static_cast<uint32_t>(out_.series.size());
  }
  return of_level[level] - 1;
}

void BlockPatternsBuilder::Add(const Rows& rows, uint32_t begin, uint32_t end) {
  const MetadataColumn* column = rows.FindMetadata(kLevelColumn);
  constexpr uint32_t kUnknown = UINT32_MAX;
  levels_of_column_.assign(column == nullptr ? 1 : column->value_count() + 1, kUnknown);
  for (uint32_t row = begin; row < end; ++row) {
    const int64_t t_ns = rows.time_ns[row];
    // Unsigned, for times near the ends of what 64 bits hold.
    if (!in_bucket_ || static_cast<uint64_t>(t_ns) - bucket_begin_ns_ >= uint64_t{kPatternBucketNs}) {
      EndBucket();
      bucket_ = BucketOf(t_ns);
      bucket_begin_ns_ = static_cast<uint64_t>(bucket_) * uint64_t{kPatternBucketNs};
      in_bucket_ = true;
    }
    const uint32_t index = column == nullptr ? 0 : column->index[row];
    uint32_t& level = levels_of_column_[index];
    if (level == kUnknown) level = LevelOf(index == 0 ? std::string_view() : column->value(index - 1));
    const uint32_t series = SeriesOf(miner_.Add(rows.line(row)), level);
    if (counts_[series]++ == 0) touched_.push_back(series);
  }
  out_.slices.back().rows += end - begin;
}

BlockPatterns BlockPatternsBuilder::Take() {
  EndBucket();
  out_.texts.reserve(miner_.size());
  for (uint32_t i = 0; i < miner_.size(); ++i) out_.texts.push_back(miner_.Text(i));
  return std::move(out_);
}

void EncodeBlockPatterns(const BlockPatterns& patterns, std::string* out) {
  PutVarint(out, patterns.texts.size());
  for (const std::string& text : patterns.texts) PutText(out, text);
  PutVarint(out, patterns.levels.size());
  for (const std::string& level : patterns.levels) PutText(out, level);
  PutVarint(out, patterns.series.size());
  for (const BlockPatterns::Series& series : patterns.series) {
    PutVarint(out, series.pattern);
    PutVarint(out, series.level);
  }
  PutVarint(out, patterns.slices.size());
  for (const BlockPatterns::Slice& slice : patterns.slices) {
    PutVarint(out, slice.counts.size());
    int64_t bucket = 0;
    for (const BlockPatterns::Count& count : slice.counts) {
      PutSignedVarint(out, count.bucket - bucket);
      PutVarint(out, count.series);
      PutVarint(out, count.rows);
      bucket = count.bucket;
    }
  }
}

bool DecodeBlockPatterns(std::string_view raw, uint32_t block_rows, BlockPatterns* out) {
  *out = BlockPatterns();
  ByteReader in(raw);
  // Each of what is counted takes a byte at least.
  const auto count = [&in]() -> uint64_t {
    const uint64_t n = in.Varint();
    return in.ok() && n <= in.remaining() ? n : 0;
  };
  out->texts.resize(count());
  for (std::string& text : out->texts) text = in.Text();
  out->levels.resize(count());
  for (std::string& level : out->levels) level = in.Text();
  out->series.resize(count());
  for (BlockPatterns::Series& series : out->series) {
    const uint64_t pattern = in.Varint();
    const uint64_t level = in.Varint();
    if (!in.ok() || pattern >= out->texts.size() || level >= out->levels.size()) return false;
    series = {static_cast<uint32_t>(pattern), static_cast<uint32_t>(level)};
  }
  out->slices.resize(count());
  uint64_t row = 0;
  for (BlockPatterns::Slice& slice : out->slices) {
    slice.row_begin = static_cast<uint32_t>(row);
    slice.counts.resize(count());
    uint64_t bucket = 0;
    for (BlockPatterns::Count& c : slice.counts) {
      bucket += static_cast<uint64_t>(in.SignedVarint());
      const uint64_t series = in.Varint();
      const uint64_t rows = in.Varint();
      if (!in.ok() || series >= out->series.size() || rows > block_rows - row) return false;
      c = {static_cast<int64_t>(bucket), static_cast<uint32_t>(series), static_cast<uint32_t>(rows)};
      row += rows;
    }
    slice.rows = static_cast<uint32_t>(row) - slice.row_begin;
  }
  return in.ok() && in.remaining() == 0 && row == block_rows;
}

}  // namespace skald
