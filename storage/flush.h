// Turns the frozen heads of a shard into segments.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>

#include "storage/head.h"
#include "storage/index/label_index.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_footer.h"
#include "storage/store_observer.h"

namespace skald {

// Writes the group of segments of a frozen head set (segment_group.h), one for each day of data (limits.h
// says when days share one), and returns what the index has to learn. Blocks are sorted by tenant, labels and
// time; streams of one tenant with little text share blocks. Segments that an earlier, failed try of the same
// set left are replaced. On errors some of the group may exist, its part 0 never.
absl::StatusOr<SegmentCommit> WriteHeads(const HeadSet& heads, const SegmentProperties& properties,
                                         uint64_t block_text_bytes, BlobStore* blobs);

// The index entries of all streams of a segment. ids: one for each of footer.streams.
std::vector<StreamBlocks> EntriesOfSegment(SegmentId segment, const SegmentFooter& footer,
                                           const std::vector<StreamId>& ids);

// The blocks that the commit tells the index of.
std::vector<FlushedBlock> BlocksOf(const SegmentCommit& commit);

SegmentInfo InfoOfSegment(SegmentId segment, const SegmentFooter& footer, uint64_t bytes);

}  // namespace skald
