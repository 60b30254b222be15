// A stream's lines in memory: chunks of rows as they came, and blocks that are encoded already. All parts are
// immutable; only the lists of them change.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/types.h"
#include "proto/rows.h"
#include "storage/block/block_codec.h"
#include "storage/block/block_entry.h"

namespace skald {

// Who a stream is. Immutable and shared.
struct StreamInfo {
  StreamId id{0};
  std::string key;  // StreamKey
  size_t tenant_size = 0;
  std::shared_ptr<const Labels> labels;

  std::string_view tenant() const { return std::string_view(key).substr(0, tenant_size); }
  std::string_view text() const { return std::string_view(key).substr(tenant_size + 1); }
};

// tenant, NUL, label text.
std::string StreamKey(std::string_view tenant, std::string_view label_text);

struct HeadChunk {
  std::shared_ptr<const Rows> rows;
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  uint64_t line_bytes = 0;
  std::vector<LevelCount> levels;
  uint64_t memory_bytes = 0;
};

// A block as a segment will hold it, of one stream: header.slices has one element.
struct SealedBlock {
  std::string bytes;
  BlockHeader header;
  uint64_t memory_bytes = 0;
};

struct StreamHead {
  std::shared_ptr<const StreamInfo> info;
  std::vector<std::shared_ptr<const HeadChunk>> chunks;    // in order of arrival; times may overlap
  std::vector<std::shared_ptr<const SealedBlock>> sealed;  // in order of arrival
};

// What appending rows makes of a head. Prepared without a lock, published under one.
struct HeadUpdate {
  std::shared_ptr<const Rows> fresh;                       // what was added, without repetitions; may be null
  std::vector<std::shared_ptr<const HeadChunk>> chunks;    // in place of the head's
  std::vector<std::shared_ptr<const SealedBlock>> sealed;  // behind the head's
  uint64_t added_rows = 0;
  uint64_t duplicate_rows = 0;
  int64_t memory_delta = 0;
};

// rows: of the stream, not empty. Repetitions of entries in rows or in the head's chunks are dropped; entries
// of sealed blocks are not looked at (a reader sees that the two overlap). Chunks whose text comes to
// block_text_bytes together are sealed.
HeadUpdate PrepareAppend(const StreamHead& head, std::shared_ptr<const Rows> rows, uint64_t block_text_bytes);

// The rows of the chunks as pieces in order of time (ties in order of arrival), of the ordinal `stream`.
// Chunks that overlap are merged into *merged, which the pieces then point to; the others are pointed to as
// they are.
std::vector<BlockPiece> PiecesByTime(const std::vector<std::shared_ptr<const HeadChunk>>& chunks,
                                     uint32_t stream, Rows* merged);

// Cuts one stream's pieces into blocks of about block_text_bytes, none of them over midnight (UTC) unless
// they are of too many days (limits.h).
std::vector<std::vector<BlockPiece>> CutBlocks(const std::vector<BlockPiece>& pieces,
                                               uint64_t block_text_bytes);

uint64_t TextBytes(const BlockPiece& piece);  // with separators

// All heads of a shard from one flush to the next. Written by the shard's thread under the shard's lock until
// it is frozen, immutable from then on.
struct HeadSet {
  HeadSet(uint64_t serial_number, uint64_t group) : serial(serial_number), segment_group(group) {}

  const uint64_t serial;
  // Its segments will be this group's (segment_group.h). Known from the beginning: a reader that saw the set
  // leaves the group out of what it reads from the index a moment later.
  const uint64_t segment_group;
  absl::flat_hash_map<uint32_t, std::unique_ptr<StreamHead>> streams;  // by stream id
  absl::flat_hash_map<std::string_view, const StreamHead*> by_key;     // keys live in the heads' info
  Lsn first_lsn{0};  // of the log records it holds rows of; 0 if none
  Lsn last_lsn{0};
  uint64_t rows = 0;
  uint64_t memory_bytes = 0;
  int64_t first_append_ns = 0;  // monotonic

  bool empty() const { return streams.empty(); }
};

// What a head costs beside its rows: maps, keys, labels.
uint64_t StreamOverheadBytes(const StreamInfo& info);

}  // namespace skald
