// What Pipeline::Compile makes of a PipelinePlan and PipelineRunner runs.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "query/exec/pipeline/format_stages.h"
#include "query/exec/pipeline/keep_drop.h"
#include "query/exec/pipeline/label_filter.h"
#include "query/exec/pipeline/line_filter.h"
#include "query/exec/pipeline/parser_stages.h"
#include "query/exec/pipeline/pipeline.h"
#include "query/exec/pipeline/unwrap.h"

namespace skald::exec {

using CompiledStage = std::variant<LineFilter, JsonStage, JsonPathStage, LogfmtStage, LogfmtPickStage,
                                   RegexpStage, PatternStage, UnpackStage, LabelTest, LineFormatStage,
                                   LabelFormatStage, DecolorizeStage, DropStage, KeepStage>;

// Immutable and thread-safe.
struct CompiledPipeline {
  PipelinePlan plan;
  LineFilters leading;
  std::vector<CompiledStage> stages;  // after the leading filters; never moved, early_filters points into it
  std::vector<EarlyFilter> early_filters;  // the first filter on each label; empty where hints has none
  std::optional<UnwrapStage> unwrap;
  std::string unwrapped_label;  // taken out of samples that keep their labels, "" for none

  // Runs the stages and the unwrap on a row that has been started; false where it is dropped. *value is the
  // sample's value for kUnwrap, else untouched.
  bool Run(RowState* row, double* value) const;
  // The labels a sample leaves with.
  void SampleLabels(RowState* row, std::vector<LabelView>* out) const;
};

}  // namespace skald::exec
