// Writes the rows of several segments of one shard anew as one segment: each stream in order of time, in
// blocks as large as its rows make them, small streams together, repetitions and what a sieve refuses left
// out. Compaction, retention and deletes are all made of it.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/compress.h"
#include "storage/index/label_index.h"
#include "storage/segment/segment_reader.h"

namespace skald {

// Says which rows do not go on. Used by one thread.
class RowSieve {
 public:
  virtual ~RowSieve() = default;

  enum class Verdict { kKeepAll, kDropAll, kAskForRows };
  // Of a stream's rows with times in [min_ns, max_ns].
  virtual Verdict Judge(std::string_view tenant, const Labels& stream, int64_t min_ns, int64_t max_ns) = 0;
  // Appends those of rows [begin, end) that are dropped, ascending. Only asked about streams and times that
  // Judge wants to be asked about or drops.
  virtual void Drop(std::string_view tenant, const Labels& stream, const Rows& rows, uint32_t begin,
                    uint32_t end, std::vector<uint32_t>* dropped) = 0;
};

struct MergeInput {
  SegmentInfo info;
  std::shared_ptr<const SegmentReader> reader;
  SegmentFooter footer;
};

struct MergeOptions {
  SegmentId output{0};
  uint64_t block_text_bytes = 512 << 10;   // of a stream that has so much
  uint64_t shared_text_bytes = 256 << 10;  // of a block that streams share
  // Whether blocks that may stay as they are are encoded anew nevertheless, unless they are compacted ones.
  bool encode_anew = true;
  // A block that cannot be read is left out; otherwise the merge fails with DataLoss.
  bool leave_out_damaged = false;
  RowSieve* sieve = nullptr;                     // may be null
  const std::atomic<bool>* cancelled = nullptr;  // may be null; the merge then ends with Cancelled
};

struct MergeResult {
  // For the index: the new segment (none when no row was left and its `covered` is not needed), its entries,
  // and what it replaces. Not committed yet.
  SegmentCommit commit;
  uint64_t rows = 0;           // written
  uint64_t repeated_rows = 0;  // left out as repetitions
  uint64_t dropped_rows = 0;   // by the sieve
  uint64_t damaged_blocks = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
};

// inputs: of one shard, not empty, in the order of their ids. keep_empty: a segment is written even if no row
// is left. Memory: a decoded block of each input, and what of one stream overlaps in time, up to 64 MiB. When
// it fails nothing is left behind.
absl::StatusOr<MergeResult> MergeSegments(const std::vector<MergeInput>& inputs, const MergeOptions& options,
                                          bool keep_empty, LabelIndex* index, BlobStore* blobs);

}  // namespace skald
