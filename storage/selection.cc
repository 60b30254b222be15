#include "storage/selection.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/block/block_codec.h"
#include "storage/filenames.h"

namespace skald {
namespace {

// So many summaries are on their way from a disk while one is waited for.
constexpr size_t kReadAhead = 32;

Slice MakeSlice(uint32_t stream, const BlockSlice& from) {
  Slice slice;
  slice.stream = stream;
  slice.row_begin = from.row_begin;
  slice.row_end = from.row_end;
  slice.min_ns = from.min_ns;
  slice.max_ns = from.max_ns;
  slice.line_bytes = from.line_bytes;
  slice.levels = from.levels;
  return slice;
}

void CountHeadRead(ColumnSet want, uint64_t rows, uint64_t line_bytes, ReadStats* stats) {
  if (stats == nullptr) return;
  ++stats->blocks;
  ++stats->head_blocks;
  stats->head_rows += rows;
  if (want.lines) stats->head_bytes += line_bytes;
}

}  // namespace

// Lines of a head as they came.
class SelectionBuilder::MemoryBlock final : public Block {
 public:
  MemoryBlock(std::shared_ptr<const HeadChunk> chunk, uint32_t stream) : chunk_(std::move(chunk)) {
    Slice slice;
    slice.stream = stream;
    slice.row_end = static_cast<uint32_t>(chunk_->rows->size());
    slice.min_ns = min_ns_ = chunk_->min_ns;
    slice.max_ns = max_ns_ = chunk_->max_ns;
    slice.line_bytes = chunk_->line_bytes;
    slice.levels = chunk_->levels;
    slices_.push_back(std::move(slice));
  }
  std::vector<Slice>* mutable_slices() { return &slices_; }

  uint64_t text_bytes() const override { return chunk_->line_bytes; }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows*, ReadStats* stats) const override {
    CountHeadRead(want, chunk_->rows->size(), chunk_->line_bytes, stats);
    return chunk_->rows.get();
  }

 private:
  const std::shared_ptr<const HeadChunk> chunk_;
};

// A block that waits in memory for the next segment.
class SelectionBuilder::EncodedBlock final : public Block {
 public:
  EncodedBlock(std::shared_ptr<const SealedBlock> block, uint32_t stream) : block_(std::move(block)) {
    slices_.push_back(MakeSlice(stream, block_->header.slices[0]));
    min_ns_ = block_->header.min_ns;
    max_ns_ = block_->header.max_ns;
  }
  std::vector<Slice>* mutable_slices() { return &slices_; }

  uint64_t text_bytes() const override { return block_->header.text_bytes - block_->header.rows; }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    RETURN_IF_ERROR(DecodeBlock(block_->bytes, want, scratch));
    CountHeadRead(want, block_->header.rows, text_bytes(), stats);
    return scratch;
  }
  std::shared_ptr<const BlockSummary> Summary() const override {
    const absl::StatusOr<BlockFront> front = DecodeBlockFront(block_->bytes);
    if (!front.ok()) return nullptr;
    absl::StatusOr<BlockSummary> summary = DecodeBlockSummary(*front, block_->bytes);
    return summary.ok() ? std::make_shared<const BlockSummary>(*std::move(summary)) : nullptr;
  }
  std::shared_ptr<const BlockPatterns> Patterns(ReadStats*) const override {
    const absl::StatusOr<BlockFront> front = DecodeBlockFront(block_->bytes);
    if (!front.ok()) return nullptr;
    const auto [begin, end] = PatternsBytes(*front);
    absl::StatusOr<BlockPatterns> patterns =
        DecodePatterns(*front, std::string_view(block_->bytes).substr(begin, end - begin));
    if (!patterns.ok() || patterns->slices.empty()) return nullptr;
    return std::make_shared<const BlockPatterns>(*std::move(patterns));
  }

 private:
  const std::shared_ptr<const SealedBlock> block_;
};

class SelectionBuilder::StoredBlock final : public Block {
 public:
  StoredBlock(SegmentId segment, const BlockEntry& entry, std::shared_ptr<std::atomic<uint64_t>> damaged)
      : segment_(segment),
        location_(entry.location),
        rows_(entry.block_rows),
        text_bytes_(entry.block_text_bytes),
        damaged_(std::move(damaged)) {}

  SegmentId segment() const { return segment_; }
  std::vector<Slice>* mutable_slices() { return &slices_; }
  void Finish(std::shared_ptr<const SegmentReader> reader) {
    reader_ = std::move(reader);
    std::sort(slices_.begin(), slices_.end(),
              [](const Slice& a, const Slice& b) { return a.row_begin < b.row_begin; });
    min_ns_ = slices_.front().min_ns;
    max_ns_ = slices_.front().max_ns;
    for (const Slice& slice : slices_) {
      min_ns_ = std::min(min_ns_, slice.min_ns);
      max_ns_ = std::max(max_ns_, slice.max_ns);
    }
  }

  uint64_t text_bytes() const override { return text_bytes_ - rows_; }
  // The block whose summary is asked for some blocks after this one's.
  void Precedes(const StoredBlock& later) {
    later_reader_ = later.reader_;
    later_location_ = later.location_;
  }

  // A query over files that are not in memory asks for thousands of summaries, one after another: each that
  // has to be read lets the disk begin with a later one.
  std::shared_ptr<const BlockSummary> Summary() const override {
    if (!reader_) return nullptr;
    bool read = false;
    std::shared_ptr<const BlockSummary> summary = reader_->Summary(location_, &read);
    if (read && later_reader_) later_reader_->ExpectSummary(later_location_);
    return summary;
  }
  std::shared_ptr<const BlockPatterns> Patterns(ReadStats* stats) const override {
    return reader_ ? reader_->Patterns(location_, stats) : nullptr;
  }
  absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const override {
    absl::Status status = reader_ ? reader_->ReadBlock(location_, rows_, want, scratch, stats)
                                  : DataLoss("segment {}: the file is missing", SegmentFileName(segment_));
    if (status.ok()) return scratch;
    if (status.code() == absl::StatusCode::kDataLoss) {
      damaged_->fetch_add(1, std::memory_order_relaxed);
      LogError("stored block cannot be read; its lines are lost", "error=\"{}\"", MessageOf(status));
    }
    return status;
  }

 private:
  const SegmentId segment_;
  const BlockLocation location_;
  const uint32_t rows_;
  const uint32_t text_bytes_;
  const std::shared_ptr<std::atomic<uint64_t>> damaged_;
  std::shared_ptr<const SegmentReader> reader_;  // null: the file is missing
  std::shared_ptr<const SegmentReader> later_reader_;
  BlockLocation later_location_;
};

uint32_t SelectionBuilder::Place(StreamId stream) {
  // Blocks come stream by stream.
  if (!streams_.empty() && streams_.back() == stream) return static_cast<uint32_t>(streams_.size() - 1);
  const auto [it, added] = places_.try_emplace(Raw(stream), static_cast<uint32_t>(streams_.size()));
  if (added) streams_.push_back(stream);
  return it->second;
}

void SelectionBuilder::AddHeadChunk(StreamId stream, std::shared_ptr<const HeadChunk> chunk) {
  auto block = std::make_shared<MemoryBlock>(std::move(chunk), Place(stream));
  slice_lists_.push_back(block->mutable_slices());
  selection_.blocks.push_back(std::move(block));
}

void SelectionBuilder::AddSealedBlock(StreamId stream, std::shared_ptr<const SealedBlock> sealed) {
  auto block = std::make_shared<EncodedBlock>(std::move(sealed), Place(stream));
  slice_lists_.push_back(block->mutable_slices());
  selection_.blocks.push_back(std::move(block));
}

void SelectionBuilder::AddStored(StreamId stream, SegmentId segment, const BlockEntry& entry) {
  std::shared_ptr<StoredBlock>& block = stored_[{Raw(segment), entry.location.offset}];
  if (!block) block = std::make_shared<StoredBlock>(segment, entry, damaged_);
  block->mutable_slices()->push_back(MakeSlice(Place(stream), entry.slice));
}

absl::StatusOr<Selection> SelectionBuilder::Finish(std::vector<StreamRef> streams, SegmentCache* segments,
                                                   bool missing_is_damage) {
  absl::flat_hash_map<uint64_t, std::shared_ptr<const SegmentReader>> readers;
  // Segments are numbered as they are written, and what is in memory came after all of them.
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::shared_ptr<StoredBlock>>> stored(stored_.begin(),
                                                                                             stored_.end());
  std::sort(stored.begin(), stored.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::shared_ptr<const Block>> blocks;
  blocks.reserve(stored.size() + selection_.blocks.size());
  for (auto& [at, block] : stored) {
    auto [it, added] = readers.try_emplace(at.first);
    if (added) {
      absl::StatusOr<std::shared_ptr<const SegmentReader>> reader = segments->Get(SegmentId{at.first});
      if (reader.ok()) {
        it->second = *std::move(reader);
      } else if (reader.status().code() != absl::StatusCode::kNotFound || !missing_is_damage) {
        return reader.status();
      }
    }
    block->Finish(it->second);
    slice_lists_.push_back(block->mutable_slices());
    blocks.push_back(block);
  }
  for (size_t i = 0; i + kReadAhead < stored.size(); ++i)
    stored[i].second->Precedes(*stored[i + kReadAhead].second);
  blocks.insert(blocks.end(), std::make_move_iterator(selection_.blocks.begin()),
                std::make_move_iterator(selection_.blocks.end()));
  selection_.blocks = std::move(blocks);
  selection_.streams = std::move(streams);
  std::vector<uint32_t> sorted(selection_.streams.size());
  for (uint32_t i = 0; i < selection_.streams.size(); ++i)
    sorted[places_.at(Raw(selection_.streams[i].id))] = i;
  for (std::vector<Slice>* list : slice_lists_) {
    for (Slice& slice : *list) slice.stream = sorted[slice.stream];
  }
  MarkOverlaps(slice_lists_, selection_.streams.size());
  return std::move(selection_);
}

void MarkOverlaps(const std::vector<std::vector<Slice>*>& lists, size_t streams) {
  std::vector<std::vector<Slice*>> of_stream(streams);
  for (std::vector<Slice>* list : lists) {
    for (Slice& slice : *list) of_stream[slice.stream].push_back(&slice);
  }
  for (std::vector<Slice*>& slices : of_stream) {
    std::sort(slices.begin(), slices.end(),
              [](const Slice* a, const Slice* b) { return a->min_ns < b->min_ns; });
    // The one that reaches farthest among those before: if a slice meets any of them, it meets this one; and
    // any other that it meets had met the farthest of its own time.
    Slice* farthest = nullptr;
    for (Slice* slice : slices) {
      if (farthest != nullptr && slice->min_ns <= farthest->max_ns)
        slice->overlaps = farthest->overlaps = true;
      if (farthest == nullptr || slice->max_ns > farthest->max_ns) farthest = slice;
    }
  }
}

}  // namespace skald
