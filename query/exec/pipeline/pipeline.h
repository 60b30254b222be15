// The stages of one log selector, made ready to run: rows in; lines, values and label sets out.
//
//   auto pipeline = Pipeline::Compile(plan.reads[0].pipeline);  // once a query; immutable, shared by all
//   threads PipelineRunner runner(pipeline, &interner);                      // one a thread for each block,
//   for each slice of it:
//     rows = block.Read(pipeline->Columns(), ...)
//     runner.StartSlice(stream_labels, rows);
//     pipeline->FilterRows(*rows, begin, end, &candidates)           // the leading line filters, over the
//     whole text at once for each candidate row: if (runner.ProcessEntry(row, &entry)) ...   or ProcessSample
//
// Rows outside of the query's time range are the caller's to leave out, before or after FilterRows.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "proto/rows.h"
#include "query/exec/pipeline/label_set.h"
#include "query/exec/plan/pipeline_plan.h"
#include "storage/log_source.h"

namespace skald::exec {

struct CompiledPipeline;  // query/exec/pipeline/compiled_pipeline.h

// Immutable and thread-safe.
class Pipeline {
 public:
  // InvalidArgument as Loki says it: parse error : stage '| json a="p..q"' : cannot parse expression ... .
  // Loki makes these checks only when some stream matched, so compile after the selection and only if it is
  // not empty.
  static absl::StatusOr<std::shared_ptr<const Pipeline>> Compile(PipelinePlan plan);
  ~Pipeline();

  // What a Read has to fill; times only where a template asks for them, otherwise they are left to the
  // caller.
  ColumnSet Columns() const;
  // False where no metadata of this stream's rows can change an outcome: Columns().metadata may be left out
  // for it.
  bool MetadataMatters(const Labels& stream) const;
  bool HasLeadingFilters() const;

  // The rows of [begin, end) that pass the leading line filters (those hoisted to the front by the stage
  // order rules), appended to *out in ascending order; all of them where there are no such filters. Rows must
  // have its lines.
  void FilterRows(const Rows& rows, uint32_t begin, uint32_t end, std::vector<uint32_t>* out) const;
  // The same for one line.
  bool PassesLeadingFilters(std::string_view line) const;

  const PipelinePlan& plan() const;
  const CompiledPipeline& compiled() const { return *compiled_; }

 private:
  explicit Pipeline(std::unique_ptr<const CompiledPipeline> compiled);
  std::unique_ptr<const CompiledPipeline> compiled_;
};

// A line that came through a log query's pipeline.
struct Entry {
  std::string_view line;  // the row's own or the runner's: valid until its next Process or StartSlice
  LabelSetId labels = 0;
};

struct Sample {
  double value = 0;
  LabelSetId labels = 0;
};

// Scratch and caches of one thread. Not thread-safe. Label sets go to the interner it is made with, which
// must outlive it.
class PipelineRunner {
 public:
  PipelineRunner(std::shared_ptr<const Pipeline> pipeline, LabelSetInterner* interner);
  ~PipelineRunner();
  PipelineRunner(PipelineRunner&&) noexcept;

  // Begins rows of one stream. Both arguments must stay as they are until the next StartSlice; rows needs no
  // more than Columns().
  void StartSlice(const Labels& stream, const Rows* rows);

  // Runs the stages after the leading line filters on a row that passed those. False: the row is dropped,
  // *out is untouched.
  bool ProcessEntry(uint32_t row, Entry* out);
  bool ProcessSample(uint32_t row, Sample* out);

  // Where every row of the slice that passed the leading filters has the same outcome (no line read, no
  // metadata in the way), that outcome: keep tells whether rows are kept, labels is their set, value is
  // theirs (but for kBytes, where it is the line's length). nullopt where rows must be processed one by one.
  // Works with rows == nullptr in StartSlice if !MetadataMatters(stream).
  struct Constant {
    bool keep = false;
    LabelSetId labels = 0;
    double value = 0;
  };
  std::optional<Constant> SliceConstant();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skald::exec
