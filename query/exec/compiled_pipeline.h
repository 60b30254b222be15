// What Pipeline::Compile makes of a PipelineSpec and PipelineRunner runs.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "query/exec/format_stages.h"
#include "query/exec/keep_drop.h"
#include "query/exec/label_filter.h"
#include "query/exec/line_filter.h"
#include "query/exec/parser_stages.h"
#include "query/exec/pipeline.h"
#include "query/exec/unwrap.h"

namespace skald::exec {

using CompiledStage = std::variant<LineFilter, JsonStage, JsonPathStage, LogfmtStage, LogfmtPickStage,
                                   RegexpStage, PatternStage, UnpackStage, LabelTest, LineFormatStage,
                                   LabelFormatStage, DecolorizeStage, DropStage, KeepStage>;

// Immutable and thread-safe.
struct CompiledPipeline {
  PipelineSpec spec;
  ParserHints hints;
  LineFilters leading;
  std::vector<CompiledStage> stages;  // after the leading filters; never moved, early_filters points into it
  std::vector<EarlyFilter> early_filters;  // the first filter on each label; empty where hints has none
  std::optional<UnwrapStage> unwrap;
  std::string unwrapped_label;  // taken out of samples that keep their labels, "" for none

  bool reads_line = false;   // a stage after the leading filters looks at the line
  bool reads_times = false;  // a template asks for the row's time
  bool can_fail = false;     // a stage or the unwrap may set an error, with which a sample keeps all labels
  std::vector<std::string> used_names;  // labels that stages, unwrap and grouping read; sorted, distinct

  // Runs the stages and the unwrap on a row that has been started; false where it is dropped. *value is the
  // sample's value for kUnwrap, else untouched.
  bool Run(RowState* row, double* value) const;
  // The labels a sample leaves with.
  void SampleLabels(RowState* row, std::vector<LabelView>* out) const;
};

}  // namespace skald::exec
