// A slow, obvious evaluator of LogQL: entry by entry, step by step, in maps of strings. It shares the parser,
// the template engine and the conversions of units with the engine, and nothing of how a query is run.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "query/exec/engine.h"
#include "query/logql/ast.h"

namespace skald::oracle {

using StringMap = std::map<std::string, std::string>;

struct StoredEntry {
  StringMap stream;
  int64_t time_ns = 0;
  std::string line;
  StringMap metadata;
};

// An answer in a form that two evaluators can be compared in.
struct Answer {
  enum class Kind { kLog, kMatrix, kVector, kScalar };
  struct Line {
    int64_t time_ns = 0;
    StringMap labels;
    std::string line;
    friend auto operator<=>(const Line&, const Line&) = default;
  };
  struct Sample {
    StringMap labels;
    int64_t t_ms = 0;
    double value = 0;
  };

  Kind kind = Kind::kLog;
  std::vector<Line> lines;      // in the order of the answer; entries of one time in any
  std::vector<Sample> samples;  // a vector's in its order, a matrix's in any; a scalar is one without labels
  // Ties, or numbers so close that the order of a sum decides: other answers are as good.
  bool ambiguous = false;
};

// Entries in order of arrival. Limits other than params' and the rounding of a range query's ends (on
// limits.split_interval_ns) are not looked at. Errors have the engine's codes, their texts only for pipeline
// errors and vector matching.
absl::StatusOr<Answer> Evaluate(const std::vector<StoredEntry>& entries, const logql::ExprPtr& expr,
                                const QueryParams& params, const QueryLimits& limits);

Answer AnswerOf(const QueryResult& result);

// "" where the two say the same, else what differs first. The oracle's first.
std::string Difference(const absl::StatusOr<Answer>& want, const absl::StatusOr<Answer>& got,
                       const QueryParams& params);

}  // namespace skald::oracle
