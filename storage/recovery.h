// What Open does before the log is replayed: directory, format, and making index and segments agree.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/index/label_index.h"
#include "storage/segment/blob_store.h"
#include "storage/store.h"

namespace skald {

// Fixed when the directory is made; the file `meta`.
struct StoreMeta {
  uint32_t shards = 1;
};

// Makes the directory and what belongs in it, where missing. PermissionDenied names the directory and what to
// do about it.
absl::Status PrepareDirectory(const std::string& directory);

// The text of `meta`. DataLoss where it is damaged, FailedPrecondition for an unknown version.
absl::StatusOr<StoreMeta> ParseMeta(std::string_view text);

// Reads `meta`, or writes it for a new directory with wanted_shards. FailedPrecondition for an unknown
// version.
absl::StatusOr<StoreMeta> LoadMeta(const std::string& directory, uint32_t wanted_shards,
                                   const BlobStore& blobs);

struct OpenedIndex {
  std::unique_ptr<LabelIndex> index;
  std::vector<SegmentInfo> segments;  // all that the index knows now
  uint64_t next_group = 1;            // of segment ids
  uint64_t lost_bytes = 0;            // of segments with a damaged footer that were read for a new index
};

// Opens the index; one that is missing or cannot be opened is set aside and made anew from the segments'
// footers (blocks of a segment with a damaged footer are saved one by one). Segments that the index does not
// know are adopted when they are of a finished flush it has not seen, else deleted. All of it is told in the
// program's log.
absl::StatusOr<OpenedIndex> OpenIndex(const std::string& directory, BlobStore* blobs);

}  // namespace skald
