// What a query answers: streams of lines, or series of numbers. Compact: label sets are shared, lines lie end
// to end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/labels.h"
#include "query/exec/pipeline/label_set.h"
#include "query/exec/query_stats.h"

namespace skald {

class MemoryBudget;  // base/memory_budget.h

enum class Direction { kForward, kBackward };

// Where a label of an entry comes from: kStream, kMetadata, kParsed. Errors of stages count as parsed.
using LabelCategory = exec::LabelCategory;

struct CategorizedLabel {
  std::string name;
  std::string value;
  LabelCategory category = LabelCategory::kStream;
};

// Sorted by name, names distinct.
using CategorizedLabels = std::vector<CategorizedLabel>;

// The answer of a log query. Values; label sets are referred to by position.
class Streams {
 public:
  struct Entry {
    int64_t time_ns = 0;
    uint32_t label_set = 0;  // into label_sets
    std::string line;
  };
  // A result stream: labels as they are printed, and its entries in the direction of the query.
  struct Group {
    Labels labels;
    std::vector<uint32_t> entries;  // into entries()
  };

  // In the direction of the query over all streams; ties of one stream in order of arrival, or its reverse.
  const std::vector<Entry>& entries() const { return entries_; }
  const CategorizedLabels& labels(const Entry& entry) const { return label_sets_[entry.label_set]; }
  const std::vector<CategorizedLabels>& label_sets() const { return label_sets_; }

  // By all labels of an entry (the plain answer), sorted by label text.
  std::vector<Group> GroupByAllLabels() const { return GroupBy(/*stream_only=*/false); }
  // By the labels of category kStream (categorize-labels), sorted by label text.
  std::vector<Group> GroupByStreamLabels() const { return GroupBy(/*stream_only=*/true); }

  uint32_t AddLabelSet(CategorizedLabels labels);
  void AddEntry(int64_t time_ns, uint32_t label_set, std::string line);

 private:
  std::vector<Group> GroupBy(bool stream_only) const;

  std::vector<CategorizedLabels> label_sets_;
  std::vector<Entry> entries_;
};

struct Point {
  int64_t t_ms = 0;
  double value = 0;
};

struct Series {
  Labels labels;
  std::vector<Point> points;  // ascending, never empty
};

// Of a range query; sorted by labels (base/labels.h operator<=>).
struct Matrix {
  std::vector<Series> series;
};

struct VectorSample {
  Labels labels;
  double value = 0;
};

// Of an instant query; sorted by labels, except for queries with sort or sort_desc in them.
struct Vector {
  int64_t t_ms = 0;
  std::vector<VectorSample> samples;
};

// Of an instant query that is a number.
struct Scalar {
  int64_t t_ms = 0;
  // The whole seconds that Loki prints as the scalar's time: its milliseconds are multiplied by 10^9 in 64
  // bits and divided by 10^6.
  int64_t printed_time() const {
    return static_cast<int64_t>(static_cast<uint64_t>(t_ms) * uint64_t{1'000'000'000}) / 1'000'000;
  }
  double value = 0;
};

// A limit that cut an answer short: its name (entries, series, length, bytes, time, memory) and its value.
struct ReachedLimit {
  std::string name;
  std::string value;
};

struct QueryResult {
  std::variant<Streams, Matrix, Vector, Scalar> data;
  QueryStats stats;
  std::vector<std::string> warnings;
  std::vector<ReachedLimit> reached;  // a partial answer's
  // The query's, which still holds what the data takes until the answer is no more; null where nothing was
  // counted.
  std::shared_ptr<MemoryBudget> memory;
};

}  // namespace skald
