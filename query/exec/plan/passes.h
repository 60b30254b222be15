// The passes of a plan, in the order in which planner.cc runs them; each in the file of its name.
//
// A pass reads and changes the plan, and adds a note on what it did where it did something. Passes do not
// fail, but for CheckSupported. Each has a test from a query to the text of the plan after it.
#pragma once

#include <absl/status/status.h>

#include "query/exec/engine.h"
#include "query/exec/plan/plan.h"

namespace skald::exec {

// Refuses what parses but does not run: aggregations of a literal, and what the limits do not allow.
absl::Status CheckSupported(Plan* plan, const QueryLimits& limits);

// Puts aggregations into the form in which Loki spreads them over machines, where that shows in the answer
// (spread_forms.h).
absl::Status UseSpreadForms(Plan* plan, const QueryLimits& limits);

// Makes a read of the log query, or of each range aggregation.
absl::Status CollectReads(Plan* plan, const QueryLimits& limits);

// Finds the labels that samples keep: by the range aggregation's own grouping, or that of a sum around it,
// which is thereby computed while lines are read.
absl::Status PushGrouping(Plan* plan, const QueryLimits& limits);

// Reads a range aggregation that stands twice once.
absl::Status MergeReads(Plan* plan, const QueryLimits& limits);

// Takes the stages that see the answer as a whole off those that see each line by itself.
absl::Status SplitSequence(Plan* plan, const QueryLimits& limits);

// Takes out stages that do nothing: line filters that keep every line, and in metric queries a line_format
// whose line nobody reads, with its errors, as Loki does.
absl::Status DropIdleStages(Plan* plan, const QueryLimits& limits);

// Moves line filters to the front, past stages that leave the line alone, and takes the leading ones off the
// stages: they run over whole blocks of text.
absl::Status PushFilters(Plan* plan, const QueryLimits& limits);

// Finds text that each line must hold to pass the leading filters.
absl::Status FindNeededText(Plan* plan, const QueryLimits& limits);

// Finds the labels that anything reads, and what parsers need not extract. The latter is part of the
// language: it shows in Loki's answers.
absl::Status FindFields(Plan* plan, const QueryLimits& limits);

// Finds what the stages look at, and with it the columns that must be decoded.
absl::Status ChooseColumns(Plan* plan, const QueryLimits& limits);

// Finds out what block headers can answer without decoding.
absl::Status UseHeaders(Plan* plan, const QueryLimits& limits);

// Finds out whether the order of values is part of the answer.
absl::Status KeepOrder(Plan* plan, const QueryLimits& limits);

}  // namespace skald::exec
