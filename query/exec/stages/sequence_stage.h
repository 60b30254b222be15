// Stages that see the lines of a log query's answer one after the other, in its order, behind the pipeline
// that sees each line by itself: | distinct, | context. Each has a file of its own here, named by its word,
// with a SKALD_SEQUENCE_STAGE at its end; nothing else lists it. How it is written is told in
// query/logql/stage_syntax.h.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/types.h"
#include "query/exec/pipeline/label_set.h"
#include "query/exec/plan/plan.h"
#include "query/exec/result.h"
#include "query/exec/scan.h"
#include "query/logql/ast.h"

namespace skald::exec {

// A line on its way to the answer.
struct SequenceLine {
  int64_t time_ns = 0;
  // Its place: stream, block and row of the selection.
  uint32_t stream = 0;
  uint32_t block = 0;
  uint32_t row = 0;
  LabelSetId labels = 0;  // of SequenceInput::labels
  std::string line;
  // Not 0: of two lines with the same identity the answer shows one, and rather one that is a match.
  uint64_t identity = 0;
  bool is_match = true;  // came through the pipeline; false for lines beside a match
};

// What stages know of the query. Everything outlives them.
struct SequenceInput {
  const QueryContext& query;
  const ReadPlan& read;
  const Selection& selection;
  TimeRange range;
  Direction direction;
  LabelSetInterner* labels;
};

// Has the state of one query; not thread-safe.
class SequenceStage {
 public:
  using Next = absl::FunctionRef<absl::Status(SequenceLine)>;

  virtual ~SequenceStage() = default;
  // Takes the next line of the answer, and hands on what comes of it. Errors end the query.
  virtual absl::Status Take(SequenceLine line, Next next) = 0;
};

// InvalidArgument for a word without a stage.
absl::StatusOr<std::unique_ptr<SequenceStage>> MakeSequenceStage(const logql::NamedStage& stage,
                                                                 const SequenceInput& input);

// What makes the stage of this word, in stages/<word>.cc:
//   SKALD_SEQUENCE_STAGE(distinct) { return std::make_unique<DistinctStage>(stage, input); }
#define SKALD_SEQUENCE_STAGE(word) \
  std::unique_ptr<SequenceStage> MakeStage_##word(const logql::NamedStage& stage, const SequenceInput& input)

}  // namespace skald::exec
