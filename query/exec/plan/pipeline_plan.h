// What is done with each line of one selector: the part of a plan that a Pipeline is compiled from. The
// passes of planner.h fill it in; nothing is derived again when it runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/labels.h"
#include "query/exec/pipeline/parser_hints.h"
#include "query/logql/ast.h"
#include "storage/log_source.h"
#include "text/gram_filter.h"

namespace skald::exec {

enum class SampleKind {
  kNone,      // a log query: entries, not samples
  kOne,       // count_over_time, rate, absent_over_time: 1 a line
  kBytes,     // bytes_over_time, bytes_rate: the line's length after the pipeline
  kDistinct,  // count_distinct_over_time: a hash of the value of a label
  kUnwrap,    // the value of a label
};

// Texts that all stand in a line.
struct TextParts {
  std::vector<std::string> all_of;
  bool any_case = false;  // of ASCII letters
};

// Of which one at least stands in each line that comes through: blocks whose summaries know of none are not
// read.
struct NeededText {
  std::vector<TextParts> any_of;
  std::string label;  // "" for texts that stand in the line as it is, else in the value of this label
  GramNeed grams;     // the same, as summaries are asked; trivial where the texts are too short for them
};

// "error", "error" or "warn", "error" in any case, "error" in level.
std::string Shown(const NeededText& text);

struct PipelinePlan {
  std::vector<logql::LineFilter> leading;  // run over whole blocks of text, before anything else
  std::vector<logql::Stage> stages;        // run on the rows that are left, in order
  SampleKind kind = SampleKind::kNone;
  std::optional<logql::Unwrap> unwrap;  // present exactly for kUnwrap and kDistinct
  SampleGrouping grouping;              // of samples; its labels sorted

  std::vector<NeededText> needed_text;  // all of these are needed
  ParserHints hints;                    // what parsers need not do
  std::vector<std::string> fields;      // labels that stages, unwrap and grouping name; sorted, distinct

  bool reads_line = false;   // a stage looks at the line, or makes another one
  bool can_fail = false;     // a stage or the unwrap may set an error, with which a sample keeps all labels
  bool reads_times = false;  // a template asks for the row's time
  // What a read of rows must fill; times only where reads_times, otherwise they are left to the caller.
  ColumnSet columns;

  // False where no metadata of this stream's rows can change an outcome: columns.metadata may be left out for
  // it.
  bool MetadataMatters(const Labels& stream) const;
};

}  // namespace skald::exec
