#include "storage/head.h"

#include <algorithm>

#include "storage/block/level_count.h"
#include "storage/block/rows_merge.h"
#include "storage/index/label_index.h"
#include "storage/limits.h"

namespace skald {
namespace {

std::shared_ptr<const HeadChunk> MakeChunk(std::shared_ptr<const Rows> rows) {
  auto chunk = std::make_shared<HeadChunk>();
  chunk->min_ns = rows->time_ns.front();
  chunk->max_ns = rows->time_ns.back();
  chunk->line_bytes = rows->line_bytes(0, rows->size());
  AddLevels(*rows, 0, rows->size(), &chunk->levels);
  // The chunk, two shared_ptr blocks and the allocator's own part in some ten small allocations.
  chunk->memory_bytes =
      MemoryBytes(*rows) + sizeof(HeadChunk) + 192 + chunk->levels.size() * sizeof(LevelCount);
  chunk->rows = std::move(rows);
  return chunk;
}

std::shared_ptr<const SealedBlock> Seal(const std::vector<SegmentStream>& streams,
                                        const std::vector<BlockPiece>& pieces, std::string* scratch) {
  scratch->clear();
  auto block = std::make_shared<SealedBlock>();
  block->header = EncodeBlock(streams, pieces, scratch);
  block->bytes = *scratch;  // to its exact size
  block->memory_bytes = block->bytes.capacity() + sizeof(SealedBlock) + 256;
  return block;
}

// Every chunk ends before the next one begins, so that they need no merging; order is by time then.
bool InOrder(std::vector<const HeadChunk*>* order,
             const std::vector<std::shared_ptr<const HeadChunk>>& chunks) {
  for (const auto& chunk : chunks) order->push_back(chunk.get());
  bool as_they_came = true;
  for (size_t i = 1; i < order->size(); ++i) as_they_came &= (*order)[i - 1]->max_ns <= (*order)[i]->min_ns;
  if (as_they_came) return true;
  std::sort(order->begin(), order->end(),
            [](const HeadChunk* a, const HeadChunk* b) { return a->min_ns < b->min_ns; });
  for (size_t i = 1; i < order->size(); ++i) {
    if ((*order)[i - 1]->max_ns >= (*order)[i]->min_ns)
      return false;  // equal times: order of arrival would be lost
  }
  return true;
}

}  // namespace

std::string StreamKey(std::string_view tenant, std::string_view label_text) {
  std::string key;
  key.reserve(tenant.size() + 1 + label_text.size());
  key.append(tenant);
  key.push_back('\0');
  key.append(label_text);
  return key;
}

uint64_t TextBytes(const BlockPiece& piece) {
  return piece.rows->line_end[piece.row_end - 1] + 1 - piece.rows->line_begin(piece.row_begin);
}

uint64_t StreamOverheadBytes(const StreamInfo& info) {
  return sizeof(StreamHead) + 256 + 4 * info.key.size();
}

std::vector<BlockPiece> PiecesByTime(const std::vector<std::shared_ptr<const HeadChunk>>& chunks,
                                     uint32_t stream, Rows* merged) {
  std::vector<BlockPiece> pieces;
  std::vector<const HeadChunk*> order;
  if (InOrder(&order, chunks)) {
    for (const HeadChunk* chunk : order) {
      pieces.push_back({stream, chunk->rows.get(), 0, static_cast<uint32_t>(chunk->rows->size())});
    }
    return pieces;
  }
  std::vector<const Rows*> parts;
  for (const auto& chunk : chunks) parts.push_back(chunk->rows.get());
  *merged = MergeByTime(parts);
  pieces.push_back({stream, merged, 0, static_cast<uint32_t>(merged->size())});
  return pieces;
}

std::vector<std::vector<BlockPiece>> CutBlocks(const std::vector<BlockPiece>& pieces,
                                               uint64_t block_text_bytes) {
  // The rows of each day, in order: pieces cut at midnights.
  struct DayPart {
    Day day;
    uint64_t text_bytes = 0;
    std::vector<BlockPiece> pieces;
  };
  std::vector<DayPart> days;
  for (const BlockPiece& piece : pieces) {
    const std::vector<int64_t>& times = piece.rows->time_ns;
    uint32_t begin = piece.row_begin;
    while (begin < piece.row_end) {
      const Day day = DayOf(times[begin]);
      uint32_t end = piece.row_end;
      if (DayOf(times[end - 1]) != day) {
        end = static_cast<uint32_t>(std::partition_point(times.begin() + begin, times.begin() + end,
                                                         [day](int64_t t) { return DayOf(t) == day; }) -
                                    times.begin());
      }
      if (days.empty() || days.back().day != day) days.push_back({day, 0, {}});
      days.back().pieces.push_back({piece.stream, piece.rows, begin, end});
      days.back().text_bytes += TextBytes(days.back().pieces.back());
      begin = end;
    }
  }
  if (days.size() > kMaxDaysCutPerBlock) {
    uint64_t text_bytes = 0;
    for (const DayPart& day : days) text_bytes += day.text_bytes;
    days.assign(1, DayPart{0, text_bytes, pieces});
  }

  std::vector<std::vector<BlockPiece>> blocks;
  for (const DayPart& day : days) {
    // Even parts, rather than full ones and a small rest.
    const uint64_t count = std::max<uint64_t>(1, (day.text_bytes + block_text_bytes / 2) / block_text_bytes);
    const uint64_t target = day.text_bytes / count + 1;
    blocks.emplace_back();
    uint64_t filled = 0;
    for (BlockPiece rest : day.pieces) {
      while (rest.row_begin < rest.row_end) {
        if (filled >= target) {
          blocks.emplace_back();
          filled = 0;
        }
        // As many rows as fit, at least one.
        const std::vector<uint32_t>& ends = rest.rows->line_end;
        const uint64_t limit = rest.rows->line_begin(rest.row_begin) + (target - filled);
        auto cut = static_cast<uint32_t>(
            std::lower_bound(ends.begin() + rest.row_begin, ends.begin() + rest.row_end, limit) -
            ends.begin());
        if (cut == rest.row_begin) cut = rest.row_begin + 1;
        BlockPiece piece = rest;
        piece.row_end = cut;
        filled += TextBytes(piece);
        blocks.back().push_back(piece);
        // The line that did not fit begins the next block.
        if (cut < rest.row_end) filled = std::max(filled, target);
        rest.row_begin = cut;
      }
    }
  }
  return blocks;
}

HeadUpdate PrepareAppend(const StreamHead& head, std::shared_ptr<const Rows> rows,
                         uint64_t block_text_bytes) {
  HeadUpdate update;
  std::vector<const Rows*> overlapping;
  for (const auto& chunk : head.chunks) {
    if (chunk->max_ns >= rows->time_ns.front() && chunk->min_ns <= rows->time_ns.back()) {
      overlapping.push_back(chunk->rows.get());
    }
  }
  if (const std::vector<uint32_t> repeated = FindRepeated(*rows, overlapping); !repeated.empty()) {
    update.duplicate_rows = repeated.size();
    if (repeated.size() == rows->size()) {
      update.chunks = head.chunks;
      return update;
    }
    rows = std::make_shared<const Rows>(Without(*rows, repeated));
  }
  update.added_rows = rows->size();
  update.fresh = rows;

  // Like a binary counter: a new small chunk takes in those before it that are not much larger, so that each
  // line is copied a few times at most and the list stays short.
  size_t kept = head.chunks.size();
  uint64_t text = rows->text.size();
  while (kept > 0) {
    const uint64_t before = head.chunks[kept - 1]->rows->text.size();
    if (text + before > kMergeChunksBelowBytes || before > 2 * text) break;
    text += before;
    --kept;
  }
  update.chunks.assign(head.chunks.begin(), head.chunks.begin() + static_cast<ptrdiff_t>(kept));
  if (kept < head.chunks.size()) {
    std::vector<const Rows*> parts;
    for (size_t i = kept; i < head.chunks.size(); ++i) {
      parts.push_back(head.chunks[i]->rows.get());
      update.memory_delta -= static_cast<int64_t>(head.chunks[i]->memory_bytes);
    }
    parts.push_back(rows.get());
    rows = std::make_shared<const Rows>(MergeByTime(parts));
  }
  update.chunks.push_back(MakeChunk(std::move(rows)));
  update.memory_delta += static_cast<int64_t>(update.chunks.back()->memory_bytes);

  text = 0;
  for (const auto& chunk : update.chunks) text += chunk->rows->text.size();
  if (text < block_text_bytes) return update;
  Rows merged;
  std::string scratch;
  const std::vector<SegmentStream> streams{
      {head.info->id, std::string(head.info->tenant()), std::string(head.info->text())}};
  for (const std::vector<BlockPiece>& pieces :
       CutBlocks(PiecesByTime(update.chunks, 0, &merged), block_text_bytes)) {
    update.sealed.push_back(Seal(streams, pieces, &scratch));
    update.memory_delta += static_cast<int64_t>(update.sealed.back()->memory_bytes);
  }
  for (const auto& chunk : update.chunks) update.memory_delta -= static_cast<int64_t>(chunk->memory_bytes);
  update.chunks.clear();
  return update;
}

}  // namespace skald
