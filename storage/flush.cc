#include "storage/flush.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/failpoint.h"
#include "base/status_macros.h"
#include "storage/filenames.h"
#include "storage/limits.h"
#include "storage/segment/block_filler.h"
#include "storage/segment/segment_group.h"
#include "storage/segment/segment_writer.h"

namespace skald {
namespace {

std::optional<Day> OneDay(int64_t min_ns, int64_t max_ns) {
  const Day day = DayOf(min_ns);
  if (day != DayOf(max_ns)) return std::nullopt;
  return day;
}

// Which part of the group the rows of a day go to. Part 0 takes all days that have none of their own, and
// blocks of several days.
class Partition {
 public:
  explicit Partition(const HeadSet& heads) {
    std::map<Day, uint64_t> bytes;
    bool several = false;
    for (const auto& [id, head] : heads.streams) {
      for (const auto& block : head->sealed) {
        if (const auto day = OneDay(block->header.min_ns, block->header.max_ns)) {
          bytes[*day] += block->header.text_bytes;
        } else {
          several = true;
        }
      }
      for (const auto& chunk : head->chunks) CountDays(*chunk->rows, &bytes);
    }
    std::vector<std::pair<uint64_t, Day>> largest;
    for (const auto& [day, text] : bytes) largest.emplace_back(text, day);
    std::sort(largest.rbegin(), largest.rend());
    // Without odd ones the last day can have part 0 for itself.
    const bool all_fit = !several && largest.size() <= kMaxSegmentsPerFlush;
    const size_t own = all_fit ? largest.size() : std::min(largest.size(), kMaxSegmentsPerFlush - 1);
    for (size_t i = 0; i < own; ++i) parts_[largest[i].second] = static_cast<uint32_t>(all_fit ? i : i + 1);
    count_ = static_cast<uint32_t>(all_fit ? own : own + 1);
  }

  uint32_t count() const { return count_; }
  uint32_t PartOfDay(Day day) const {
    auto it = parts_.find(day);
    return it == parts_.end() ? 0 : it->second;
  }
  uint32_t PartOfBlock(const SealedBlock& block) const {
    const auto day = OneDay(block.header.min_ns, block.header.max_ns);
    return day ? PartOfDay(*day) : 0;
  }

 private:
  static void CountDays(const Rows& rows, std::map<Day, uint64_t>* bytes) {
    size_t begin = 0;
    while (begin < rows.size()) {
      const Day day = DayOf(rows.time_ns[begin]);
      size_t end = rows.size();
      if (DayOf(rows.time_ns.back()) != day) {
        end = static_cast<size_t>(std::partition_point(rows.time_ns.begin() + static_cast<ptrdiff_t>(begin),
                                                       rows.time_ns.end(),
                                                       [day](int64_t t) { return DayOf(t) == day; }) -
                                  rows.time_ns.begin());
      }
      (*bytes)[day] += rows.line_end[end - 1] + 1 - rows.line_begin(begin);
      begin = end;
    }
  }

  std::map<Day, uint32_t> parts_;
  uint32_t count_ = 0;
};

// The parts of pieces that belong to `part`.
std::vector<BlockPiece> RowsOfPart(const std::vector<BlockPiece>& pieces, const Partition& partition,
                                   uint32_t part) {
  std::vector<BlockPiece> out;
  for (const BlockPiece& piece : pieces) {
    const std::vector<int64_t>& times = piece.rows->time_ns;
    uint32_t begin = piece.row_begin;
    while (begin < piece.row_end) {
      const Day day = DayOf(times[begin]);
      const auto end =
          static_cast<uint32_t>(std::partition_point(times.begin() + begin, times.begin() + piece.row_end,
                                                     [day](int64_t t) { return DayOf(t) == day; }) -
                                times.begin());
      if (partition.PartOfDay(day) == part) {
        if (!out.empty() && out.back().rows == piece.rows && out.back().row_end == begin) {
          out.back().row_end = end;
        } else {
          out.push_back({piece.stream, piece.rows, begin, end});
        }
      }
      begin = end;
    }
  }
  return out;
}

absl::Status WritePart(const std::vector<const StreamHead*>& heads, const Partition& partition, uint32_t part,
                       uint64_t block_text_bytes, SegmentWriter* writer, std::vector<StreamId>* ids) {
  BlockFiller filler(writer, block_text_bytes);
  for (const StreamHead* head : heads) {
    std::optional<uint32_t> ordinal;
    const auto add_stream = [&] {
      if (ordinal) return *ordinal;
      ordinal = writer->AddStream(head->info->id, head->info->tenant(), head->info->text());
      ids->push_back(head->info->id);
      return *ordinal;
    };
    for (const auto& block : head->sealed) {
      if (partition.PartOfBlock(*block) != part) continue;
      BlockHeader header = block->header;
      header.slices[0].stream = add_stream();
      RETURN_IF_ERROR(writer->AddEncodedBlock(std::move(header), block->bytes));
    }
    if (head->chunks.empty()) continue;
    Rows merged;
    std::vector<BlockPiece> pieces = RowsOfPart(PiecesByTime(head->chunks, 0, &merged), partition, part);
    if (pieces.empty()) continue;
    const uint32_t stream = add_stream();
    for (BlockPiece& piece : pieces) piece.stream = stream;
    RETURN_IF_ERROR(filler.Add(head->info->tenant(), std::move(pieces), &merged));
  }
  return filler.Write();
}

}  // namespace

std::vector<StreamBlocks> EntriesOfSegment(SegmentId segment, const SegmentFooter& footer,
                                           const std::vector<StreamId>& ids) {
  std::vector<StreamBlocks> streams(footer.streams.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i].stream = ids[i];
    streams[i].segment = segment;
  }
  for (const BlockHeader& block : footer.blocks) {
    for (const BlockSlice& slice : block.slices)
      streams[slice.stream].entries.push_back(MakeBlockEntry(block, slice));
  }
  return streams;
}

std::vector<FlushedBlock> BlocksOf(const SegmentCommit& commit) {
  std::map<std::pair<SegmentId, uint64_t>, FlushedBlock> blocks;
  for (const StreamBlocks& stream : commit.streams) {
    for (const BlockEntry& entry : stream.entries) {
      const auto [it, first] = blocks.try_emplace({stream.segment, entry.location.offset});
      FlushedBlock& block = it->second;
      if (first) {
        block = {entry.block_rows,  0, entry.location.size, entry.block_text_bytes, entry.slice.min_ns,
                 entry.slice.max_ns};
      }
      ++block.streams;
      block.min_ns = std::min(block.min_ns, entry.slice.min_ns);
      block.max_ns = std::max(block.max_ns, entry.slice.max_ns);
    }
  }
  std::vector<FlushedBlock> out;
  out.reserve(blocks.size());
  for (const auto& [place, block] : blocks) out.push_back(block);
  return out;
}

SegmentInfo InfoOfSegment(SegmentId segment, const SegmentFooter& footer, uint64_t bytes) {
  SegmentInfo info;
  info.id = segment;
  info.bytes = bytes;
  info.blocks = static_cast<uint32_t>(footer.blocks.size());
  info.min_ns = footer.min_ns;
  info.max_ns = footer.max_ns;
  info.shard = footer.properties.shard;
  info.covered = footer.properties.covered;
  return info;
}

absl::StatusOr<SegmentCommit> WriteHeads(const HeadSet& heads, const SegmentProperties& properties,
                                         uint64_t block_text_bytes, BlobStore* blobs) {
  std::vector<const StreamHead*> order;
  order.reserve(heads.streams.size());
  for (const auto& [id, head] : heads.streams) order.push_back(head.get());
  // The key begins with the tenant and a NUL.
  std::sort(order.begin(), order.end(),
            [](const StreamHead* a, const StreamHead* b) { return a->info->key < b->info->key; });
  const Partition partition(heads);

  SegmentCommit commit;
  commit.shard = properties.shard;
  commit.flushed = properties.covered;
  for (uint32_t part = partition.count(); part-- > 0;) {
    const SegmentId id = SegmentOfGroup(heads.segment_group, part);
    const std::string name = SegmentFileName(id);
    RETURN_IF_ERROR(Failpoint("flush.before_segment"));
    absl::StatusOr<std::unique_ptr<SegmentWriter>> created = SegmentWriter::Create(blobs, name, properties);
    if (created.status().code() == absl::StatusCode::kAlreadyExists) {
      RETURN_IF_ERROR(blobs->Delete(name));
      created = SegmentWriter::Create(blobs, name, properties);
    }
    RETURN_IF_ERROR(created.status());
    const std::unique_ptr<SegmentWriter> writer = *std::move(created);
    std::vector<StreamId> ids;
    RETURN_IF_ERROR(WritePart(order, partition, part, block_text_bytes, writer.get(), &ids));
    RETURN_IF_ERROR(Failpoint("flush.before_finish"));
    ASSIGN_OR_RETURN(const SegmentFooter footer, writer->Finish());
    RETURN_IF_ERROR(Failpoint(part > 0 ? "flush.after_part" : "flush.after_last_part"));
    ASSIGN_OR_RETURN(const uint64_t bytes, blobs->Size(name));
    commit.segments.push_back(InfoOfSegment(id, footer, bytes));
    for (StreamBlocks& blocks : EntriesOfSegment(id, footer, ids))
      commit.streams.push_back(std::move(blocks));
  }
  return commit;
}

}  // namespace skald
