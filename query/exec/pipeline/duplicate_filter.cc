#include "query/exec/pipeline/duplicate_filter.h"

#include <algorithm>

#define XXH_STATIC_LINKING_ONLY  // for the size of XXH3_state_t
#include <xxhash.h>

namespace skald::exec {

DuplicateFilter::DuplicateFilter(const Selection& selection) {
  struct Reference {
    uint32_t stream;
    uint32_t block;
    uint32_t slice;
    int64_t min_ns;
    int64_t max_ns;
  };
  std::vector<Reference> overlapping;
  regions_.resize(selection.blocks.size());
  for (uint32_t b = 0; b < selection.blocks.size(); ++b) {
    const std::vector<Slice>& slices = selection.blocks[b]->slices();
    for (uint32_t s = 0; s < slices.size(); ++s) {
      if (!slices[s].overlaps) continue;
      regions_[b].resize(slices.size());
      overlapping.push_back(Reference{slices[s].stream, b, s, slices[s].min_ns, slices[s].max_ns});
    }
  }
  std::sort(overlapping.begin(), overlapping.end(), [](const Reference& x, const Reference& y) {
    return x.stream != y.stream ? x.stream < y.stream : x.min_ns < y.min_ns;
  });
  int64_t reached_ns = kMinTimeNs;
  for (size_t i = 0; i < overlapping.size(); ++i) {
    const Reference& reference = overlapping[i];
    if (i == 0 || overlapping[i - 1].stream != reference.stream) reached_ns = kMinTimeNs;
    Region& region = regions_[reference.block][reference.slice];
    region.until_ns = reached_ns;
    if (i + 1 < overlapping.size() && overlapping[i + 1].stream == reference.stream) {
      region.from_ns = overlapping[i + 1].min_ns;
    }
    reached_ns = std::max(reached_ns, reference.max_ns);
  }
}

DuplicateFilter::Region DuplicateFilter::RegionOf(uint32_t block, uint32_t slice) const {
  return regions_[block].empty() ? Region() : regions_[block][slice];
}

bool DuplicateFilter::IsFirst(uint32_t stream, const Rows& rows, uint32_t row) {
  // A key is 128 bits of hash; that two different entries share one is not to be expected.
  XXH3_state_t state;
  XXH3_128bits_reset_withSeed(&state, stream);
  const std::string_view line = rows.line(row);
  const uint64_t head[2] = {static_cast<uint64_t>(rows.time_ns[row]), line.size()};
  XXH3_128bits_update(&state, head, sizeof(head));
  XXH3_128bits_update(&state, line.data(), line.size());
  for (const MetadataColumn& column : rows.metadata) {
    if (column.index[row] == 0) continue;
    const std::string_view value = column.value(column.index[row] - 1);
    // Lengths keep {a="bc"} and {ab="c"} apart.
    const uint64_t sizes[2] = {column.name.size(), value.size()};
    XXH3_128bits_update(&state, sizes, sizeof(sizes));
    XXH3_128bits_update(&state, column.name.data(), column.name.size());
    XXH3_128bits_update(&state, value.data(), value.size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  Shard& shard = shards_[hash.low64 % shards_.size()];
  std::lock_guard lock(shard.mu);
  const bool first = shard.seen.emplace(hash.low64, hash.high64).second;
  if (first) entries_.fetch_add(1, std::memory_order_relaxed);
  return first;
}

}  // namespace skald::exec
