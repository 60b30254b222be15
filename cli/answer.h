// Answers of the read API, taken out of their JSON.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"

namespace skald::cli {

// One line of an answer. Labels are shared by the lines of one stream of the answer.
struct Entry {
  int64_t time_ns = 0;
  std::shared_ptr<const Labels> labels;
  std::string line;
};

struct QueryAnswer {
  std::string result_type;     // streams, matrix, vector or scalar
  std::vector<Entry> entries;  // of streams only: stream after stream, each in the order of the answer
  std::string result_json;     // of the other types: the value of data.result
  std::vector<std::string> warnings;
  uint64_t bytes_processed = 0;  // data.stats.summary; 0 where the server gives none
  uint64_t lines_processed = 0;
  double execution_seconds = 0;
};

// InvalidArgument when the text is not an answer of this API (an HTML page of some proxy, a cut-off body).
absl::StatusOr<QueryAnswer> ParseQueryAnswer(std::string_view json);

// A message of a live tail.
struct TailFrame {
  std::vector<Entry> entries;  // labels with structured metadata and what parsers found
  uint64_t dropped = 0;        // lines that the server could not send in time
};
absl::StatusOr<TailFrame> ParseTailFrame(std::string_view json);

// {"status":"success","data":["a","b"]}; a missing or null data is the empty list.
absl::StatusOr<std::vector<std::string>> ParseStringList(std::string_view json);

// {"status":"success","data":[{"a":"b"}]}.
absl::StatusOr<std::vector<Labels>> ParseSeries(std::string_view json);

}  // namespace skald::cli
