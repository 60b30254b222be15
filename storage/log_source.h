// What the query engine sees of stored logs, and all it sees: streams by matchers, and blocks of rows to
// decode. Implemented by storage/store.h for one machine; another implementation may read an object store.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/types.h"
#include "proto/rows.h"
#include "text/gram_filter.h"

namespace skald {

struct BlockPatterns;

struct StreamRef {
  StreamId id;
  std::shared_ptr<const Labels> labels;
};

// The metadata key of an error, and the level that rows with it are counted under: metrics of such rows fail,
// or show all labels of theirs, so that counts do not answer for them.
inline constexpr std::string_view kErrorLevel = "__error__";

// Lines and line bytes of one detected level within a slice. `level` is the value of the metadata key
// detected_level, "" for rows without, kErrorLevel for rows with an error.
struct LevelCount {
  std::string level;
  uint32_t rows = 0;
  uint64_t line_bytes = 0;
};

// Rows [row_begin, row_end) of a block: all that the block holds of one stream. All but the rows themselves
// is known without decoding.
struct Slice {
  uint32_t stream = 0;  // index into Selection::streams
  uint32_t row_begin = 0;
  uint32_t row_end = 0;
  int64_t min_ns = 0;  // both inclusive
  int64_t max_ns = 0;
  uint64_t line_bytes = 0;
  std::vector<LevelCount> levels;
  // Another slice of the same stream in this selection reaches into [min_ns, max_ns]: the two may hold the
  // same entry (a sender repeated itself), which must count once. Entries are the same when time, line and
  // metadata are. Within one slice there are no repetitions.
  bool overlaps = false;

  uint32_t rows() const { return row_end - row_begin; }
  bool HasErrors() const {
    for (const LevelCount& count : levels) {
      if (count.level == kErrorLevel) return true;
    }
    return false;
  }
};

// What a Read must fill of a Rows; the rest is left empty.
struct ColumnSet {
  bool times = false;
  bool lines = false;     // line_end and text
  bool metadata = false;  // all metadata columns
};

// What reading has cost, for a query's statistics. Not thread-safe: one per thread, summed later.
struct ReadStats {
  uint64_t blocks = 0;
  uint64_t stored_bytes = 0;   // compressed bytes taken from disk or page cache
  uint64_t decoded_bytes = 0;  // line bytes after decompression
  uint64_t decoded_rows = 0;
  uint64_t head_blocks = 0;  // of blocks: those that were in memory only
  uint64_t head_bytes = 0;   // their line bytes
  uint64_t head_rows = 0;
};

// A block's rows over time, if it has one slice: counts[i] is of the rows in (first_end_ns + (i - 1) *
// width_ns, first_end_ns + i * width_ns], and together they are all. first_end_ns is a multiple of width_ns.
struct TimeCounts {
  struct Count {
    uint32_t rows = 0;
    uint32_t line_bytes = 0;
  };
  int64_t width_ns = 0;
  int64_t first_end_ns = 0;
  std::vector<Count> counts;
};

// What a stored block tells of itself without being decoded.
struct BlockSummary {
  TimeCounts times;   // no counts: it does not tell
  std::string grams;  // of its text and its metadata's values (text/gram_filter.h); "": it does not tell
  int grams_log2_bits = 0;   // or kSampledGrams (text/gram_sample.h)
  bool backslashes = false;  // some line holds one

  bool MayHold(const GramNeed& need) const {
    return grams.empty() ||
           need.MayHold(reinterpret_cast<const unsigned char*>(grams.data()), grams_log2_bits);
  }
};

// Rows that are decoded together: a stored block, or lines still in memory. Immutable and thread-safe; holds
// what it needs to stay readable for its lifetime, also when the store drops the file meanwhile.
class Block {
 public:
  virtual ~Block() = default;

  // The selected streams' slices only, in order of their rows. Never empty.
  const std::vector<Slice>& slices() const { return slices_; }
  int64_t min_ns() const { return min_ns_; }
  int64_t max_ns() const { return max_ns_; }
  // Line bytes of the whole block, selected or not: what Read has to decode, for the caller's memory budget.
  virtual uint64_t text_bytes() const = 0;

  // Null where there is none, or where it cannot be read: the rows tell all.
  virtual std::shared_ptr<const BlockSummary> Summary() const { return nullptr; }

  // What patterns the lines of the block's slices are of, counted (storage/block/block_patterns.h). Null
  // where it does not tell: the rows do.
  virtual std::shared_ptr<const BlockPatterns> Patterns(ReadStats*) const { return nullptr; }

  // The rows, with at least the wanted columns: either decoded into *scratch, or the block's own (valid as
  // long as the block). DataLoss when the stored bytes do not match their checksum: this block's rows are
  // lost, no others.
  virtual absl::StatusOr<const Rows*> Read(ColumnSet want, Rows* scratch, ReadStats* stats) const = 0;

 protected:
  std::vector<Slice> slices_;
  int64_t min_ns_ = 0;  // over slices_
  int64_t max_ns_ = 0;
};

struct Selection {
  std::vector<uint64_t> shard_versions;  // what of the heads it has, see FreshRows; may be empty
  std::vector<StreamRef> streams;        // those that have a block; sorted by label text
  // Each overlaps the asked range. In order of arrival: of a stream's rows of one time, those of the earlier
  // block came first.
  std::vector<std::shared_ptr<const Block>> blocks;
};

// Thread-safe. Sees every row whose Append was answered before the call.
class LogSource {
 public:
  virtual ~LogSource() = default;

  // Streams of the tenant that all matchers accept, and their blocks that reach into range. Blocks hold rows
  // outside of range too; the caller cuts them. At least one matcher must refuse "", or every stream of the
  // tenant is meant by an empty list.
  virtual absl::StatusOr<Selection> Select(std::string_view tenant, const std::vector<Matcher>& matchers,
                                           TimeRange range) const = 0;

  // Streams without their blocks; a stream counts when it may have rows in range (day granularity).
  virtual absl::StatusOr<std::vector<StreamRef>> Series(std::string_view tenant,
                                                        const std::vector<Matcher>& matchers,
                                                        TimeRange range) const = 0;
  // Those of them that have stored blocks reaching into range. Streams whose lines there are in memory alone
  // are left out, unless their last line is more than idle_ns before the range's end.
  virtual absl::StatusOr<std::vector<StreamRef>> StoredSeries(std::string_view tenant,
                                                              const std::vector<Matcher>& matchers,
                                                              TimeRange range, int64_t idle_ns) const = 0;
  // Sorted, distinct.
  virtual absl::StatusOr<std::vector<std::string>> LabelNames(std::string_view tenant,
                                                              const std::vector<Matcher>& matchers,
                                                              TimeRange range) const = 0;
  virtual absl::StatusOr<std::vector<std::string>> LabelValues(std::string_view tenant, std::string_view name,
                                                               const std::vector<Matcher>& matchers,
                                                               TimeRange range) const = 0;
};

}  // namespace skald
