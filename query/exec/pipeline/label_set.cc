#include "query/exec/pipeline/label_set.h"

#include <xxhash.h>

#include <utility>

#include "base/coding.h"

namespace skald::exec {

LabelSetId LabelSetInterner::Intern(const std::vector<LabelView>& sorted) {
  scratch_.clear();
  for (const LabelView& label : sorted) {
    scratch_ += static_cast<char>(label.category);
    PutText(&scratch_, label.name);
    PutText(&scratch_, label.value);
  }
  const uint64_t hash = XXH3_64bits(scratch_.data(), scratch_.size());
  const auto id = static_cast<LabelSetId>(sets_.size());
  const auto [it, added] = by_hash_.try_emplace(hash, id);
  if (!added) {
    for (LabelSetId known = it->second;; known = next_[known]) {
      if (forms_[known] == scratch_) return known;
      if (next_[known] == known) {
        next_[known] = id;
        break;
      }
    }
  }
  LabelSet& set = sets_.emplace_back();
  std::vector<Labels::Pair> pairs;
  pairs.reserve(sorted.size());
  set.categories.reserve(sorted.size());
  for (const LabelView& label : sorted) {
    pairs.emplace_back(label.name, label.value);
    set.categories.push_back(label.category);
  }
  set.labels = Labels(std::move(pairs));
  set.has_error = set.labels.Has("__error__");
  set.preserve_error = set.labels.Get("__preserve_error__") == "true";
  next_.push_back(id);
  forms_.push_back(scratch_);
  bytes_ += sizeof(LabelSet) + sizeof(std::string) + 2 * scratch_.size() +
            sorted.size() * sizeof(Labels::Pair) + 48;
  return id;
}

}  // namespace skald::exec
