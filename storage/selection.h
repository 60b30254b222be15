// Puts a Selection together: blocks over heads and stored blocks, and which slices of a stream overlap.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "storage/head.h"
#include "storage/index/label_index.h"
#include "storage/log_source.h"
#include "storage/segment/segment_cache.h"

namespace skald {

// One Select. Not thread-safe. What it gives out lives on without it.
class SelectionBuilder {
 public:
  // damaged is raised by each Read that finds a block damaged.
  explicit SelectionBuilder(std::shared_ptr<std::atomic<uint64_t>> damaged) : damaged_(std::move(damaged)) {}

  // Of one stream: in order of arrival.
  void AddHeadChunk(StreamId stream, std::shared_ptr<const HeadChunk> chunk);
  void AddSealedBlock(StreamId stream, std::shared_ptr<const SealedBlock> block);
  // In any order, and before or after what is in memory.
  void AddStored(StreamId stream, SegmentId segment, const BlockEntry& entry);

  // Of what was added, in no order.
  const std::vector<StreamId>& streams() const { return streams_; }

  // streams: those of streams(), sorted by label text. Opens the segments that are needed. NotFound when one
  // of them is gone, which a second try from the start usually cures; with `missing_is_damage` its blocks are
  // given out nevertheless, and answer DataLoss when they are read.
  absl::StatusOr<Selection> Finish(std::vector<StreamRef> streams, SegmentCache* segments,
                                   bool missing_is_damage);

 private:
  class MemoryBlock;
  class EncodedBlock;
  class StoredBlock;

  // The stream's place in streams_, which stands in slices until Finish.
  uint32_t Place(StreamId stream);

  Selection selection_;
  std::vector<StreamId> streams_;
  const std::shared_ptr<std::atomic<uint64_t>> damaged_;
  absl::flat_hash_map<uint32_t, uint32_t> places_;  // by stream id
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, std::shared_ptr<StoredBlock>>
      stored_;                                    // by segment and offset
  std::vector<std::vector<Slice>*> slice_lists_;  // of all blocks, to set `overlaps` in
};

// Sets `overlaps` on each slice of a stream that shares a moment (ends included) with another slice of the
// same stream.
void MarkOverlaps(const std::vector<std::vector<Slice>*>& lists, size_t streams);

}  // namespace skald
