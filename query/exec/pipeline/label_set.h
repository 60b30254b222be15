// The label sets that come out of a pipeline, each distinct one kept once and named by a small number.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"

namespace skald::exec {

// Index into one LabelSetInterner, from 0, in order of first sight.
using LabelSetId = uint32_t;

// Where a label of a log entry came from. Errors count as parsed. Sets of samples have kStream throughout.
enum class LabelCategory : uint8_t { kStream, kMetadata, kParsed };

struct LabelSet {
  Labels labels;                          // may hold labels with the value "" (parsed ones)
  std::vector<LabelCategory> categories;  // one a label, in the same order
  bool has_error = false;                 // __error__ is among the labels
  bool preserve_error = false;  // __preserve_error__="true" is among them: no reason to fail a metric query
};

// One label on its way into a set; the views need to live for the call only.
struct LabelView {
  std::string_view name;
  std::string_view value;
  LabelCategory category = LabelCategory::kStream;
};

// Not thread-safe: one per thread (or per query and thread). References stay valid until its destruction.
class LabelSetInterner {
 public:
  // sorted: by name, names distinct. Equal names, values and categories give the same id.
  LabelSetId Intern(const std::vector<LabelView>& sorted);

  const LabelSet& Get(LabelSetId id) const { return sets_[id]; }
  size_t size() const { return sets_.size(); }
  // About what it holds, for a query's memory budget.
  size_t bytes() const { return bytes_; }

 private:
  std::deque<LabelSet> sets_;
  // XXH3 of the set's byte form -> its id; sets of equal hash are chained through next_.
  absl::flat_hash_map<uint64_t, LabelSetId> by_hash_;
  std::vector<LabelSetId> next_;  // by id; itself = end
  std::vector<std::string> forms_;
  std::string scratch_;
  size_t bytes_ = 0;
};

}  // namespace skald::exec
