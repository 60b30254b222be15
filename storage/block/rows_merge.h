// Puts Rows together and takes repetitions out: what heads, flushes and compaction do with rows of one stream
// or several.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "proto/rows.h"

namespace skald {

// Appends ranges of other Rows to one, metadata dictionaries merged. Not thread-safe. No allocation per row.
class RowsBuilder {
 public:
  RowsBuilder();
  ~RowsBuilder();
  RowsBuilder(const RowsBuilder&) = delete;
  RowsBuilder& operator=(const RowsBuilder&) = delete;

  void Reserve(size_t rows, size_t text_bytes);
  // Rows [begin, end) of from, which stays as it is until Finish or NextSource. The caller answers for the
  // order of times. Fast when the ranges of one source come one after another.
  void Append(const Rows& from, size_t begin, size_t end);

  // Before another Rows is appended that stands at the address of an earlier one.
  void NextSource() { source_ = nullptr; }

  size_t size() const { return rows_.size(); }
  size_t text_bytes() const { return rows_.text.size(); }
  // The result, metadata columns sorted by name; the builder is empty again.
  Rows Finish();

 private:
  struct Column;

  void MapColumns(const Rows& from);

  Rows rows_;  // metadata stays empty until Finish
  std::vector<std::unique_ptr<Column>> columns_;
  const Rows* source_ = nullptr;  // that source_map_ was made for
  struct Mapped {
    Column* column;
    std::vector<uint32_t> index;  // source's index to ours; 0 not looked up yet
  };
  std::vector<Mapped> source_map_;
};

// One Rows of all parts, each in order of time; of equal times, the earlier part's rows first.
Rows MergeByTime(std::span<const Rows* const> parts);

// Whether row i of a and row j of b have the same line and the same metadata (their times are the caller's
// business).
bool SameEntry(const Rows& a, size_t i, const Rows& b, size_t j);

// Rows (of one stream, in order of time) that repeat an earlier row of rows itself or any row of earlier:
// same time, line and metadata. Ascending row numbers; earlier parts need be in order of time each.
std::vector<uint32_t> FindRepeated(const Rows& rows, std::span<const Rows* const> earlier);

// rows without those numbers (ascending).
Rows Without(const Rows& rows, std::span<const uint32_t> dropped);

// Bytes of memory a Rows holds on to, itself included.
uint64_t MemoryBytes(const Rows& rows);

}  // namespace skald
