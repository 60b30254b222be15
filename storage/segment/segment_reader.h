// Reads a segment file. Thread-safe after Open; stays readable for its lifetime, also when the file is
// deleted.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/rows.h"
#include "storage/block/block_entry.h"
#include "storage/block/block_patterns.h"
#include "storage/block/block_summary_cache.h"
#include "storage/log_source.h"
#include "storage/segment/blob_store.h"
#include "storage/segment/segment_footer.h"

namespace skald {

class SegmentReader {
 public:
  // Reads nothing yet: who has a BlockLocation from the index needs neither head nor footer.
  // summaries may be null: then each Summary reads.
  static absl::StatusOr<std::shared_ptr<const SegmentReader>> Open(
      const BlobStore& blobs, const std::string& name,
      std::shared_ptr<BlockSummaryCache> summaries = nullptr);
  explicit SegmentReader(std::shared_ptr<const Blob> blob,
                         std::shared_ptr<BlockSummaryCache> summaries = nullptr);

  const std::string& name() const { return blob_->name(); }
  uint64_t size() const { return blob_->size(); }

  // Head, tail and footer, validated. DataLoss if any is damaged (Salvage may help), FailedPrecondition for
  // an unknown version.
  absl::StatusOr<SegmentFooter> ReadFooter() const;

  // Decodes the wanted columns of the block at location into *rows (capacity reused, other columns left
  // empty). expected_rows guards against an index that speaks of another file. Of a block of which no lines
  // are wanted only the wanted sections are read. DataLoss: "segment X block at 123 section text: crc
  // mismatch at offset 456" costs this block only. stats may be null.
  absl::Status ReadBlock(const BlockLocation& location, uint32_t expected_rows, ColumnSet want, Rows* rows,
                         ReadStats* stats) const;
  absl::Status ReadBlock(const BlockHeader& header, ColumnSet want, Rows* rows, ReadStats* stats) const {
    return ReadBlock(header.location, header.rows, want, rows, stats);
  }

  // The block's stored bytes, whose front header is sound; DataLoss otherwise.
  absl::Status ReadEncoded(const BlockLocation& location, std::string* bytes) const;

  // What the block at location tells of itself; null where it cannot be read or does not match its checksum:
  // its rows, or what reading them says, tell more.
  // *read: whether it had to be read, and was not held from before.
  std::shared_ptr<const BlockSummary> Summary(const BlockLocation& location, bool* read) const;
  // The block's summary will be asked for soon.
  void ExpectSummary(const BlockLocation& location) const;

  // The patterns of the block at location; null where it has none, or they cannot be read.
  std::shared_ptr<const BlockPatterns> Patterns(const BlockLocation& location, ReadStats* stats) const;

  struct Salvaged {
    SegmentFooter footer;  // rebuilt; properties are zero if the head is damaged as well
    bool head_ok = false;
    // Bytes between head and footer that belong to no sound block; with a damaged tail the footer's own are
    // among them.
    uint64_t lost_bytes = 0;
  };
  // For a damaged footer: walks the file for blocks and gives a footer of those whose every section is sound,
  // with their streams' labels. Reads the whole file.
  absl::StatusOr<Salvaged> Salvage() const;

 private:
  absl::Status ReadBlockUnnamed(const BlockLocation& location, uint32_t expected_rows, ColumnSet want,
                                Rows* rows, ReadStats* stats) const;
  absl::StatusOr<BlockSummary> ReadSummary(const BlockLocation& location) const;
  absl::StatusOr<BlockPatterns> ReadPatterns(const BlockLocation& location, ReadStats* stats) const;

  const std::shared_ptr<const Blob> blob_;
  const std::shared_ptr<BlockSummaryCache> summaries_;
  const uint64_t number_;  // in summaries_
};

}  // namespace skald
