// How a query is run and what that costs: the plan, an estimate from index and block headers alone, and once
// it was run, the truth.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "query/exec/engine.h"
#include "query/exec/plan/plan.h"
#include "query/exec/query_trace.h"

namespace skald::exec {

// What is known of a read before any block is decoded. For a log query an upper bound: it ends with its
// limit.
struct ReadEstimate {
  uint64_t streams = 0;
  uint64_t blocks = 0;
  uint64_t blocks_skipped_time = 0;  // outside of every window
  uint64_t blocks_from_header = 0;   // answered by their headers
  uint64_t blocks_to_decode = 0;
  uint64_t bytes_to_decode = 0;  // of lines
  uint64_t lines = 0;            // to look at, headers not counted
  int64_t select_ns = 0;         // finding streams and blocks
};

struct Explanation {
  Plan plan;
  std::vector<ReadEstimate> estimates;  // by plan.reads

  // The truth, of a query that was run.
  bool analyzed = false;
  QueryTrace trace;
  QueryStats total;
  int64_t memory_bytes = 0;  // drawn from its budget at the end
};

// The estimate of one read; grid is null in a log query.
absl::StatusOr<ReadEstimate> EstimateRead(const LogSource& source, const std::string& tenant,
                                          const ReadPlan& read, TimeRange range, const WindowGrid* grid);

// For people: the plan's text with costs beside the steps and reads.
std::string ExplainText(const Explanation& explanation);
// One object: {"plan":{...},"estimate":[...],"analyzed":true,"steps":[...],"reads":[...],"total":{...}}.
void WriteExplainJson(const Explanation& explanation, JsonWriter* w);

}  // namespace skald::exec
