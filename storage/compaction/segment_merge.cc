#include "storage/compaction/segment_merge.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/block/rows_merge.h"
#include "storage/filenames.h"
#include "storage/flush.h"
#include "storage/head.h"
#include "storage/segment/block_filler.h"
#include "storage/segment/segment_writer.h"

namespace skald {
namespace {

// Rows of one stream that are held at once. Beyond it they are written although later ones may be older.
constexpr uint64_t kMaxOpenText = uint64_t{64} << 20;

using RowsPtr = std::shared_ptr<const Rows>;

// One stream's slice of one block of one input.
struct Source {
  uint32_t input = 0;
  uint32_t number = 0;  // of the block in its input
  const BlockHeader* block = nullptr;
  const BlockSlice* slice = nullptr;
  bool overlaps = false;  // with another source of the stream
};

// Rows [next, end) that were read and not written yet.
struct Part {
  RowsPtr rows;
  uint32_t next = 0;
  uint32_t end = 0;
  std::pair<uint32_t, uint32_t> order;  // of arrival: input, block
};

uint64_t TextBytes(const Rows& rows, uint32_t begin, uint32_t end) {
  return begin == end ? 0 : rows.line_end[end - 1] + 1 - rows.line_begin(begin);
}

class Merger {
 public:
  Merger(const std::vector<MergeInput>& inputs, const MergeOptions& options, LabelIndex* index)
      : inputs_(inputs), options_(options), index_(index), kept_(inputs.size()) {}

  absl::Status Run(SegmentWriter* writer) {
    writer_ = writer;
    filler_.emplace(writer, options_.shared_text_bytes, Effort::kSmall);
    RETURN_IF_ERROR(Collect());
    for (auto& [name, stream] : streams_) {
      if (options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed))
        return Cancelled("the store is being closed");
      RETURN_IF_ERROR(WriteStream(name.first, &stream));
    }
    return filler_->Write();
  }

  const std::vector<StreamId>& ids() const { return ids_; }
  MergeResult result;

 private:
  struct Stream {
    Labels labels;
    std::string text;
    StreamId id{0};
    std::vector<Source> sources;
  };
  struct KeptBlock {
    uint64_t offset = 0;
    RowsPtr rows;
  };

  // All streams by (tenant, labels), each with its sources in order of time.
  absl::Status Collect() {
    for (uint32_t i = 0; i < inputs_.size(); ++i) {
      const SegmentFooter& footer = inputs_[i].footer;
      std::vector<Stream*> ordinals;
      StreamBlocks replaced;
      for (const SegmentStream& found : footer.streams) {
        auto [at, added] = streams_.try_emplace({found.tenant, found.labels});
        Stream& stream = at->second;
        if (added) {
          ASSIGN_OR_RETURN(stream.labels, ParseLabels(found.labels));
          stream.text = found.labels;
          ASSIGN_OR_RETURN(stream.id, index_->GetOrCreate(found.tenant, stream.labels));
        }
        ordinals.push_back(&stream);
      }
      for (uint32_t number = 0; number < footer.blocks.size(); ++number) {
        const BlockHeader& block = footer.blocks[number];
        for (const BlockSlice& slice : block.slices)
          ordinals[slice.stream]->sources.push_back({i, number, &block, &slice, false});
      }
      std::vector<StreamId> ids;
      for (const Stream* stream : ordinals) ids.push_back(stream->id);
      for (StreamBlocks& blocks : EntriesOfSegment(inputs_[i].info.id, footer, ids))
        result.commit.replaced_streams.push_back(std::move(blocks));
      result.commit.replaced.push_back(inputs_[i].info.id);
      result.input_bytes += inputs_[i].info.bytes;
    }
    for (auto& [name, stream] : streams_) {
      std::vector<Source>& sources = stream.sources;
      std::stable_sort(sources.begin(), sources.end(),
                       [](const Source& a, const Source& b) { return a.slice->min_ns < b.slice->min_ns; });
      Source* farthest = nullptr;
      for (Source& source : sources) {
        if (farthest != nullptr && source.slice->min_ns <= farthest->slice->max_ns)
          source.overlaps = farthest->overlaps = true;
        if (farthest == nullptr || source.slice->max_ns > farthest->slice->max_ns) farthest = &source;
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteStream(const std::string& tenant, Stream* stream) {
    tenant_ = &tenant;
    stream_ = stream;
    ordinal_.reset();
    uint64_t total = 0;
    for (const Source& source : stream->sources) total += source.slice->line_bytes + source.slice->rows();
    shares_ = total < options_.shared_text_bytes / 4;
    // Blocks of about the same size, so that none is a small rest.
    const uint64_t blocks = std::max<uint64_t>(
        1, (total + options_.block_text_bytes / 2) / std::max<uint64_t>(1, options_.block_text_bytes));
    block_bytes_ = total / blocks + 1;

    std::vector<Part> parts;
    uint64_t open_text = 0;
    size_t next = 0;
    const std::vector<Source>& sources = stream->sources;
    while (next < sources.size() || !parts.empty()) {
      if (parts.empty()) {
        const Source& source = sources[next];
        ASSIGN_OR_RETURN(const bool done, WithoutReading(source));
        if (done) {
          ++next;
          continue;
        }
      }
      // Rows before the next source's first cannot be met by any that comes.
      const bool last = next == sources.size();
      const int64_t limit = last ? 0 : sources[next].slice->min_ns;
      const bool some = std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
        return last || part.rows->time_ns[part.next] < limit;
      });
      if (some || open_text > kMaxOpenText) {
        RETURN_IF_ERROR(WriteUpTo(&parts, last || !some ? std::nullopt : std::optional(limit)));
        open_text = 0;
        for (const Part& part : parts) open_text += TextBytes(*part.rows, part.next, part.end);
        continue;
      }
      const Source& source = sources[next];
      ASSIGN_OR_RETURN(RowsPtr rows, ReadBlock(source));
      if (rows != nullptr) {
        open_text += source.slice->line_bytes + source.slice->rows();
        parts.push_back({std::move(rows), source.slice->row_begin, source.slice->row_end,
                         std::pair(source.input, source.number)});
      }
      ++next;
    }
    return FinishStream();
  }

  // Whether all that is to be done about a source can be done without its rows.
  absl::StatusOr<bool> WithoutReading(const Source& source) {
    if (source.overlaps) return false;
    RowSieve::Verdict verdict = RowSieve::Verdict::kKeepAll;
    if (options_.sieve != nullptr)
      verdict = options_.sieve->Judge(*tenant_, stream_->labels, source.slice->min_ns, source.slice->max_ns);
    if (verdict == RowSieve::Verdict::kDropAll) {
      result.dropped_rows += source.slice->rows();
      return true;
    }
    if (verdict != RowSieve::Verdict::kKeepAll) return false;
    // As it is, where it is of a good size and nothing waits that would have to be a block of its own.
    const BlockHeader& block = *source.block;
    const MergeInput& input = inputs_[source.input];
    if (block.slices.size() > 1) return false;
    if (options_.encode_anew &&
        (builder_.size() > 0 || input.info.level == 0 || block.text_bytes < options_.block_text_bytes / 2)) {
      return false;
    }
    if (input.footer.streams[source.slice->stream].id != stream_->id) return false;
    std::string bytes;
    const absl::Status read = input.reader->ReadEncoded(block.location, &bytes);
    if (read.code() == absl::StatusCode::kDataLoss) return false;  // reading it in full says what is wrong
    RETURN_IF_ERROR(read);
    if (builder_.size() > 0) RETURN_IF_ERROR(WriteBlock());
    BlockHeader header = block;
    header.slices[0].stream = Ordinal();
    RETURN_IF_ERROR(writer_->AddEncodedBlock(std::move(header), bytes));
    result.rows += block.rows;
    return true;
  }

  // Null for a block that is left out.
  absl::StatusOr<RowsPtr> ReadBlock(const Source& source) {
    KeptBlock& kept = kept_[source.input];
    if (kept.rows != nullptr && kept.offset == source.block->location.offset) return kept.rows;
    auto rows = std::make_shared<Rows>();
    const absl::Status status =
        inputs_[source.input].reader->ReadBlock(*source.block, {true, true, true}, rows.get(), nullptr);
    if (status.code() == absl::StatusCode::kDataLoss && options_.leave_out_damaged) {
      ++result.damaged_blocks;
      LogError("damaged block was left out; its lines are lost", "error=\"{}\"", MessageOf(status));
      return RowsPtr();
    }
    RETURN_IF_ERROR(status);
    // Only those that more streams want are worth keeping.
    kept = source.block->slices.size() > 1 ? KeptBlock{source.block->location.offset, rows} : KeptBlock{};
    return RowsPtr(std::move(rows));
  }

  // Rows of all parts with times before the limit, or all of them.
  absl::Status WriteUpTo(std::vector<Part>* parts, std::optional<int64_t> limit) {
    std::vector<std::pair<Part*, uint32_t>> ranges;  // and where the range ends
    for (Part& part : *parts) {
      uint32_t end = part.end;
      if (limit) {
        const auto begin = part.rows->time_ns.begin();
        end = static_cast<uint32_t>(std::lower_bound(begin + part.next, begin + part.end, *limit) - begin);
      }
      if (end > part.next) ranges.emplace_back(&part, end);
    }
    if (ranges.size() == 1) {
      RETURN_IF_ERROR(AddRows(*ranges[0].first->rows, ranges[0].first->next, ranges[0].second));
    } else if (!ranges.empty()) {
      std::sort(ranges.begin(), ranges.end(),
                [](const auto& a, const auto& b) { return a.first->order < b.first->order; });
      std::deque<Rows> cut;
      std::vector<const Rows*> pointers;
      for (const auto& [part, end] : ranges) {
        RowsBuilder builder;
        builder.Append(*part->rows, part->next, end);
        pointers.push_back(&cut.emplace_back(builder.Finish()));
      }
      Rows merged = MergeByTime(pointers);
      cut.clear();
      const std::vector<uint32_t> repeated = FindRepeated(merged, {});
      result.repeated_rows += repeated.size();
      if (!repeated.empty()) merged = Without(merged, repeated);
      RETURN_IF_ERROR(AddRows(merged, 0, static_cast<uint32_t>(merged.size())));
    }
    for (auto& [part, end] : ranges) part->next = end;
    std::erase_if(*parts, [](const Part& part) { return part.next == part.end; });
    return absl::OkStatus();
  }

  absl::Status AddRows(const Rows& rows, uint32_t begin, uint32_t end) {
    builder_.NextSource();
    std::vector<uint32_t> dropped;
    if (options_.sieve != nullptr &&
        options_.sieve->Judge(*tenant_, stream_->labels, rows.time_ns[begin], rows.time_ns[end - 1]) !=
            RowSieve::Verdict::kKeepAll) {
      options_.sieve->Drop(*tenant_, stream_->labels, rows, begin, end, &dropped);
    }
    result.dropped_rows += dropped.size();
    for (const uint32_t row : dropped) {
      RETURN_IF_ERROR(AddKept(rows, begin, row));
      begin = row + 1;
    }
    return AddKept(rows, begin, end);
  }

  absl::Status AddKept(const Rows& rows, uint32_t begin, uint32_t end) {
    while (begin < end) {
      // Up to the row that fills the block: blocks that fall short would leave a small one at the end.
      const uint64_t room = block_bytes_ > builder_.text_bytes() ? block_bytes_ - builder_.text_bytes() : 0;
      const uint64_t last = rows.line_begin(begin) + room;
      const auto ends = rows.line_end.begin();
      const auto filled =
          std::partition_point(ends + begin, ends + end, [&](uint32_t e) { return e + 1 < last; });
      const auto until = std::min(end, static_cast<uint32_t>(filled - ends) + 1);
      builder_.Append(rows, begin, until);
      result.rows += until - begin;
      begin = until;
      if (builder_.text_bytes() >= block_bytes_) RETURN_IF_ERROR(WriteBlock());
    }
    return absl::OkStatus();
  }

  uint32_t Ordinal() {
    if (!ordinal_) {
      ordinal_ = writer_->AddStream(stream_->id, *tenant_, stream_->text);
      ids_.push_back(stream_->id);
    }
    return *ordinal_;
  }

  absl::Status WriteBlock() {
    const Rows rows = builder_.Finish();
    const BlockPiece piece{Ordinal(), &rows, 0, static_cast<uint32_t>(rows.size())};
    return writer_->AddBlock({piece}, Effort::kSmall);
  }

  absl::Status FinishStream() {
    if (builder_.size() == 0) return absl::OkStatus();
    if (!shares_) return WriteBlock();
    Rows rows = builder_.Finish();
    const BlockPiece piece{Ordinal(), &rows, 0, static_cast<uint32_t>(rows.size())};
    return filler_->Add(*tenant_, {piece}, &rows);
  }

  const std::vector<MergeInput>& inputs_;
  const MergeOptions& options_;
  LabelIndex* const index_;
  SegmentWriter* writer_ = nullptr;
  std::optional<BlockFiller> filler_;
  std::map<std::pair<std::string, std::string>, Stream> streams_;  // by tenant and labels
  std::vector<KeptBlock> kept_;                                    // the shared block read last, by input
  std::vector<StreamId> ids_;                                      // of the writer's streams

  // Of the stream being written.
  const std::string* tenant_ = nullptr;
  const Stream* stream_ = nullptr;
  std::optional<uint32_t> ordinal_;
  RowsBuilder builder_;
  bool shares_ = false;
  uint64_t block_bytes_ = 0;
};

}  // namespace

absl::StatusOr<MergeResult> MergeSegments(const std::vector<MergeInput>& inputs, const MergeOptions& options,
                                          bool keep_empty, LabelIndex* index, BlobStore* blobs) {
  SegmentProperties properties = inputs.front().footer.properties;
  uint32_t level = 0;
  for (const MergeInput& input : inputs) {
    properties.covered = std::max(properties.covered, input.footer.properties.covered);
    level = std::max(level, input.info.level);
  }
  const std::string name = SegmentFileName(options.output);
  RETURN_IF_ERROR(Failpoint("compact.before_segment"));
  ASSIGN_OR_RETURN(const std::unique_ptr<SegmentWriter> writer,
                   SegmentWriter::Create(blobs, name, properties));
  Merger merger(inputs, options, index);
  RETURN_IF_ERROR(merger.Run(writer.get()));
  MergeResult result = std::move(merger.result);
  result.commit.shard = properties.shard;
  if (result.rows == 0 && !keep_empty) return result;
  RETURN_IF_ERROR(Failpoint("compact.before_finish"));
  ASSIGN_OR_RETURN(const SegmentFooter footer, writer->Finish());
  absl::StatusOr<uint64_t> size = blobs->Size(name);
  if (absl::Status status = Failpoint("compact.after_segment"); !status.ok()) size = std::move(status);
  if (!size.ok()) {
    (void)blobs->Delete(name);
    return size.status();
  }
  result.output_bytes = *size;
  result.commit.segments.push_back(InfoOfSegment(options.output, footer, result.output_bytes));
  result.commit.segments[0].level = options.encode_anew ? std::max(level, 1u) : level;
  result.commit.streams = EntriesOfSegment(options.output, footer, merger.ids());
  return result;
}

}  // namespace skald
