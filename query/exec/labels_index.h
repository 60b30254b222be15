// Finds label sets that are kept elsewhere, without a second copy of them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "base/labels.h"

namespace skald::exec {

// A map from label sets to their positions in some list. Not thread-safe.
class LabelsIndex {
 public:
  // at: the labels at a position that FindOrInsert was given before.
  explicit LabelsIndex(std::function<const Labels&(uint32_t)> at) : at_(std::move(at)) {}

  // The position of equal labels, or else `next`, which is remembered as theirs.
  uint32_t FindOrInsert(const Labels& labels, uint32_t next) {
    // Sets whose hashes collide move on to the hash plus one, and so on.
    for (uint64_t hash = absl::HashOf(labels.pairs());; ++hash) {
      const auto [it, added] = positions_.try_emplace(hash, next);
      if (added || at_(it->second) == labels) return it->second;
    }
  }

 private:
  std::function<const Labels&(uint32_t)> at_;
  absl::flat_hash_map<uint64_t, uint32_t> positions_;
};

}  // namespace skald::exec
