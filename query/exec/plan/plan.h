// The plan of a query: what is read, what is done with each line, what is computed of it. Made by planner.h
// out of a syntax tree before anything is read, written out by plan_printer.h, and followed to the letter by
// the scans.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/exec/metric/range_function.h"
#include "query/exec/plan/pipeline_plan.h"
#include "query/logql/ast.h"

namespace skald::exec {

// What the headers of blocks can answer: a slice's header tells its rows and line bytes, also for each
// detected level.
enum class HeaderUse {
  kNone,
  kCounts,          // rows and bytes of slices whose stream alone decides the outcome
  kCountsOrLevels,  // those, and where the grouping asks for detected_level, the counts of each level
};

// One selector and what becomes of its lines: the lines of a log query, or the samples of a range
// aggregation.
struct ReadPlan {
  logql::Selector selector;
  // Null in a log query. Both stand in the plan's tree; parent is the vector aggregation directly around
  // range, or null.
  const logql::RangeAggregation* range = nullptr;
  const logql::VectorAggregation* parent = nullptr;

  PipelinePlan pipeline;
  // Of a log query: stages that see the lines of the whole answer, one after the other, in its order.
  std::vector<logql::NamedStage> sequence;
  RangeKernel kernel = RangeKernel::kSum;  // how samples of one series are put together
  HeaderUse headers = HeaderUse::kNone;
  std::string headers_reason;  // why headers cannot answer, "" where they can
};

// What a pass has done to the query, in a few words for people.
struct PlanNote {
  std::string_view pass;
  std::string text;
};

// Immutable once planned; may be shared by threads.
struct Plan {
  logql::ExprPtr query;  // as it was asked
  logql::ExprPtr root;   // as it is computed
  bool is_log_query = false;

  std::vector<ReadPlan> reads;  // exactly one in a log query; distinct in a metric query
  // Each range aggregation of root -> reads.
  absl::flat_hash_map<const logql::RangeAggregation*, uint32_t> read_of;
  // sort or sort_desc stands in it: an instant answer is not sorted by labels.
  bool keeps_value_order = false;

  std::vector<PlanNote> notes;  // in order of the passes
};

}  // namespace skald::exec
