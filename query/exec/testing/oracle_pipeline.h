// The stages of a selector in the order in which they run, and what comes out of them.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "query/exec/testing/oracle.h"
#include "query/exec/testing/oracle_row.h"

namespace skald::oracle {

// Stages as they run, with what their labels may leave out. Not copyable: hints point into stages.
struct Stages {
  std::vector<logql::Stage> stages;
  Hints hints;
  Stages() = default;
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;
};

struct SampleGrouping {
  enum class Kind { kAll, kNone, kBy, kWithout };
  Kind kind = Kind::kAll;
  std::vector<std::string> labels;
};

struct Sample {
  int64_t time_ns = 0;
  StringMap labels;
  double value = 0;
  std::string text;  // for count_distinct_over_time: the label's value
};

// Entries that the selector takes and that come through, in order of time (as they came among equal times).
// Errors: a stage that cannot be built, if any stream matches within [from, until].
absl::StatusOr<std::vector<Answer::Line>> Lines(const std::vector<StoredEntry>& entries,
                                                const logql::LogSelectorExpr& selector, int64_t from_ns,
                                                int64_t until_ns);
// Lines made for | context: the lines that come through, and around each of them the others of its stream as
// they are stored, each entry once, in order of time. *ambiguous where entries of one stream and time leave a
// choice.
std::vector<Answer::Line> LinesWithContext(const std::vector<StoredEntry>& entries,
                                           const logql::LogSelectorExpr& selector, size_t before,
                                           size_t after, int64_t from_ns, int64_t until_ns, bool* ambiguous);
// The samples of a range aggregation over all times of [from, until]; sum_grouping: that of a sum directly
// around it, or null.
absl::StatusOr<std::vector<Sample>> Samples(const std::vector<StoredEntry>& entries,
                                            const logql::RangeAggregation& range,
                                            const logql::VectorAggregation* parent, int64_t from_ns,
                                            int64_t until_ns);

}  // namespace skald::oracle
